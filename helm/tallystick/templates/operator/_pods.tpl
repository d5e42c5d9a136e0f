{{- define "operator.pods" -}}
{{- $operator := .Values.operator }}
metadata:
  labels: {{- include "tallystick.podLabels" (dict "root" . "name" "operator") | nindent 4 }}
spec:
  serviceAccountName: {{ .Release.Name }}-operator
  automountServiceAccountToken: true
  enableServiceLinks: false
  terminationGracePeriodSeconds: 15
  securityContext: {{- include "tallystick.podSecurity" (dict "user" 10001) | nindent 4 }}
  containers:
    - name: operator
      image: {{ include "tallystick.image" (dict "root" . "name" "operator" "image" $operator.image) | trim }}
      imagePullPolicy: {{ .Values.global.image.pullPolicy }}
      command: [tallystick-operator]
      env:
        - name: OPERATOR_NATS_URL
          valueFrom:
            secretKeyRef: {name: {{ $operator.secret | default (printf "%s-operator" .Release.Name) }}, key: {{ $operator.key }}}
        {{- if .Values.nats.enabled }}
        - {name: OPERATOR_STORE, value: {{ .Values.nats.maxFileStore | quote }}}
        {{- end }}
        {{- if $operator.caSecret }}
        - name: SSL_CERT_FILE
          value: /etc/tallystick/ca/ca.crt
        {{- end }}
      ports:
        - {name: admin, containerPort: 9000}
      startupProbe:
        httpGet: {path: /livez, port: admin}
        periodSeconds: 1
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /livez, port: admin}
        periodSeconds: 10
        timeoutSeconds: 5
      resources: {{- toYaml $operator.resources | nindent 8 }}
      securityContext: {{- include "tallystick.containerSecurity" . | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- if $operator.caSecret }}
        - {name: ca, mountPath: /etc/tallystick/ca, readOnly: true}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {}
    {{- with $operator.caSecret }}
    - name: ca
      secret: {secretName: {{ . }}}
    {{- end }}
{{- end }}
