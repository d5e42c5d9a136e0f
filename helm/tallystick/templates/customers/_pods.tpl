{{- define "customers.pods" -}}
{{- $customers := .Values.sandbox.customers }}
metadata:
  labels: {{- include "tallystick.podLabels" (dict "root" . "name" "customers") | nindent 4 }}
spec:
  serviceAccountName: {{ .Release.Name }}-customers
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext: {{- include "tallystick.podSecurity" (dict "user" 10001) | nindent 4 }}
  containers:
    - name: customers
      image: {{ include "tallystick.image" (dict "root" . "name" "sandbox" "image" .Values.sandbox.image) | trim }}
      imagePullPolicy: {{ .Values.global.image.pullPolicy }}
      command: [python, -m, sandbox.customers]
      args:
        - --url={{ include "tallystick.ordersUrl" . | trim }}
        - --rate={{ $customers.rate }}
        - --concurrency={{ int $customers.concurrency }}
      resources: {{- toYaml $customers.resources | nindent 8 }}
      securityContext: {{- include "tallystick.containerSecurity" . | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
{{- end }}
