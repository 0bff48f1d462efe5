{{/* Beginning of a component's policy: (list . "mlflow"). What no rule allows is refused. */}}
{{- define "gukbap.policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "gukbap.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "gukbap.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end -}}

{{/* Peers: all pods of the release's namespace, and the clients of the values. */}}
{{- define "gukbap.clientPeers" -}}
- podSelector: {}
{{- with .Values.networkPolicy.clients }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Peer: the pods of one component, with a port: (list . "minio" 9000). */}}
{{- define "gukbap.toComponent" -}}
- to:
    - podSelector:
        matchLabels:
          {{- include "gukbap.selector" (list (index . 0) (index . 1)) | nindent 10 }}
  ports:
    - {port: {{ index . 2 }}, protocol: TCP}
{{- end -}}

{{/* Names are asked for wherever the cluster answers them, a node's cache too. */}}
{{- define "gukbap.toNames" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{/* The port of an address: (list URL DEFAULT). */}}
{{- define "gukbap.portOf" -}}
{{- $parts := urlParse (index . 0) -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $parts.host) | default (ternary "443" (index . 1) (eq $parts.scheme "https")) -}}
{{- end -}}

{{/* Out to the bucket. */}}
{{- define "gukbap.toStore" -}}
{{- if .Values.minio.enabled -}}
{{- include "gukbap.toComponent" (list . "minio" 9000) -}}
{{- else -}}
- ports:
    - {port: {{ include "gukbap.portOf" (list (.Values.store.endpoint | default "https://s3") "80") }}, protocol: TCP}
{{- end -}}
{{- end -}}

{{/* Who scrapes: (list . PORT). */}}
{{- define "gukbap.fromScrapers" -}}
{{- $root := index . 0 -}}
{{- if and $root.Values.metrics.enabled $root.Values.networkPolicy.scrapers -}}
- from:
    {{- toYaml $root.Values.networkPolicy.scrapers | nindent 4 }}
  ports:
    - {port: {{ index . 1 }}, protocol: TCP}
{{- end -}}
{{- end -}}
