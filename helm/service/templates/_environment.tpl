{{/* The settings that are secrets or the pod's own; all others are in the ConfigMap. */}}
{{- define "service.environment" -}}
{{- $root := .root -}}
{{- $prefix := include "service.prefix" $root -}}
{{- $name := include "service.fullname" $root -}}
- name: {{ $prefix }}DATABASE_URL
  valueFrom:
    secretKeyRef: {name: {{ $root.Values.database.secret | default $name }}, key: {{ $root.Values.database.key }}}
{{- if $root.Values.nats.enabled }}
- name: {{ $prefix }}NATS_URL
  valueFrom:
    secretKeyRef: {name: {{ $root.Values.nats.secret | default $name }}, key: {{ $root.Values.nats.key }}}
{{- end }}
- name: {{ $prefix }}ADMIN_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ $root.Values.admin.secret | default (printf "%s-admin" $root.Release.Name) }}, key: {{ $root.Values.admin.key }}, optional: true}
- name: {{ $prefix }}REPLICA
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
{{- if ne .role "all" }}
- name: {{ $prefix }}RUN
  value: {{ .role | quote }}
{{- end }}
{{- range $setting, $from := $root.Values.secretSettings }}
- name: {{ $prefix }}{{ $setting }}
  valueFrom:
    secretKeyRef: {name: {{ tpl $from.secret $root }}, key: {{ $from.key }}}
{{- end }}
{{- if $root.Values.caSecret }}
- name: SSL_CERT_FILE
  value: /etc/tallystick/ca/ca.crt
{{- end }}
{{- end }}
