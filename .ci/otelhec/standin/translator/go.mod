module github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/splunk

go 1.26.0
