{{/* An image by its parts; a digest may also be part of the tag. */}}
{{- define "library.image" -}}
{{ with .registry }}{{ . }}/{{ end }}{{ .repository }}:{{ .tag }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The tag `.` as a label can have it: without its digest, and short enough. */}}
{{- define "library.version" -}}
{{ splitList "@" . | first | trunc 63 | trimAll "-_." }}
{{- end }}
