package file_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/sluice-siem/sluice/pkg/internal/footprint"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/file"
)

// After a large batch an idle sink holds its open file and little else.
func TestAnIdleSinkIsSmall(t *testing.T) {
	const sinks, batchBytes, most = 20, 1 << 20, 8 << 10
	dir := t.TempDir()
	large := []sink.Record{{Body: bytes.Repeat([]byte("x"), batchBytes)}}
	synctest.Test(t, func(t *testing.T) {
		goroutines, before := footprint.Goroutines(), footprint.Heap()
		var all [sinks]sink.Sink
		for i := range all {
			all[i] = open(t, file.Type, at(filepath.Join(dir, fmt.Sprint(i))))
			if err := all[i].Publish(t.Context(), large); err != nil {
				t.Fatal(err)
			}
		}
		if n := footprint.Goroutines(); n > goroutines {
			t.Errorf("%d idle sinks have %d goroutines, want none", sinks, n-goroutines)
		}
		if held := (footprint.Heap() - before) / sinks; held > most {
			t.Errorf("an idle sink holds %d bytes, want at most %d", held, most)
		}
		runtime.KeepAlive(all)
	})
}
