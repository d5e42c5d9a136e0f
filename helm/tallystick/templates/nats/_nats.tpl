{{/*
The users of the broker, each with the permissions that follow from its declarations: those of the
committed documents in topology/. Besides: `operator`, who keeps streams and durables as declared, and
`tally`, the people at the command line.
*/}}
{{- define "nats.users" -}}
{{- $users := list -}}
{{- range $name := append (include "tallystick.speakers" . | fromJsonArray) "operator" -}}
{{- $document := $.Files.Get (printf "topology/%s.json" $name) | fromJson -}}
{{- if not $document.permissions }}{{ fail (printf "topology/%s.json says no permissions: write it by `make topology`" $name) }}{{ end -}}
{{- $may := $document.permissions -}}
{{- $users = append $users (dict "name" $name "publish" $may.publish "subscribe" $may.subscribe) -}}
{{- end -}}
{{- $users = append $users (dict "name" "tally" "publish" (list ">") "subscribe" (list ">")) -}}
{{ toJson $users }}
{{- end }}

{{/* The variable with the password of `.`. */}}
{{- define "nats.password" -}}
PASSWORD_{{ . | replace "-" "_" | upper }}
{{- end }}

{{- define "nats.config" -}}
server_name: $POD_NAME
listen: "0.0.0.0:4222"
http: "0.0.0.0:8222"
pid_file: "/var/run/nats/nats.pid"
lame_duck_grace_period: "2s"
lame_duck_duration: "30s"
max_payload: 1MB

jetstream {
  store_dir: "/data"
  max_file_store: {{ .Values.nats.maxFileStore }}
  max_memory_store: 64MiB
  # An acknowledged message is on the disk: the default loses two minutes of them in a power cut.
  sync_interval: always
}
{{- if .Values.nats.tlsSecret }}

tls {
  cert_file: "/etc/nats-tls/tls.crt"
  key_file: "/etc/nats-tls/tls.key"
  ca_file: "/etc/nats-tls/ca.crt"
}
{{- end }}
{{- if gt (int .Values.nats.replicas) 1 }}

cluster {
  name: {{ .Release.Name | quote }}
  listen: "0.0.0.0:6222"
  authorization {
    user: route
    password: $PASSWORD_ROUTE
  }
  # The other servers, with the password: a variable is nothing inside an address.
  include "../nats-routes/routes.conf"
}
{{- end }}

authorization {
  users: [
    {{- range include "nats.users" . | fromJsonArray }}
    {
      user: {{ .name }}
      password: ${{ include "nats.password" .name }}
      permissions: {
        publish: [
          {{- range .publish }}
          {{ quote . }}
          {{- end }}
        ]
        subscribe: [
          {{- range .subscribe }}
          {{ quote . }}
          {{- end }}
        ]
      }
    }
    {{- end }}
  ]
}
{{- end }}
