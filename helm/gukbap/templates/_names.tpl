{{/* The name that every object's name begins with. */}}
{{- define "gukbap.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{/* The service account's name, made here or not. */}}
{{- define "gukbap.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "gukbap.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "gukbap.labels" -}}
{{- $usual := dict
  "app.kubernetes.io/name" .Chart.Name
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version) -}}
{{- toYaml (merge $usual .Values.commonLabels) -}}
{{- end -}}
