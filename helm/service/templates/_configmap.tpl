{{- define "service.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "service.fullname" . }}
  labels: {{- include "service.labels" (dict "root" .) | nindent 4 }}
data:
  {{- $prefix := include "service.prefix" . }}
  {{ $prefix }}HOST: "0.0.0.0"
  {{ $prefix }}PORT: "8000"
  {{ $prefix }}ADMIN_PORT: "9000"
  {{ $prefix }}LOG_FORMAT: {{ .Values.logFormat | quote }}
  {{ $prefix }}LOG_LEVEL: {{ .Values.logLevel | quote }}
  {{ $prefix }}DEADLINE_S: {{ include "library.text" .Values.deadlineSeconds | quote }}
  {{ $prefix }}QUARANTINE_MEMORY_MIB: {{ include "library.text" .Values.quarantineMemoryMiB | quote }}
  {{- with .Values.tracing.endpoint }}
  {{ $prefix }}OTLP_ENDPOINT: {{ tpl . $ | quote }}
  {{ $prefix }}TRACE_RATIO: {{ $.Values.tracing.ratio | quote }}
  {{- end }}
  {{- range $name, $value := .Values.settings }}
  {{ $prefix }}{{ $name }}: {{ tpl (include "library.text" $value) $ | quote }}
  {{- end }}
{{- end }}
