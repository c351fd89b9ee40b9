//go:build integration

package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// view holds the replicas that claim to run a lane, and the time of its last read.
type view struct {
	owners map[string][]string
	read   map[string]time.Time
	silent int // living replicas that do not answer
}

// look asks all living replicas.
func (f *fleet) look() view {
	v := view{owners: map[string][]string{}, read: map[string]time.Time{}}
	for _, m := range f.replicas {
		if m.asleep {
			continue
		}
		var ready struct {
			Lanes []struct {
				Lane     string
				Owned    bool
				LastRead *time.Time `json:"last_read"`
			}
		}
		body, err := m.ask("/readyz")
		if err == nil {
			err = json.Unmarshal(body, &ready)
		}
		if err != nil {
			v.silent++
			continue
		}
		for _, l := range ready.Lanes {
			if !l.Owned {
				continue
			}
			v.owners[l.Lane] = append(v.owners[l.Lane], m.name)
			if l.LastRead != nil {
				v.read[l.Lane] = *l.LastRead
			}
		}
	}
	return v
}

var impatient = &http.Client{Timeout: 2 * time.Second}

func (m *member) ask(path string) ([]byte, error) {
	resp, err := impatient.Get("http://" + m.admin + path)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	return body, errors.Join(err, resp.Body.Close())
}

// wrong names a lane without exactly one owner that has read since; empty if there is
// none.
func (v view) wrong(lanes []string, since time.Time) string {
	for _, l := range lanes {
		switch owners := v.owners[l]; {
		case len(owners) != 1:
			return fmt.Sprintf("lane %s is run by %d replicas: %q", l, len(owners), owners)
		case !v.read[l].After(since):
			return fmt.Sprintf("lane %s of %s was last read %s before", l, owners[0], since.Sub(v.read[l]))
		}
	}
	return ""
}

// twice counts the lanes that several replicas claim to run.
func (v view) twice() (n int) {
	for _, owners := range v.owners {
		if len(owners) > 1 {
			n++
		}
	}
	return n
}

// moved waits until each lane has an owner that has read since. It returns how long that
// took, and in how many samples a lane had several owners.
func (f *fleet) moved(t *testing.T, since time.Time) (took time.Duration, twice int) {
	t.Helper()
	lanes := f.lanes()
	var v view
	deadline := since.Add(time.Minute)
	for {
		v = f.look()
		twice += min(1, v.twice())
		wrong := v.wrong(lanes, since)
		if wrong == "" {
			return time.Since(since), twice
		}
		if time.Now().After(deadline) {
			for _, m := range f.replicas {
				t.Logf("%s, asleep %t: %s", m.name, m.asleep, f.said(t, m))
			}
			t.Fatalf("a minute after: %s", wrong)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// calm is how long owners must stay the same before a handover counts as over. It is
// longer than a heartbeat, by which members learn of new ones.
const calm = 2 * time.Second

// settle waits until all replicas answer and no lane moves any more, and compares the
// answers with the metrics. It returns in how many samples before that a lane had several
// owners.
func (f *fleet) settle(t *testing.T) (twice int) {
	t.Helper()
	lanes, began := f.lanes(), time.Now()
	var before view
	since := began
	until(t, 100*time.Millisecond, time.Minute, "replicas to settle", func() bool {
		v := f.look()
		twice += min(1, v.twice())
		if v.silent > 0 || v.wrong(lanes, began) != "" || !maps.EqualFunc(v.owners, before.owners, slices.Equal) {
			before, since = v, time.Now()
		}
		return time.Since(since) > calm
	})
	var owned []string
	for _, m := range f.replicas {
		metrics, err := m.ask("/metrics")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(metrics)) {
			lane, ok := strings.CutPrefix(line, `sluice_lane_owned{lane="`)
			if lane, one := strings.CutSuffix(lane, "\"} 1\n"); ok && one {
				owned = append(owned, lane)
			}
		}
	}
	slices.Sort(owned)
	slices.Sort(lanes)
	if !slices.Equal(owned, lanes) {
		t.Errorf("by their metrics replicas own %q, want each lane once", owned)
	}
	return twice
}
