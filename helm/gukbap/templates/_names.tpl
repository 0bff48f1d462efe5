{{/* The name that every object's name begins with. */}}
{{- define "gukbap.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{/* The service account's name, made here or not. */}}
{{- define "gukbap.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "gukbap.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* The account of servers, which have no rights. */}}
{{- define "gukbap.serversAccountName" -}}
{{ include "gukbap.fullname" . }}-servers
{{- end -}}

{{/* The secret of steps. */}}
{{- define "gukbap.secretName" -}}
{{- .Values.existingSecret | default .Values.platform.secret -}}
{{- end -}}

{{/* MinIO's administrator. */}}
{{- define "gukbap.minioSecretName" -}}
{{- .Values.minio.existingSecret | default (printf "%s-minio" (include "gukbap.fullname" .)) -}}
{{- end -}}

{{/* PostgreSQL's password. */}}
{{- define "gukbap.postgresSecretName" -}}
{{- .Values.postgres.existingSecret | default (printf "%s-postgres" (include "gukbap.fullname" .)) -}}
{{- end -}}

{{/* One of the project's own images: (list . "cpu"). */}}
{{- define "gukbap.image" -}}
{{- $root := index . 0 -}}
{{- printf "%s/gukbap-%s:%s" $root.Values.images.repository (index . 1) ($root.Values.images.tag | default $root.Chart.AppVersion) -}}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "gukbap.labels" -}}
{{- $usual := dict
  "app.kubernetes.io/name" .Chart.Name
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version) -}}
{{- toYaml (merge $usual (omit .Values.commonLabels "app.kubernetes.io/component")) -}}
{{- end -}}

{{/* Labels by which the pods of one component are selected: (list . "mlflow"). They never change. */}}
{{- define "gukbap.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Name and labels of a component's object: (list . "mlflow"). */}}
{{- define "gukbap.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "gukbap.fullname" $root }}-{{ index . 1 }}
labels:
  {{- include "gukbap.labels" $root | nindent 2 }}
  app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/*
Labels of a component's pods. No sidecar of Istio, which a profile of Kubeflow would inject: steps have none
either and would be refused, and a Job with one does not end.
*/}}
{{- define "gukbap.podLabels" -}}
{{- $root := index . 0 -}}
{{- include "gukbap.selector" . }}
{{- $own := omit $root.Values.commonLabels "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" }}
{{ toYaml (merge $own (dict "sidecar.istio.io/inject" "false")) }}
{{- end -}}

{{/* Where MinIO, MLflow and a model server answer in the cluster. */}}
{{- define "gukbap.storeEndpoint" -}}
{{- if .Values.minio.enabled -}}
http://{{ include "gukbap.fullname" . }}-minio.{{ .Release.Namespace }}.svc:9000
{{- else -}}
{{ .Values.store.endpoint }}
{{- end -}}
{{- end -}}
{{- define "gukbap.mlflowUri" -}}
http://{{ include "gukbap.fullname" . }}-mlflow.{{ .Release.Namespace }}.svc:5000
{{- end -}}
{{- define "gukbap.modelUrl" -}}
{{- $root := index . 0 -}}
http://{{ include "gukbap.fullname" $root }}-{{ index . 1 }}.{{ $root.Release.Namespace }}.svc:8000/v1
{{- end -}}
