{{/* The service's name, which is its package's: of the values, or the alias that a parent chart gave. */}}
{{- define "service.name" -}}
{{- $name := .Values.service | default .Chart.Name -}}
{{- if eq $name "service" }}{{ fail "service: say which Python package is served, such as `service: cafe`" }}{{ end -}}
{{- $name | replace "_" "-" -}}
{{- end }}

{{/* What its objects are called. */}}
{{- define "service.fullname" -}}
{{- $name := include "service.name" . -}}
{{- if eq $name .Release.Name }}{{ $name }}{{ else }}{{ printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{/*
What a template makes, given as a list of its name and the context. A parent chart that knows more of a service than the
service's own values do defines this as nothing, and makes the same with those values besides.
*/}}
{{- define "service.own" -}}
{{ include (index . 0) (index . 1) }}
{{- end }}

{{/* The prefix of its settings. */}}
{{- define "service.prefix" -}}
{{ include "service.name" . | replace "-" "_" | upper }}_
{{- end }}

{{- define "service.tag" -}}
{{ .Values.image.tag | default .Values.global.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "service.image" -}}
{{- $repository := .Values.image.repository | default (printf "tallystick/%s" (include "service.name" .)) -}}
{{- $own := dict "repository" $repository "tag" (include "service.tag" .) "digest" .Values.image.digest -}}
{{ include "library.image" (merge $own (pick .Values.global.image "registry")) }}
{{- end }}

{{/* Roles by name, each with what it overrides: `all` is one process that does everything. */}}
{{- define "service.roles" -}}
{{- $own := dict "replicas" .Values.replicas "resources" .Values.resources "autoscaling" .Values.autoscaling -}}
{{- $roles := dict -}}
{{- range $name, $role := (.Values.roles | default (dict "all" dict)) -}}
{{- $_ := set $roles $name (mergeOverwrite (deepCopy $own) (deepCopy ($role | default dict))) -}}
{{- end -}}
{{ toJson $roles }}
{{- end }}

{{/* Selectors: of one role if `.role` is given. */}}
{{- define "service.selector" -}}
app.kubernetes.io/name: {{ include "service.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .role }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "service.labels" -}}
{{ include "service.podLabels" . }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* Without the chart's version, which alone replaces no pod. */}}
{{- define "service.podLabels" -}}
{{ include "service.selector" . }}
app.kubernetes.io/part-of: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ include "service.tag" .root | include "library.version" | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{/* The role that serves HTTP: there is none if roles are named without it. */}}
{{- define "service.apiRole" -}}
{{- if not .Values.roles }}all{{ else if hasKey .Values.roles "api" }}api{{ end -}}
{{- end }}
