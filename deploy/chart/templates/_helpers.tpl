{{/* The operator's image. */}}
{{- define "entrepot.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* The registry server's image. */}}
{{- define "entrepot.registryImage" -}}
{{ .Values.registryImage.repository }}:{{ .Values.registryImage.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Labels of one component; call with (list $ "component"). */}}
{{- define "entrepot.labels" -}}
{{ include "entrepot.selector" . }}
app.kubernetes.io/version: {{ (first .).Chart.AppVersion | quote }}
{{- end }}

{{/* Names are the same in every installation, for there can be one in a cluster: so is the selector. */}}
{{- define "entrepot.selector" -}}
app.kubernetes.io/name: entrepot
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{- define "entrepot.imagePullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}
