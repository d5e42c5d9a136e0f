{{/*
The rules of a NetworkPolicy for a flow, as a JSON list; `.side` is `to` or `from`. What the flow says itself, `port` and
`name`, `component` or `peers`, goes before what follows from its `url`. No rule is made of a flow whose URL is empty.
*/}}
{{- define "library.rules" -}}
{{- $side := .side -}}
{{- $flow := .flow -}}
{{- $ends := list dict -}}
{{- if hasKey $flow "url" -}}
{{- $ends = list -}}
{{- range splitList "," $flow.url | compact -}}
{{- $ends = append $ends (include "library.end" (dict "root" $.root "url" .) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- $rules := list -}}
{{- range $end := $ends -}}
{{- $ports := ternary (list $flow.port) $end.ports (hasKey $flow "port") -}}
{{- if not $ports }}{{ fail (printf "networkPolicy: say the port of %s" (toJson $flow)) }}{{ end -}}
{{- $numbers := list -}}
{{- range $ports }}{{ $numbers = append $numbers (dict "port" .) }}{{ end -}}
{{- $peers := $end.peers -}}
{{- if hasKey $flow "peers" }}{{ $peers = $flow.peers -}}
{{- else if or $flow.name $flow.component (not (hasKey $flow "url")) -}}
{{- $peers = list (include "library.pods" (dict "root" $.root "name" $flow.name "component" $flow.component) | fromJson) -}}
{{- end -}}
{{- $rules = append $rules (dict "ports" $numbers $side $peers) -}}
{{- end -}}
{{ toJson $rules }}
{{- end }}

{{/* Pods of this release, of the program `.name` or the component `.component`: a peer of a NetworkPolicy, as JSON. */}}
{{- define "library.pods" -}}
{{- $labels := dict "app.kubernetes.io/instance" .root.Release.Name -}}
{{- with .name }}{{ $_ := set $labels "app.kubernetes.io/name" . }}{{ end -}}
{{- with .component }}{{ $_ := set $labels "app.kubernetes.io/component" . }}{{ end -}}
{{ dict "podSelector" (dict "matchLabels" $labels) | toJson }}
{{- end }}

{{/*
Where `.url` leads, as JSON: `ports` and `peers`. A name that is not of this release is any address: a policy knows no
names. It sees the port of the pod, not of its Service: 8000, where one of our services is named without a port.
*/}}
{{- define "library.end" -}}
{{- $usual := dict "http" 80 "https" 443 "nats" 4222 "tls" 4222 -}}
{{- $url := urlParse (trim .url) -}}
{{- $said := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $port := $said | default (get $usual $url.scheme) -}}
{{- if not $port }}{{ fail (printf "%s: say its port, so that a NetworkPolicy can name it" .url) }}{{ end -}}
{{- $ports := list (int $port) -}}
{{- $peers := list -}}
{{- $ours := printf "^%s-[a-z0-9-]+([.]%s([.].*)?)?$" .root.Release.Name .root.Release.Namespace -}}
{{- if regexMatch $ours $url.hostname -}}
{{- $name := splitList "." $url.hostname | first | trimPrefix (printf "%s-" .root.Release.Name) -}}
{{- $peers = list (include "library.pods" (dict "root" .root "name" $name) | fromJson) -}}
{{- $ports = list (int ($said | default 8000)) -}}
{{- else if regexMatch "^[0-9.]+$" $url.hostname -}}
{{- $peers = list (dict "ipBlock" (dict "cidr" (printf "%s/32" $url.hostname))) -}}
{{- else if contains ":" $url.hostname -}}
{{- $peers = list (dict "ipBlock" (dict "cidr" (printf "%s/128" $url.hostname))) -}}
{{- end -}}
{{ dict "ports" $ports "peers" $peers | toJson }}
{{- end }}

{{/* The Prometheus of a Prometheus Operator, wherever it is: a peer, as JSON. */}}
{{- define "library.foreignPrometheus" -}}
{{ dict "namespaceSelector" dict "podSelector" (dict "matchLabels" (dict "app.kubernetes.io/name" "prometheus")) | toJson }}
{{- end }}

{{- define "library.names" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end }}
