{{- define "service.networkPolicy" -}}
{{- if .Values.networkPolicy.enabled }}
{{- $flows := include "service.flows" . | fromJson }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "service.fullname" . }}
  labels: {{- include "service.labels" (dict "root" .) | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "service.selector" (dict "root" .) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- range $name, $flow := $flows.from }}
    # {{ $name }}
    {{- with include "library.rules" (dict "root" $ "flow" $flow "side" "from") | fromJsonArray }}{{ toYaml . | nindent 4 }}{{ end }}
    {{- end }}
  egress:
    {{- include "library.names" . | nindent 4 }}
    {{- range $name, $flow := $flows.to }}
    # {{ $name }}
    {{- with include "library.rules" (dict "root" $ "flow" $flow "side" "to") | fromJsonArray }}{{ toYaml . | nindent 4 }}{{ end }}
    {{- end }}
{{- end }}
{{- end }}

{{/* The declared flows, and those that follow from other values, as JSON: a setting's flow leads to the URL in it. */}}
{{- define "service.flows" -}}
{{- $from := deepCopy .Values.networkPolicy.from -}}
{{- if and .Values.serviceMonitor.enabled (not (hasKey $from "prometheus")) -}}
{{- $_ := set $from "prometheus" (dict "port" "admin" "peers" (list (include "library.foreignPrometheus" . | fromJson))) -}}
{{- end -}}
{{- $to := dict -}}
{{- range $name, $flow := .Values.networkPolicy.to -}}
{{- $url := dict -}}
{{- with $flow.setting }}{{ $url = dict "url" (tpl (get $.Values.settings . | toString) $) }}{{ end -}}
{{- $_ := set $to $name (merge (deepCopy $flow) $url) -}}
{{- end -}}
{{- with .Values.tracing.endpoint -}}
{{- $_ := set $to "traces" (merge (get $to "traces" | default dict) (dict "url" (tpl . $))) -}}
{{- end -}}
{{ dict "from" $from "to" $to | toJson }}
{{- end }}
