{{/* Where spans go, and how many: nowhere if the endpoint is empty. */}}
{{- define "tallystick.tracing" -}}
{{- $ours := ternary (printf "http://%s-jaeger:4318" .Release.Name) "" .Values.jaeger.enabled -}}
{{ dict "endpoint" (.Values.tracing.endpoint | default $ours) "ratio" .Values.tracing.ratio | toJson }}
{{- end }}

{{/* The flow to the broker, of one whose address is in `.secret` if that is not empty. */}}
{{- define "tallystick.toBroker" -}}
{{- $nats := .root.Values.nats -}}
{{- if and $nats.enabled (not .secret) }}{{ dict "port" 4222 "name" "nats" | toJson -}}
{{- else if and $nats.url (not .secret) }}{{ dict "url" $nats.url | toJson -}}
{{- else }}{{ dict "port" 4222 "peers" list | toJson }}{{ end -}}
{{- end }}

{{/* Who reads the metrics of pods here: peers. */}}
{{- define "tallystick.watchers" -}}
{{- $peers := .Values.networkPolicy.prometheus -}}
{{- if and .Values.prometheus.operator.enabled (not $peers) -}}
{{- $peers = list (include "library.foreignPrometheus" . | fromJson) -}}
{{- end -}}
{{- if .Values.prometheus.enabled -}}
{{- $peers = append $peers (include "library.pods" (dict "root" . "name" "prometheus") | fromJson) -}}
{{- end -}}
{{ toJson $peers }}
{{- end }}

{{/* Those pods of `.names` and the `.others`, peers, who use a port of a pod here: a rule, or none. */}}
{{- define "tallystick.users" -}}
{{- $peers := .others | default list -}}
{{- range .names }}{{ $peers = append $peers (include "library.pods" (dict "root" $.root "name" .) | fromJson) }}{{ end -}}
{{- with $peers -}}
- ports: [{port: {{ $.port }}}]
  from: {{ toJson . }}
{{- end -}}
{{- end }}

{{/* The Kubernetes API has no labels by which it could be named. */}}
{{- define "tallystick.api" -}}
- ports:
    {{- range .Values.networkPolicy.api.ports }}
    - port: {{ . }}
    {{- end }}
  to: {{ toJson .Values.networkPolicy.api.peers }}
{{- end }}
