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

// view is who says to run a lane, and when it was read last.
type view struct {
	owners map[string][]string
	read   map[string]time.Time
	silent int // replicas that live and do not answer
}

// look asks all replicas that live.
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

// wrong says which lane does not have one owner that read since; empty if all have.
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

// twice is how many lanes are said to be run by several.
func (v view) twice() (n int) {
	for _, owners := range v.owners {
		if len(owners) > 1 {
			n++
		}
	}
	return n
}

// moved waits until each lane has an owner that read since, and returns how long
// that took, and in how many samples a lane had several owners.
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

// calm is how long owners stay what they are once a handover is over: longer than
// a heartbeat, by which members hear that another came.
const calm = 2 * time.Second

// settle waits until all replicas answer and nothing moves any more, and holds what
// they say against their metrics. It returns in how many samples a lane had several
// owners before.
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
