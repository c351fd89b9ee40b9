package syslog_test

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

func open(t testing.TB, s syslog.Settings) sink.Sink {
	t.Helper()
	snk, err := syslog.Type.Open(t.Context(), sink.Env{Lane: "acme/siem", Source: "acme", Log: zerolog.Nop()}, &s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := snk.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return snk
}
