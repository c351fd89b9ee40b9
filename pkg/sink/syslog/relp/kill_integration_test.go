//go:build integration

package relp_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/rsyslogd"
)

// sent is the nth message of one run of the receiver.
type sent struct{ life, n int }

// Messages that rsyslog answered are in its file although it was killed, if it has no
// queue in memory. With one, as by default, the test measures the losses that
// docs/syslog.md states.
func TestWhatWasAnsweredOutlivesSIGKILL(t *testing.T) {
	const kills = 40
	for _, direct := range []bool{true, false} {
		t.Run(fmt.Sprintf("direct %t", direct), func(t *testing.T) {
			d := rsyslogd.Start(t, rsyslogd.Config{Direct: direct})
			var answered []sent
			for life := range kills {
				answered = append(answered, sendUntilKilled(t, d, life)...)
				if err := d.Start(); err != nil {
					t.Fatal(err)
				}
			}
			lost, hit := missing(t, d, answered)
			t.Logf("direct %t: %d kills, %d messages answered, %d of them lost, by %d of the kills", direct, kills, len(answered), lost, hit)
			if direct && lost > 0 {
				t.Errorf("%d of %d messages are lost", lost, len(answered))
			}
		})
	}
}

// sendUntilKilled sends without a pause until rsyslog dies, and returns the answered
// messages.
func sendUntilKilled(t *testing.T, d *rsyslogd.Daemon, life int) (answered []sent) {
	t.Helper()
	const size = 5000 // as a lane that catches up
	s := dial(t, d.RELP)
	killed := make(chan error, 1)
	time.AfterFunc(rand.N(100*time.Millisecond), func() { killed <- d.Kill() })
	for {
		var batch [][]byte
		for i := range size {
			batch = append(batch, fmt.Appendf(nil, "<110>1 - - - - - - life %d message %d %0400d", life, len(answered)+i, 0))
		}
		acked, err := s.Send(within(t, time.Minute), batch)
		for range acked {
			answered = append(answered, sent{life, len(answered)})
		}
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("life %d: %v", life, err)
			}
			break
		}
	}
	if err := errors.Join(<-killed, s.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	return answered
}

// missing counts the messages that rsyslog did not write, and the runs they are from.
func missing(t *testing.T, d *rsyslogd.Daemon, answered []sent) (lost, lives int) {
	t.Helper()
	messages, err := d.Messages()
	if err != nil {
		t.Fatal(err)
	}
	arrived := map[sent]bool{}
	for _, m := range messages {
		var s sent
		if _, err := fmt.Sscanf(strings.TrimSpace(m.Text), "life %d message %d", &s.life, &s.n); err != nil {
			t.Fatalf("message %q: %v", m.Text, err)
		}
		arrived[s] = true
	}
	incomplete := map[int]bool{}
	for _, s := range answered {
		if !arrived[s] {
			lost++
			incomplete[s.life] = true
		}
	}
	return lost, len(incomplete)
}
