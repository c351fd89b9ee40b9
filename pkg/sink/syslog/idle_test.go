package syslog_test

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/footprint"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

// After a large batch an idle sink holds its connection and the last message, which
// suspicion may need, but no buffer.
func TestAnIdleSinkIsSmall(t *testing.T) {
	const sinks, records, recordBytes, most = 20, 200, 4 << 10, 48 << 10
	receiver, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	go func() {
		for {
			conn, err := receiver.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn) }()
		}
	}()
	batch := make([]sink.Record, records)
	for i := range batch {
		batch[i].Body = bytes.Repeat([]byte("x"), recordBytes)
	}
	before := footprint.Heap()
	var all [sinks]sink.Sink
	for i := range all {
		settings := syslog.Type.Settings().(*syslog.Settings)
		settings.Settle = 0
		if err := settings.Address.UnmarshalText([]byte("tcp://" + receiver.Addr().String())); err != nil {
			t.Fatal(err)
		}
		snk, err := syslog.Type.Open(t.Context(), sink.Env{Log: zerolog.Nop()}, settings)
		if err != nil {
			t.Fatal(err)
		}
		defer snk.Close()
		if err := snk.Publish(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		all[i] = snk
	}
	if held := (footprint.Heap() - before) / sinks; held > most {
		t.Errorf("an idle sink holds %d bytes, its receiver's connection included, want at most %d", held, most)
	}
	runtime.KeepAlive(all)
}
