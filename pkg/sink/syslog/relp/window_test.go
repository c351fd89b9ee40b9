package relp_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp"
)

const lastNumber = 999_999_999

// A window is compared with a list of waiting commands, also when the transaction numbers
// start again.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.SampledFrom([]uint64{1, lastNumber - 5, lastNumber, lastNumber + 1, 3*lastNumber - 2}).Draw(t, "first")
		w := relp.CommandsFrom(first)
		last := int((first - 1) % lastNumber)
		type command struct {
			number   int
			answered bool
		}
		var waiting []command
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				for range rapid.IntRange(1, relp.Window-len(waiting)+1).Draw(t, "commands") - 1 {
					want := last%lastNumber + 1
					if got := w.Add(); got != want {
						t.Fatalf("got number %d after %d", got, last)
					}
					last = want
					waiting = append(waiting, command{number: want})
				}
			},
			"answer one": func(t *rapid.T) {
				if len(waiting) == 0 {
					t.Skip("nothing waits")
				}
				c := &waiting[rapid.IntRange(0, len(waiting)-1).Draw(t, "place")]
				if err := w.Acknowledge(c.number); (err != nil) != c.answered {
					t.Fatalf("answer to %d: got %v, answered before: %t", c.number, err, c.answered)
				}
				c.answered = true
				for len(waiting) > 0 && waiting[0].answered {
					waiting = waiting[1:]
				}
			},
			"answer another": func(t *rapid.T) {
				n := rapid.OneOf(
					rapid.IntRange(0, lastNumber),
					rapid.IntRange(max(0, last-2*relp.Window), min(last+2*relp.Window, lastNumber)),
				).Draw(t, "number")
				for _, c := range waiting {
					if c.number == n {
						t.Skip("this one waits")
					}
				}
				if err := w.Acknowledge(n); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("answer to transaction %d", n)) {
					t.Fatalf("got error %v for an answer to %d", err, n)
				}
			},
			"": func(t *rapid.T) {
				if got := w.Waiting(); got != len(waiting) {
					t.Fatalf("%d wait, want %d", got, len(waiting))
				}
			},
		})
	})
}
