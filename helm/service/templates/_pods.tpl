{{/* The pods of one role. */}}
{{- define "service.pods" -}}
{{- $root := .root -}}
metadata:
  labels: {{- include "service.podLabels" . | nindent 4 }}
  annotations:
    kubectl.kubernetes.io/default-container: {{ include "service.name" $root }}
    checksum/config: {{ (include "service.configMap" $root | fromYaml).data | toJson | sha256sum }}
spec:
  serviceAccountName: {{ include "service.fullname" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  # It leaves the Service, then ends what it has begun.
  terminationGracePeriodSeconds: {{ add $root.Values.leaveSeconds $root.Values.deadlineSeconds 10 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    seccompProfile: {type: RuntimeDefault}
  {{- if $root.Values.migrate }}
  initContainers:
    - name: migrate
      {{- include "service.container" . | nindent 6 }}
      args: [migrate, {{ $root.Values.service | default $root.Chart.Name }}]
  {{- end }}
  containers:
    - name: {{ include "service.name" $root }}
      {{- include "service.container" . | nindent 6 }}
      args: [serve, {{ $root.Values.service | default $root.Chart.Name }}]
      ports:
        - {name: api, containerPort: 8000}
        - {name: admin, containerPort: 9000}
      startupProbe:
        httpGet: {path: /livez, port: admin}
        periodSeconds: 1
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /livez, port: admin}
        periodSeconds: 5
        timeoutSeconds: 5
      readinessProbe:
        httpGet: {path: /readyz, port: admin}
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: 3
      lifecycle:
        preStop:
          sleep: {seconds: {{ int $root.Values.leaveSeconds }}}
  volumes:
    - name: tmp
      emptyDir: {}
    {{- with $root.Values.caSecret }}
    - name: ca
      secret: {secretName: {{ . }}}
    {{- end }}
  {{- if $root.Values.spread }}
  topologySpreadConstraints:
    {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - topologyKey: {{ $key }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "service.selector" (dict "root" $root "role" $.role) | nindent 10 }}
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
{{- end }}

{{/* What serving and migrating have in common. */}}
{{- define "service.container" -}}
{{- $root := .root -}}
image: {{ include "service.image" $root }}
imagePullPolicy: {{ $root.Values.global.image.pullPolicy }}
envFrom:
  - configMapRef: {name: {{ include "service.fullname" $root }}}
env: {{- include "service.environment" . | nindent 2 }}
resources: {{- toYaml .is.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
# So that a crash's last line is shown by `kubectl describe`.
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- if $root.Values.caSecret }}
  - {name: ca, mountPath: /etc/tallystick/ca, readOnly: true}
  {{- end }}
{{- end }}
