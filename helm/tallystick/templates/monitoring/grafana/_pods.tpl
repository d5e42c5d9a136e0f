{{- define "grafana.pods" -}}
{{- $grafana := .Values.grafana }}
metadata:
  labels: {{- include "tallystick.podLabels" (dict "root" . "name" "grafana" "component" "monitoring") | nindent 4 }}
  annotations:
    checksum/datasources: {{ include "grafana.datasources" . | sha256sum }}
spec:
  serviceAccountName: {{ .Release.Name }}-grafana
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext: {{- include "tallystick.podSecurity" (dict "user" 472) | nindent 4 }}
  containers:
    - name: grafana
      image: {{ $grafana.image }}
      imagePullPolicy: {{ .Values.global.image.pullPolicy }}
      env:
        {{- include "library.goMemory" $grafana.resources | nindent 8 }}
        # Nothing is stored that a restart may not forget, and nothing is fetched or sent.
        - {name: GF_ANALYTICS_REPORTING_ENABLED, value: "false"}
        - {name: GF_ANALYTICS_CHECK_FOR_UPDATES, value: "false"}
        - {name: GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES, value: "false"}
        - {name: GF_PLUGINS_PREINSTALL_DISABLED, value: "true"}
        - {name: GF_NEWS_NEWS_FEED_ENABLED, value: "false"}
        - {name: GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH, value: /etc/grafana-dashboards/orders.json}
        - {name: GF_AUTH_ANONYMOUS_ENABLED, value: {{ ne $grafana.anonymousRole "None" | quote }}}
        {{- if ne $grafana.anonymousRole "None" }}
        - {name: GF_AUTH_ANONYMOUS_ORG_ROLE, value: {{ $grafana.anonymousRole }}}
        {{- end }}
        {{- if $grafana.adminSecret }}
        - name: GF_SECURITY_ADMIN_USER
          valueFrom:
            secretKeyRef: {name: {{ $grafana.adminSecret }}, key: user}
        - name: GF_SECURITY_ADMIN_PASSWORD
          valueFrom:
            secretKeyRef: {name: {{ $grafana.adminSecret }}, key: password}
        {{- else }}
        - {name: GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION, value: "true"}
        - {name: GF_AUTH_DISABLE_LOGIN_FORM, value: "true"}
        - {name: GF_AUTH_BASIC_ENABLED, value: "false"}
        {{- end }}
      ports:
        - {name: web, containerPort: 3000}
      startupProbe:
        httpGet: {path: /api/health, port: web}
        periodSeconds: 1
        failureThreshold: 120
      readinessProbe:
        httpGet: {path: /api/health, port: web}
        periodSeconds: 5
      livenessProbe:
        httpGet: {path: /api/health, port: web}
        periodSeconds: 10
        timeoutSeconds: 5
      resources: {{- toYaml $grafana.resources | nindent 8 }}
      securityContext: {{- include "tallystick.containerSecurity" . | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - {name: provisioning, mountPath: /etc/grafana/provisioning/datasources/tallystick.yaml, subPath: datasources.yaml, readOnly: true}
        - {name: provisioning, mountPath: /etc/grafana/provisioning/dashboards/tallystick.yaml, subPath: providers.yaml, readOnly: true}
        - {name: dashboards, mountPath: /etc/grafana-dashboards, readOnly: true}
        - {name: data, mountPath: /var/lib/grafana}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: provisioning
      configMap: {name: {{ .Release.Name }}-grafana}
    - name: dashboards
      configMap: {name: {{ .Release.Name }}-grafana-dashboards}
    - name: data
      emptyDir: {}
    - name: tmp
      emptyDir: {}
{{- end }}
