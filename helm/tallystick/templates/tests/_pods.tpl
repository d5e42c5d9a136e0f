{{- define "tests.pods" -}}
metadata:
  name: {{ .Release.Name }}-test
  labels: {{- include "tallystick.labels" (dict "root" . "name" "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  serviceAccountName: {{ .Release.Name }}-test
  automountServiceAccountToken: false
  enableServiceLinks: false
  restartPolicy: Never
  securityContext: {{- include "tallystick.podSecurity" (dict "user" 10001) | nindent 4 }}
  containers:
    - name: order
      image: {{ include "tallystick.python" . | trim }}
      imagePullPolicy: {{ .Values.global.image.pullPolicy }}
      command: [python, /test/place_order.py, {{ include "tallystick.ordersUrl" . | trim | quote }}]
      resources:
        requests: {cpu: 50m, memory: 32Mi}
        limits: {memory: 64Mi}
      securityContext: {{- include "tallystick.containerSecurity" . | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - {name: test, mountPath: /test, readOnly: true}
  volumes:
    - name: test
      configMap: {name: {{ .Release.Name }}-test}
{{- end }}
