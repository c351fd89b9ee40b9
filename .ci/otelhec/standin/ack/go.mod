module github.com/open-telemetry/opentelemetry-collector-contrib/extension/ackextension

go 1.26.0
