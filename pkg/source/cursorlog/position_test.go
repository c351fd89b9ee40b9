package cursorlog

import (
	"testing"
	"time"
)

// A lane whose sink was never up has delivered nothing, and what it listed leaves the log
// all the same.
func TestAPositionExpiresWithTheOldestEventThatWaitsAlsoIfNothingWasDelivered(t *testing.T) {
	const retention = 15 * 24 * time.Hour
	pos := newPosition("host", "acme")
	if d := pos.describe(retention); !d.Expires.IsZero() {
		t.Errorf("nothing was listed: expires %s, want unknown", d.Expires)
	}
	listed := noon.Add(-time.Hour)
	pos.awaits = listed.UnixMilli()
	if d := pos.describe(retention); !d.Expires.Equal(listed.Add(retention)) {
		t.Errorf("nothing was delivered: expires %s, want %s", d.Expires, listed.Add(retention))
	}
	pos.edge = &edge{At: noon, Reach: time.Hour.Milliseconds()}
	if d := pos.describe(retention); !d.Expires.Equal(noon) {
		t.Errorf("the log reaches back an hour: expires %s, want %s", d.Expires, noon)
	}
	pos.edge, pos.through = nil, noon.UnixMilli()
	if d := pos.describe(retention); !d.Expires.Equal(noon.Add(retention)) {
		t.Errorf("delivered through noon: expires %s, want %s", d.Expires, noon.Add(retention))
	}
}
