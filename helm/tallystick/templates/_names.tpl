{{/* What an object of this chart is called; `.name` is that of its program: nats, postgres, ... */}}
{{- define "tallystick.fullname" -}}
{{ .root.Release.Name }}-{{ .name }}
{{- end }}

{{- define "tallystick.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "tallystick.labels" -}}
{{ include "tallystick.podLabels" . }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* Without the chart's version, which would replace the broker and the database at each upgrade. */}}
{{- define "tallystick.podLabels" -}}
{{ include "tallystick.selector" . }}
app.kubernetes.io/part-of: {{ .root.Release.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{/* An image of the platform's own, `.name`, with what the values say of it in `.image`. */}}
{{- define "tallystick.image" -}}
{{- $global := .root.Values.global.image -}}
{{- $repository := .image.repository | default (printf "tallystick/%s" .name) -}}
{{- $tag := .image.tag | default $global.tag | default .root.Chart.AppVersion -}}
{{ include "library.image" (dict "registry" $global.registry "repository" $repository "tag" $tag "digest" .image.digest) }}
{{- end }}

{{/* An image with Python, for the scripts in files/. */}}
{{- define "tallystick.python" -}}
{{ .Values.secrets.image | default (include "tallystick.image" (dict "root" . "name" "orders" "image" (.Values.orders.image | default dict))) }}
{{- end }}

{{- define "tallystick.ordersUrl" -}}
{{ .Values.ordersUrl | default (printf "http://%s-orders" .Release.Name) }}
{{- end }}

{{/* Pod Security `restricted`, for a pod whose user is `.user`. */}}
{{- define "tallystick.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user }}
runAsGroup: {{ .user }}
fsGroup: {{ .user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "tallystick.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The services that are installed, by the names of their packages. */}}
{{- define "tallystick.services" -}}
{{- $names := list -}}
{{- range .Chart.Dependencies -}}
{{- if (index $.Values .Alias).enabled }}{{ $names = append $names .Alias }}{{ end -}}
{{- end -}}
{{ toJson $names }}
{{- end }}

{{/* Those that have messages. */}}
{{- define "tallystick.speakers" -}}
{{- $names := list -}}
{{- range $name := include "tallystick.services" . | fromJsonArray -}}
{{- if (index $.Values $name).nats.enabled }}{{ $names = append $names $name }}{{ end -}}
{{- end -}}
{{ toJson $names }}
{{- end }}

{{/* Whether simulated customers place orders: empty if not. */}}
{{- define "tallystick.hasCustomers" -}}
{{ if and .Values.sandbox.enabled (gt (toString .Values.sandbox.customers.rate | float64) 0.0) }}yes{{ end }}
{{- end }}
