{{/*
A container that tells how full the pod's volume `data` is, mounted at `.path`; its script comes in the
volume `volume-metrics`, which follows.
*/}}
{{- define "volume.metrics" -}}
- name: volume-metrics
  image: {{ include "tallystick.python" .root | trim }}
  imagePullPolicy: {{ .root.Values.global.image.pullPolicy }}
  command: [python, /script/volume_metrics.py, "9100", {{ .path }}]
  ports:
    - {name: metrics, containerPort: 9100}
  resources:
    requests: {cpu: 5m, memory: 24Mi}
    limits: {memory: 64Mi}
  securityContext: {{- include "tallystick.containerSecurity" .root | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    - {name: volume-metrics, mountPath: /script, readOnly: true}
    - {name: data, mountPath: {{ .path }}, readOnly: true}
{{- end }}

{{- define "volume.script" -}}
- name: volume-metrics
  configMap: {name: {{ .Release.Name }}-volume-metrics}
{{- end }}
