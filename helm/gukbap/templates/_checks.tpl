{{/* Values that are right by themselves and wrong together. */}}
{{- define "gukbap.checks" -}}
{{- if and (not .Values.minio.enabled) (not .Values.existingSecret) -}}
{{- fail "minio.enabled=false: name a secret with MINIO_ACCESS_KEY and MINIO_SECRET_KEY of the external store as existingSecret" -}}
{{- end -}}
{{- if and .Values.mlflow.enabled (not .Values.postgres.enabled) (not .Values.mlflow.database.uri) -}}
{{- fail "postgres.enabled=false: name MLflow's database as mlflow.database.uri, or set mlflow.enabled=false" -}}
{{- end -}}
{{- range $name := list "teacher" "judge" -}}
{{- $server := index $.Values $name -}}
{{- if and $server.enabled (not $server.model) -}}
{{- fail (printf "%s.enabled=true: name its model as %s.model" $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
