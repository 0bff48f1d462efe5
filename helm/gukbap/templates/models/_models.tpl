{{/* Overrides that tell recipes of the model servers, as a JSON list. */}}
{{- define "gukbap.modelSettings" -}}
{{- $settings := list -}}
{{- $places := dict "teacher" "teacher" "judge" "judge.endpoint" -}}
{{- range $name := list "teacher" "judge" -}}
{{- $server := index $.Values $name -}}
{{- if $server.enabled -}}
{{- $place := index $places $name -}}
{{- $settings = concat $settings (list
  (printf "%s.model=%s" $place $server.model)
  (printf "%s.base_url=%s" $place (include "gukbap.modelUrl" (list $ $name)))
  (printf "%s.api_key_env=VLLM_API_KEY" $place)) -}}
{{- if and $server.licence (eq $name "teacher") -}}
{{- $settings = append $settings (printf "teacher.licence=%s" $server.licence) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $settings -}}
{{- end -}}
