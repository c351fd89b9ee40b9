package cursorlog

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

// The log holds two versions of event 9: in one page, on two pages of a walk, or the second
// is listed when the first was delivered. One is delivered, and the other is told once.
func TestAnotherEventWithTheSameIDIsTold(t *testing.T) {
	body := func(events string) []byte { return []byte(`{"data":[` + events + `],"cursor":"end"}`) }
	const first, second, other = `{"id":"9","at":"2026-01-02T11:00:00Z"}`, `{"id":"9","at":"2026-01-02T11:00:00Z","v":2}`, `{"id":"8","at":"2026-01-02T10:59:00Z"}`
	both := map[string][]byte{"": body(second + "," + first)}
	for name, walks := range map[string][]map[string][]byte{
		"on one page":  {both},
		"on two pages": {{"": bytes.Replace(body(second), []byte(`"end"`), []byte(`"8","has_next":true`), 1), "8": body(other + "," + first)}},
		"later":        {{"": body(first)}, both},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, log, listed := time.Now(), &bytes.Buffer{}, walks[0]
				src, err := New(Options{
					Settings: Defaults, Name: "acme", Log: zerolog.Nop(),
					Now: func() time.Time { return noon.Add(time.Since(start)) },
					Client: plain{list: func(_ context.Context, cursor string, _ int) (Answer, error) {
						if page, ok := listed[cursor]; ok {
							return Answer{Body: page}, nil
						}
						return Answer{Body: plainBody("")}, nil
					}},
				})
				if err != nil {
					t.Fatal(err)
				}
				pos, err := src.Start(t.Context(), source.Start{})
				if err != nil {
					t.Fatal(err)
				}
				r, err := src.Open(pos, source.Env{Log: zerolog.New(log)})
				if err != nil {
					t.Fatal(err)
				}
				delivered := map[string]int{}
				for i := range 4 {
					listed = walks[min(i, len(walks)-1)]
					p, err := r.Next(t.Context())
					for err == nil && len(p.Events) == 0 && !p.CaughtUp {
						p, err = r.Next(t.Context())
					}
					if err != nil {
						t.Fatal(err)
					}
					for _, e := range p.Events {
						delivered[e.ID]++
					}
					if got, want := r.Progress().Changed, uint64(min(1, i+2-len(walks))); got != want {
						t.Errorf("walk %d: %d events were told, want %d", i+1, got, want)
					}
				}
				told := strings.Count(log.String(), "its id is not unique")
				if delivered["9"] != 1 || told != 1 {
					t.Errorf("delivered %v, told %d times, want event 9 once each: %s", delivered, told, log)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
				if err := src.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
