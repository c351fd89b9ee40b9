// The program otelhec is OpenTelemetry's receiver for Splunk's HEC, which nobody here
// wrote, for tests. It serves the port of 127.0.0.1 that its first argument names, until
// it is killed. If its second argument is ack, it acknowledges events. It prints a line
// once it listens, and then each event that it took as a line of JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/splunkhecreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("otelhec: error: ")
	if len(os.Args) < 2 || len(os.Args) > 3 || len(os.Args) == 3 && os.Args[2] != "ack" {
		log.Fatal("usage: otelhec PORT [ack]")
	}
	if err := serve(os.Args[1], len(os.Args) == 3); err != nil {
		log.Fatal(err)
	}
}

func serve(port string, ack bool) error {
	ctx := context.Background()
	factory := splunkhecreceiver.NewFactory()
	config := factory.CreateDefaultConfig().(*splunkhecreceiver.Config)
	config.ServerConfig.NetAddr.Endpoint = net.JoinHostPort("127.0.0.1", port)
	if ack {
		config.Ack.Extension = &extension
	}
	settings := receiver.Settings{
		ID: component.NewID(factory.Type()),
		TelemetrySettings: component.TelemetrySettings{
			Logger: zap.NewNop(), TracerProvider: tracenoop.NewTracerProvider(),
			MeterProvider: noop.NewMeterProvider(), Resource: pcommon.NewResource(),
		},
	}
	next, err := consumer.NewLogs(printLogs)
	if err != nil {
		return err
	}
	r, err := factory.CreateLogs(ctx, settings, config, next)
	if err != nil {
		return err
	}
	if err := r.Start(ctx, host{extension: newAcks()}); err != nil {
		return err
	}
	fmt.Println("listening")
	select {}
}

// printLogs prints each event. The receiver calls it before it answers, and one write is
// one line, although requests may come at once.
func printLogs(_ context.Context, logs plog.Logs) error {
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, r := range scope.LogRecords().All() {
				line, err := json.Marshal(map[string]any{
					"metadata": resource.Resource().Attributes().AsRaw(), "fields": r.Attributes().AsRaw(),
					"time": r.Timestamp().AsTime().Format(time.RFC3339Nano), "event": r.Body().AsRaw(),
				})
				if err != nil {
					return err
				}
				if _, err := os.Stdout.Write(append(line, '\n')); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
