package planetscale

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/footprint"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// A reader that has caught up holds its position and little else, however much it read
// and however many events that position named meanwhile.
func TestAnIdleReaderIsSmall(t *testing.T) {
	const readers, most = 20, 40 << 10
	events := 5000
	if testing.Short() {
		events = 2000
	}
	synctest.Test(t, func(t *testing.T) {
		api := simulator.New(simulator.Config{Events: events, Spacing: 100 * time.Millisecond, CacheBytes: 1})
		s := Defaults
		s.Organization, s.AccessToken = "acme", setting.NewSecret("token")
		s.RequestsPerMinute = 0
		src, err := New(s, Options{Transport: api.Transport()})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		begin, err := src.Start(t.Context(), source.Start{})
		if err != nil {
			t.Fatal(err)
		}
		before := footprint.Heap()
		var all [readers]source.Reader
		for i := range all {
			if all[i], err = src.Open(begin, source.Env{}); err != nil {
				t.Fatal(err)
			}
			defer all[i].Close()
			next(t, all[i], events)
		}
		// The overlap passes, and with it all names but the newest.
		time.Sleep(time.Hour)
		for _, r := range all {
			next(t, r, 0)
			next(t, r, 0)
		}
		if held := (footprint.Heap() - before) / readers; held > most {
			t.Errorf("an idle reader holds %d bytes, what the simulator remembers included, want at most %d", held, most)
		}
		runtime.KeepAlive(all)
	})
}

// next reads until the reader has caught up.
func next(t *testing.T, r source.Reader, want int) {
	t.Helper()
	for n := 0; ; {
		p, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n += len(p.Events); p.CaughtUp {
			if n != want {
				t.Fatalf("read %d events, want %d", n, want)
			}
			return
		}
	}
}
