{{/* The name of every object: the release's, with "gatehouse" in it. */}}
{{- define "gatehouse.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "gatehouse" .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-gatehouse" .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the pod; it never changes in a release. */}}
{{- define "gatehouse.selectorLabels" -}}
app.kubernetes.io/name: gatehouse
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gatehouse.labels" -}}
{{ include "gatehouse.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "gatehouse.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- .Values.image.repository }}{{ ternary "@" ":" (hasPrefix "sha256:" $tag) }}{{ $tag -}}
{{- end -}}

{{/* The issuer, refused here as `gatehouse serve` would refuse it in a pod that nobody watches. */}}
{{- define "gatehouse.issuer" -}}
{{- $issuer := required "issuer: missing; give the server's public URL, as --set issuer=https://auth.example.com" .Values.issuer -}}
{{- if not (regexMatch "^https://[^/?#@\\s]+$" $issuer) -}}
{{- fail (printf "issuer: %q must be https and a host with nothing after it, as https://auth.example.com" $issuer) -}}
{{- end -}}
{{- $issuer -}}
{{- end -}}

{{- define "gatehouse.claim" -}}
{{- .Values.persistence.existingClaim | default (include "gatehouse.fullname" .) -}}
{{- end -}}

{{/* A role and its binding to the ServiceAccount: kind, name, namespace (empty: the cluster), rules. */}}
{{- define "gatehouse.grant" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "gatehouse.labels" .top | nindent 4 }}
rules:
{{ toYaml .rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "gatehouse.labels" .top | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
- kind: ServiceAccount
  name: {{ include "gatehouse.fullname" .top }}
  namespace: {{ .top.Release.Namespace }}
{{- end }}
