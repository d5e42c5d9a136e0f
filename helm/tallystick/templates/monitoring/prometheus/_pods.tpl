{{- define "prometheus.pods" -}}
{{- $prometheus := .Values.prometheus }}
metadata:
  labels: {{- include "tallystick.podLabels" (dict "root" . "name" "prometheus" "component" "monitoring") | nindent 4 }}
  annotations:
    checksum/config: {{ print (include "prometheus.config" .) (include "monitoring.rules" .) | sha256sum }}
spec:
  serviceAccountName: {{ .Release.Name }}-prometheus
  automountServiceAccountToken: true
  enableServiceLinks: false
  securityContext: {{- include "tallystick.podSecurity" (dict "user" 65534) | nindent 4 }}
  containers:
    - name: prometheus
      image: {{ $prometheus.image }}
      imagePullPolicy: {{ .Values.global.image.pullPolicy }}
      args:
        - --config.file=/etc/prometheus/prometheus.yml
        - --storage.tsdb.path=/prometheus/data
        - --storage.tsdb.retention.time={{ $prometheus.retention }}
      env: {{- include "library.goMemory" $prometheus.resources | nindent 8 }}
      ports:
        - {name: web, containerPort: 9090}
      startupProbe:
        httpGet: {path: /-/ready, port: web}
        periodSeconds: 1
        failureThreshold: 300
      readinessProbe:
        httpGet: {path: /-/ready, port: web}
        periodSeconds: 5
      livenessProbe:
        httpGet: {path: /-/healthy, port: web}
        periodSeconds: 10
        timeoutSeconds: 5
      resources: {{- toYaml $prometheus.resources | nindent 8 }}
      securityContext: {{- include "tallystick.containerSecurity" . | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - {name: config, mountPath: /etc/prometheus, readOnly: true}
        - {name: rules, mountPath: /etc/prometheus-rules, readOnly: true}
        - {name: data, mountPath: /prometheus}
  volumes:
    - name: config
      configMap: {name: {{ .Release.Name }}-prometheus}
    - name: rules
      configMap: {name: {{ .Release.Name }}-prometheus-rules}
{{- end }}
