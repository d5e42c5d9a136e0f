{{/*
The pods of `.template`, in YAML, with the knobs that their section of the values has under `pod`. All workloads of
the charts are made by this, so that each knob is known here and nowhere else. Labels and annotations of the charts' own
stay as they are: selectors and policies go by them. A variable of `extraEnv` takes the place of one of the same name.
*/}}
{{- define "library.pod" -}}
{{- $knobs := .knobs | default dict -}}
{{- $pod := fromYaml .template -}}
{{- with $pod.Error }}{{ fail . }}{{ end -}}
{{- range $field, $knob := dict "labels" "podLabels" "annotations" "podAnnotations" -}}
{{- with index $knobs $knob -}}
{{- $_ := set $pod.metadata $field (merge (index $pod.metadata $field | default dict) .) -}}
{{- end -}}
{{- end -}}
{{- with concat .root.Values.global.imagePullSecrets ($knobs.imagePullSecrets | default list) | uniq -}}
{{- $secrets := list -}}
{{- range . }}{{ $secrets = append $secrets (dict "name" .) }}{{ end -}}
{{- $_ := set $pod.spec "imagePullSecrets" $secrets -}}
{{- end -}}
{{- with $knobs.extraVolumes }}{{ $_ := set $pod.spec "volumes" (concat ($pod.spec.volumes | default list) .) }}{{ end -}}
{{- range concat ($pod.spec.initContainers | default list) $pod.spec.containers -}}
{{- include "library.container" (dict "container" . "knobs" $knobs) -}}
{{- end -}}
{{- $places := pick $knobs "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" -}}
{{- range $field, $value := $places }}{{ $_ := set $pod.spec $field $value }}{{ end -}}
{{ toYaml $pod }}
{{- end }}

{{/* Changes `.container`; it is written nowhere. */}}
{{- define "library.container" -}}
{{- $container := .container -}}
{{- with .knobs.extraEnv -}}
{{- $names := list -}}
{{- range . }}{{ $names = append $names .name }}{{ end -}}
{{- $variables := list -}}
{{- range $container.env }}{{ if not (has .name $names) }}{{ $variables = append $variables . }}{{ end }}{{ end -}}
{{- $_ := set $container "env" (concat $variables .) -}}
{{- end -}}
{{- with .knobs.extraVolumeMounts -}}
{{- $_ := set $container "volumeMounts" (concat ($container.volumeMounts | default list) .) -}}
{{- end -}}
{{- end }}
