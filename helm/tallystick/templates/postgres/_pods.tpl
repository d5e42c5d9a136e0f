{{- define "postgres.pods" -}}
{{- $postgres := .Values.postgres }}
metadata:
  labels: {{- include "tallystick.podLabels" (dict "root" . "name" "postgres" "component" "database") | nindent 4 }}
  annotations:
    checksum/roles: {{ .Files.Get "files/roles.sh" | sha256sum }}
spec:
  serviceAccountName: {{ .Release.Name }}-postgres
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 60
  securityContext: {{- include "tallystick.podSecurity" (dict "user" 999) | nindent 4 }}
  containers:
    - name: postgres
      image: {{ $postgres.image }}
      imagePullPolicy: {{ .Values.global.image.pullPolicy }}
      args:
        - postgres
        {{- range $name, $value := $postgres.parameters }}
        - -c
        - {{ printf "%s=%s" $name (include "library.text" $value) | quote }}
        {{- end }}
        {{- if $postgres.tlsSecret }}
        - -c
        - ssl=on
        - -c
        - ssl_cert_file=/etc/postgres-tls/tls.crt
        - -c
        - ssl_key_file=/etc/postgres-tls/tls.key
        {{- end }}
      env:
        - {name: PGDATA, value: /var/lib/postgresql/data/pgdata}
        - {name: ROLES, value: {{ include "tallystick.services" . | fromJsonArray | join " " | quote }}}
        - name: POSTGRES_PASSWORD
          valueFrom:
            secretKeyRef: {name: {{ .Release.Name }}-postgres, key: postgres}
        {{- range include "tallystick.services" . | fromJsonArray }}
        - name: PASSWORD_{{ upper . }}
          valueFrom:
            secretKeyRef: {name: {{ $.Release.Name }}-postgres, key: {{ . }}}
        {{- end }}
      ports:
        - {name: postgres, containerPort: 5432}
      lifecycle:
        postStart:
          exec: {command: [bash, /etc/postgres-roles/roles.sh]}
      startupProbe:
        exec: {command: [pg_isready, --quiet, --host, 127.0.0.1, --username, postgres]}
        periodSeconds: 1
        failureThreshold: 300
      readinessProbe:
        exec: {command: [pg_isready, --quiet, --host, 127.0.0.1, --username, postgres]}
        periodSeconds: 5
        timeoutSeconds: 3
      livenessProbe:
        exec: {command: [pg_isready, --quiet, --host, 127.0.0.1, --username, postgres]}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      resources: {{- toYaml $postgres.resources | nindent 8 }}
      securityContext: {{- include "tallystick.containerSecurity" . | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - {name: data, mountPath: /var/lib/postgresql/data}
        - {name: roles, mountPath: /etc/postgres-roles, readOnly: true}
        - {name: run, mountPath: /var/run/postgresql}
        - {name: tmp, mountPath: /tmp}
        - {name: shm, mountPath: /dev/shm}
        {{- if $postgres.tlsSecret }}
        - {name: tls, mountPath: /etc/postgres-tls, readOnly: true}
        {{- end }}
  volumes:
    - name: roles
      configMap: {name: {{ .Release.Name }}-postgres}
    - name: run
      emptyDir: {}
    - name: tmp
      emptyDir: {}
    - name: shm
      emptyDir: {medium: Memory, sizeLimit: 256Mi}
    {{- with $postgres.tlsSecret }}
    - name: tls
      secret: {secretName: {{ . }}, defaultMode: 0640}
    {{- end }}
{{- end }}
