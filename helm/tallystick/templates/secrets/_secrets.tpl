{{/*
What the job makes. A service whose secret is named by a value has none made: that one is required.
*/}}
{{- define "secrets.spec" -}}
{{- $release := .Release.Name -}}
{{- $random := dict (printf "%s-admin" $release) (list "token" "viewer") -}}
{{- $derived := dict -}}
{{- $_ := set $random (printf "%s-webhooks" $release) (list "key") -}}
{{- $_ := set $derived (printf "%s-webhooks" $release) (dict "provider" (printf "whsec_${%s-webhooks/key}" $release)) -}}
{{- $required := list -}}
{{- if .Values.nats.enabled -}}
{{- $names := list "route" -}}
{{- range include "nats.users" . | fromJsonArray }}{{ $names = append $names .name }}{{ end -}}
{{- $_ := set $random (printf "%s-nats" $release) $names -}}
{{- if gt (int .Values.nats.replicas) 1 -}}
{{- $_ := set $derived (printf "%s-nats-routes" $release) (dict "routes.conf" (include "secrets.routes" .)) -}}
{{- end -}}
{{- end -}}
{{- if .Values.postgres.enabled -}}
{{- $_ := set $random (printf "%s-postgres" $release) (prepend (include "tallystick.services" . | fromJsonArray) "postgres") -}}
{{- end -}}
{{- range $name := include "tallystick.services" . | fromJsonArray -}}
{{- $service := index $.Values $name -}}
{{- $made := dict -}}
{{- if $service.database.secret -}}
{{- $required = append $required (dict "secret" $service.database.secret "key" $service.database.key "value" (printf "%s.database.secret" $name)) -}}
{{- else if $.Values.postgres.enabled -}}
{{- $_ := set $made "database-url" (printf "postgresql://%s:${%s-postgres/%s}@%s-postgres:5432/%s" $name $release $name $release $name) -}}
{{- else -}}
{{- fail (printf "%s.database.secret: postgres.enabled is false, so name a secret with the URL of its database" $name) -}}
{{- end -}}
{{- if $service.nats.enabled -}}
{{- if $service.nats.secret -}}
{{- $required = append $required (dict "secret" $service.nats.secret "key" $service.nats.key "value" (printf "%s.nats.secret" $name)) -}}
{{- else -}}
{{- $_ := set $made "nats-url" (include "secrets.nats" (dict "root" $ "user" $name)) -}}
{{- end -}}
{{- end -}}
{{- if $made }}{{ $_ := set $derived (printf "%s-%s" $release $name) $made }}{{ end -}}
{{- end -}}
{{- if and .Values.operator.enabled .Values.operator.secret -}}
{{- $required = append $required (dict "secret" .Values.operator.secret "key" .Values.operator.key "value" "operator.secret") -}}
{{- end -}}
{{- range $user := ternary (list "operator" "tally") (list "tally") (and .Values.operator.enabled (not .Values.operator.secret)) -}}
{{- $_ := set $derived (printf "%s-%s" $release $user) (dict "nats-url" (include "secrets.nats" (dict "root" $ "user" $user))) -}}
{{- end -}}
{{- $labels := include "tallystick.labels" (dict "root" . "name" "secrets") | fromYaml -}}
{{ dict "random" $random "derived" $derived "required" $required "labels" (pick $labels "app.kubernetes.io/instance" "app.kubernetes.io/part-of") | toJson }}
{{- end }}

{{/* The URL of the broker for one of its users. */}}
{{- define "secrets.nats" -}}
{{- $values := .root.Values.nats -}}
{{- $release := .root.Release.Name -}}
{{- if $values.enabled -}}
{{ printf "%s://%s:${%s-nats/%s}@%s-nats:4222" (ternary "tls" "nats" (ne $values.tlsSecret "")) .user $release .user $release }}
{{- else -}}
{{ required (printf "nats.url: nats.enabled is false, so say where NATS is, or name %s.nats.secret" .user) $values.url }}
{{- end -}}
{{- end }}

{{/* Every server of the broker, as a line of its configuration. */}}
{{- define "secrets.routes" -}}
{{- $routes := list -}}
{{- range $number := until (int .Values.nats.replicas) -}}
{{- $routes = append $routes (printf "nats://route:${%s-nats/route}@%s-nats-%d.%s-nats-servers:6222" $.Release.Name $.Release.Name $number $.Release.Name) -}}
{{- end -}}
routes: {{ toJson $routes }}
{{- end }}

{{/* They run before everything else and are gone afterwards; `.` is their place in the order. */}}
{{- define "secrets.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
