{{/* The rules as files of Prometheus; a runbook's name becomes its address. */}}
{{- define "monitoring.rules" -}}
{{- $base := .Values.prometheus.runbooks -}}
{{- range $path, $_ := .Files.Glob "rules/*.yaml" }}
{{ base $path }}: |
{{ $.Files.Get $path | replace "runbook_url: " (printf "runbook_url: %s/" $base) | indent 2 }}
{{- end }}
{{- end }}

{{/* Where Grafana finds metrics and traces. */}}
{{- define "monitoring.prometheusUrl" -}}
{{ .Values.prometheus.url | default (printf "http://%s-prometheus:9090" .Release.Name) }}
{{- end }}

{{- define "monitoring.jaegerUrl" -}}
{{ .Values.jaeger.url | default (printf "http://%s-jaeger:16686" .Release.Name) }}
{{- end }}

{{- define "prometheus.config" }}
global:
  scrape_interval: {{ .Values.prometheus.interval }}
  evaluation_interval: {{ .Values.prometheus.interval }}
rule_files: [/etc/prometheus-rules/*.yaml]
scrape_configs:
  # Every pod of this release that has a port for it, by the name of its program.
  - job_name: pods
    kubernetes_sd_configs:
      - role: pod
        namespaces: {own_namespace: true}
        selectors:
          - {role: pod, label: "app.kubernetes.io/instance={{ .Release.Name }}"}
    relabel_configs:
      - {source_labels: [__meta_kubernetes_pod_container_port_name], regex: admin|metrics, action: keep}
      - {source_labels: [__meta_kubernetes_pod_phase], regex: Pending|Succeeded|Failed, action: drop}
      - {source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_name], target_label: job}
      - {source_labels: [__meta_kubernetes_pod_name], target_label: instance}
      - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
{{- end }}

{{- define "jaeger.config" }}
service:
  extensions: [jaeger_storage, jaeger_query, healthcheckv2]
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [jaeger_storage_exporter]}
  telemetry:
    resource: {service.name: jaeger}
    logs: {level: warn}
    metrics:
      readers:
        - pull:
            exporter:
              prometheus: {host: 0.0.0.0, port: 8888}
extensions:
  healthcheckv2:
    use_v2: true
    http: {endpoint: 0.0.0.0:13133}
  jaeger_storage:
    backends:
      memory:
        memory: {max_traces: {{ int .Values.jaeger.maxTraces }}}
  jaeger_query:
    storage: {traces: memory}
    enable_tracing: false # of its own answers
receivers:
  otlp:
    protocols:
      http: {endpoint: 0.0.0.0:4318}
processors:
  batch: {}
exporters:
  jaeger_storage_exporter: {trace_storage: memory}
{{- end }}

{{- define "grafana.datasources" }}
apiVersion: 1
prune: true
datasources:
  - name: Prometheus
    uid: prometheus
    type: prometheus
    access: proxy
    url: {{ include "monitoring.prometheusUrl" . }}
    isDefault: true
    jsonData: {timeInterval: {{ .Values.prometheus.interval }}, httpMethod: POST}
  - name: Jaeger
    uid: jaeger
    type: jaeger
    access: proxy
    url: {{ include "monitoring.jaegerUrl" . }}
{{- end }}

{{- define "grafana.providers" }}
apiVersion: 1
providers:
  - name: tallystick
    folder: Tallystick
    type: file
    allowUiUpdates: false
    options: {path: /etc/grafana-dashboards}
{{- end }}
