{{- define "service.deployments" -}}
{{- range $role, $is := include "service.roles" . | fromJson }}
{{- with $ }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "service.fullname" . }}{{ if ne $role "all" }}-{{ $role }}{{ end }}
  labels: {{- include "service.labels" (dict "root" . "role" $role) | nindent 4 }}
spec:
  {{- if not $is.autoscaling.enabled }}
  replicas: {{ int $is.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels: {{- include "service.selector" (dict "root" . "role" $role) | nindent 6 }}
  {{- $pods := include "service.pods" (dict "root" . "role" $role "is" $is) }}
  template: {{- include "library.pod" (dict "root" . "knobs" .Values.pod "template" $pods) | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}
