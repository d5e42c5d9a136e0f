{{- define "jaeger.pods" -}}
metadata:
  labels: {{- include "tallystick.podLabels" (dict "root" . "name" "jaeger" "component" "traces") | nindent 4 }}
  annotations:
    checksum/config: {{ include "jaeger.config" . | sha256sum }}
spec:
  serviceAccountName: {{ .Release.Name }}-jaeger
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext: {{- include "tallystick.podSecurity" (dict "user" 10001) | nindent 4 }}
  containers:
    - name: jaeger
      image: {{ .Values.jaeger.image }}
      imagePullPolicy: {{ .Values.global.image.pullPolicy }}
      args: [--config, /etc/jaeger/config.yaml]
      env: {{- include "library.goMemory" .Values.jaeger.resources | nindent 8 }}
      ports:
        - {name: otlp-http, containerPort: 4318}
        - {name: query, containerPort: 16686}
        - {name: metrics, containerPort: 8888}
        - {name: health, containerPort: 13133}
      startupProbe:
        httpGet: {path: /status, port: health}
        periodSeconds: 1
        failureThreshold: 60
      readinessProbe:
        httpGet: {path: /status, port: health}
        periodSeconds: 5
      livenessProbe:
        httpGet: {path: /status, port: health}
        periodSeconds: 10
        timeoutSeconds: 5
      resources: {{- toYaml .Values.jaeger.resources | nindent 8 }}
      securityContext: {{- include "tallystick.containerSecurity" . | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - {name: config, mountPath: /etc/jaeger, readOnly: true}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: config
      configMap: {name: {{ .Release.Name }}-jaeger}
    - name: tmp
      emptyDir: {}
{{- end }}
