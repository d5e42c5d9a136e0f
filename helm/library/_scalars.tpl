{{/* A value as text. In a file of values each number is a float, which would be written as 5e+06. */}}
{{- define "library.text" -}}
{{ if kindIs "float64" . }}{{ toJson . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* What a Go program may use: nine tenths of the memory limit in `.`, its resources; the rest is not of its heap. */}}
{{- define "library.goMemory" -}}
{{- with (.limits | default dict).memory -}}
{{- $text := include "library.text" . -}}
{{- $unit := regexFind "[a-zA-Z]*$" $text -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- if not (hasKey $units $unit) }}{{ fail (printf "limits.memory: %s is in no unit of bytes" $text) }}{{ end -}}
{{- $amount := trimSuffix $unit $text | float64 -}}
- {name: GOMEMLIMIT, value: {{ mulf $amount (index $units $unit) 0.9 | int64 | quote }}}
{{- end -}}
{{- end }}
