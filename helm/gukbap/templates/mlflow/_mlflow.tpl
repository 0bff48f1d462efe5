{{/* The database, without a password: the driver takes that from PGPASSWORD. */}}
{{- define "gukbap.databaseUri" -}}
{{- if .Values.postgres.enabled -}}
postgresql+psycopg2://mlflow@{{ include "gukbap.fullname" . }}-postgres:5432/mlflow
{{- else -}}
{{ .Values.mlflow.database.uri }}
{{- end -}}
{{- end -}}

{{/* The password's variable. */}}
{{- define "gukbap.databasePassword" -}}
{{- if .Values.postgres.enabled -}}
{{- include "gukbap.secretVariable" (list "PGPASSWORD" (include "gukbap.postgresSecretName" .) "POSTGRES_PASSWORD") -}}
{{- else if .Values.mlflow.database.existingSecret -}}
{{- include "gukbap.secretVariable" (list "PGPASSWORD" .Values.mlflow.database.existingSecret "PGPASSWORD") -}}
{{- end -}}
{{- end -}}

{{/* Host headers that are answered: every form of the service's name, port-forwards, and the list. */}}
{{- define "gukbap.mlflowHosts" -}}
{{- $name := printf "%s-mlflow" (include "gukbap.fullname" .) -}}
{{- $space := .Release.Namespace -}}
{{- $own := list
  (printf "%s:*" $name)
  (printf "%s.%s:*" $name $space)
  (printf "%s.%s.svc:*" $name $space)
  (printf "%s.%s.svc.%s:*" $name $space .Values.clusterDomain)
  "localhost:*" "127.0.0.1:*" -}}
{{- concat $own .Values.mlflow.allowedHosts | join "," -}}
{{- end -}}
