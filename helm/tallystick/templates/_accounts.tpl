{{/* Each program's pods have an account of their own, of which most have no token: `.name`, with its `.knobs`. */}}
{{- define "tallystick.account" -}}
{{- $annotations := merge (dict) (.annotations | default dict) ((.knobs | default dict).serviceAccountAnnotations | default dict) }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels: {{- include "tallystick.labels" . | nindent 4 }}
  {{- with $annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
