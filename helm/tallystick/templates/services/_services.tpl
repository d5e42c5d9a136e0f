{{/*
Made here instead, by services.yaml: what follows from values that a service's own chart does not see. A definition
without any action would not take the other's place.
*/}}
{{- define "service.own" -}}{{ "" }}{{- end }}

{{/* The values of the service `.name`, with those that follow from values of this chart, as JSON. */}}
{{- define "services.values" -}}
{{- $root := .root -}}
{{- $values := deepCopy (index $root.Subcharts .name).Values -}}
{{- $flows := include "services.flows" (dict "root" $root "service" $values) | fromJson -}}
{{- if not $values.tracing.endpoint -}}
{{- $_ := set $values "tracing" (include "tallystick.tracing" $root | fromJson) -}}
{{- end -}}
{{- range $side, $made := $flows -}}
{{- $said := index $values.networkPolicy $side -}}
{{- range $name, $flow := $made -}}
{{- $own := get $said $name | default dict -}}
{{- if pick $own "name" "component" "peers" }}{{ $flow = omit $flow "name" "peers" }}{{ end -}}
{{- $_ := set $said $name (merge $own $flow) -}}
{{- end -}}
{{- end -}}
{{ toJson $values }}
{{- end }}

{{/* Who calls every service, and whom every service calls: of pods here, or of what the values name instead. */}}
{{- define "services.flows" -}}
{{- $values := .root.Values -}}
{{- $to := dict -}}
{{- $_ := set $to "database" (dict "port" 5432 "peers" list) -}}
{{- if and $values.postgres.enabled (not .service.database.secret) -}}
{{- $_ := set $to "database" (dict "port" 5432 "name" "postgres") -}}
{{- end -}}
{{- if .service.nats.enabled -}}
{{- $_ := set $to "broker" (include "tallystick.toBroker" (dict "root" .root "secret" .service.nats.secret) | fromJson) -}}
{{- end -}}
{{- $from := dict -}}
{{- with include "tallystick.watchers" .root | fromJsonArray -}}
{{- $_ := set $from "prometheus" (dict "port" "admin" "peers" .) -}}
{{- end -}}
{{ dict "to" $to "from" $from | toJson }}
{{- end }}
