{{/* The peers of one flow, as a NetworkPolicy has them. */}}
{{- define "service.peers" -}}
{{- $flow := .flow -}}
{{- if hasKey $flow "peers" -}}
{{ toJson $flow.peers }}
{{- else -}}
{{- $labels := dict "app.kubernetes.io/instance" .root.Release.Name -}}
{{- with $flow.name }}{{ $_ := set $labels "app.kubernetes.io/name" . }}{{ end -}}
{{- with $flow.component }}{{ $_ := set $labels "app.kubernetes.io/component" . }}{{ end -}}
{{ list (dict "podSelector" (dict "matchLabels" $labels)) | toJson }}
{{- end -}}
{{- end }}
