{{- define "nats.pods" -}}
{{- $nats := .Values.nats }}
metadata:
  labels: {{- include "tallystick.podLabels" (dict "root" . "name" "nats" "component" "broker") | nindent 4 }}
  annotations:
    checksum/config: {{ include "nats.config" . | sha256sum }}
spec:
  serviceAccountName: {{ .Release.Name }}-nats
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 60
  securityContext: {{- include "tallystick.podSecurity" (dict "user" 10002) | nindent 4 }}
  containers:
    - name: nats
      image: {{ $nats.image }}
      imagePullPolicy: {{ .Values.global.image.pullPolicy }}
      args: [nats-server, --config, /etc/nats-config/nats.conf]
      env:
        {{- include "library.goMemory" $nats.resources | nindent 8 }}
        - name: POD_NAME
          valueFrom:
            fieldRef: {fieldPath: metadata.name}
        {{- range concat (include "nats.users" . | fromJsonArray) (list (dict "name" "route")) }}
        - name: {{ include "nats.password" .name }}
          valueFrom:
            secretKeyRef: {name: {{ $.Release.Name }}-nats, key: {{ .name }}}
        {{- end }}
      ports:
        - {name: client, containerPort: 4222}
        - {name: routes, containerPort: 6222}
        - {name: monitor, containerPort: 8222}
      startupProbe:
        httpGet: {path: "/healthz?js-server-only=true", port: monitor}
        periodSeconds: 1
        failureThreshold: 300
      readinessProbe:
        httpGet: {path: "/healthz?js-server-only=true", port: monitor}
        periodSeconds: 5
        timeoutSeconds: 5
      livenessProbe:
        httpGet: {path: "/healthz?js-enabled-only=true", port: monitor}
        periodSeconds: 10
        timeoutSeconds: 5
      {{- if gt (int $nats.replicas) 1 }}
      lifecycle:
        preStop:
          # Clients move to the other servers before this one ends.
          exec: {command: [nats-server, --signal, ldm=/var/run/nats/nats.pid]}
      {{- end }}
      resources: {{- toYaml $nats.resources | nindent 8 }}
      securityContext: {{- include "tallystick.containerSecurity" . | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - {name: config, mountPath: /etc/nats-config, readOnly: true}
        - {name: run, mountPath: /var/run/nats}
        - {name: data, mountPath: /data}
        {{- if gt (int $nats.replicas) 1 }}
        - {name: routes, mountPath: /etc/nats-routes, readOnly: true}
        {{- end }}
        {{- if $nats.tlsSecret }}
        - {name: tls, mountPath: /etc/nats-tls, readOnly: true}
        {{- end }}
    {{- if $nats.exporter.enabled }}
    - name: exporter
      image: {{ $nats.exporter.image }}
      imagePullPolicy: {{ .Values.global.image.pullPolicy }}
      args: [-port, "7777", -varz, -connz, -healthz, -jsz=all, "http://127.0.0.1:8222"]
      env: {{- include "library.goMemory" $nats.exporter.resources | nindent 8 }}
      ports:
        - {name: metrics, containerPort: 7777}
      resources: {{- toYaml $nats.exporter.resources | nindent 8 }}
      securityContext: {{- include "tallystick.containerSecurity" . | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
    {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ .Release.Name }}-nats}
    - name: run
      emptyDir: {}
    {{- if gt (int $nats.replicas) 1 }}
    - name: routes
      secret: {secretName: {{ .Release.Name }}-nats-routes}
    {{- end }}
    {{- with $nats.tlsSecret }}
    - name: tls
      secret: {secretName: {{ . }}}
    {{- end }}
  topologySpreadConstraints:
    - topologyKey: kubernetes.io/hostname
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "tallystick.selector" (dict "root" . "name" "nats" "component" "broker") | nindent 10 }}
{{- end }}
