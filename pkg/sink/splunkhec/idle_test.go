package splunkhec_test

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/sluice-siem/sluice/pkg/internal/footprint"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
)

// After a large batch an idle sink holds neither a body nor a compressor.
func TestAnIdleSinkIsSmall(t *testing.T) {
	const sinks, records, recordBytes, most = 20, 200, 4 << 10, 32 << 10
	batch := make([]sink.Record, records)
	for i := range batch {
		batch[i] = sink.Record{ID: fmt.Sprint(i), MediaType: "application/json", Body: fmt.Appendf(nil, `{"x":"%s"}`, bytes.Repeat([]byte("x"), recordBytes))}
	}
	bubble(t, hectest.Config{Ack: true, Indexed: func(hectest.Event) {}}, func(t *testing.T, r *rig) {
		goroutines, before := footprint.Goroutines(), footprint.Heap()
		var all [sinks]sink.Sink
		for i := range all {
			all[i] = r.open(t)
			if err := all[i].Publish(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // A connection is idle a moment after its answer was read.
		r.transport.(*http.Transport).CloseIdleConnections()
		if n := footprint.Goroutines(); n > goroutines {
			t.Errorf("%d idle sinks have %d goroutines, want none", sinks, n-goroutines)
		}
		if held := (footprint.Heap() - before) / sinks; held > most {
			t.Errorf("an idle sink holds %d bytes, what its server remembers included, want at most %d", held, most)
		}
		runtime.KeepAlive(all)
	})
}
