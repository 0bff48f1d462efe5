{{/*
A secret of random keys that are made once: (dict "root" . "name" NAME "keys" (dict KEY LENGTH)).
What the cluster holds stays as it is, and the secret stays where the release goes: volumes still need it.
*/}}
{{- define "gukbap.keptSecret" -}}
{{- $found := lookup "v1" "Secret" .root.Release.Namespace .name | default dict -}}
{{- $held := $found.data | default dict -}}
{{- $owner := dig "metadata" "annotations" "meta.helm.sh/release-name" "" $found -}}
{{- if and $found (ne $owner .root.Release.Name) -}}
{{- fail (printf "the secret %s is there already and is not of this release: name it as existingSecret, or delete it" .name) -}}
{{- end -}}
apiVersion: v1
kind: Secret
metadata:
  name: {{ .name }}
  labels:
    {{- include "gukbap.labels" .root | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
type: Opaque
data:
  {{- range $key, $length := .keys }}
  {{ $key }}: {{ index $held $key | default (randAlphaNum (int $length) | b64enc) | quote }}
  {{- end }}
{{- end -}}
