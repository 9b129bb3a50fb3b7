{{- define "weft.labels" -}}
app.kubernetes.io/name: weft
app.kubernetes.io/component: node
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "weft.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "weft.netConf" -}}
{{- $config := dict -}}
{{- if .Values.podCidr }}{{ $_ := set $config "Network" .Values.podCidr }}{{ else }}{{ $_ := set $config "EnableIPv4" false }}{{ end -}}
{{- if .Values.podCidrv6 }}{{ $_ := set $config "EnableIPv6" true }}{{ $_ := set $config "IPv6Network" .Values.podCidrv6 }}{{ end -}}
{{- $_ := set $config "Backend" .Values.backend -}}
{{- mergeOverwrite $config (deepCopy .Values.netConf) | toPrettyJson -}}
{{- end }}

{{- define "weft.cniConf" -}}
{{- if .Values.cni.conf -}}
{{- toPrettyJson .Values.cni.conf -}}
{{- else -}}
{{- $weft := dict "type" "weft-cni" "delegate" .Values.cni.delegate -}}
{{- $portmap := dict "type" "portmap" "capabilities" (dict "portMappings" true) -}}
{{- $plugins := ternary (list $weft $portmap) (list $weft) .Values.cni.portmap -}}
{{- dict "name" .Values.cni.name "cniVersion" .Values.cni.cniVersion "plugins" $plugins | toPrettyJson -}}
{{- end -}}
{{- end }}
