{{- define "secrets.pods" -}}
metadata:
  labels: {{- include "tallystick.podLabels" (dict "root" . "name" "secrets") | nindent 4 }}
spec:
  serviceAccountName: {{ .Release.Name }}-secrets
  automountServiceAccountToken: true
  enableServiceLinks: false
  restartPolicy: Never
  securityContext: {{- include "tallystick.podSecurity" (dict "user" 10001) | nindent 4 }}
  containers:
    - name: secrets
      image: {{ include "tallystick.python" . | trim }}
      imagePullPolicy: {{ .Values.global.image.pullPolicy }}
      command: [python, /job/make_secrets.py, /job/spec.json]
      resources:
        requests: {cpu: 50m, memory: 32Mi}
        limits: {memory: 64Mi}
      securityContext: {{- include "tallystick.containerSecurity" . | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - {name: job, mountPath: /job, readOnly: true}
  volumes:
    - name: job
      configMap: {name: {{ .Release.Name }}-secrets}
{{- end }}
