package sinktest

import (
	"bytes"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// expectAll waits until the destination holds each of the records at least once.
func (s *session) expectAll(because string, records []sink.Record) {
	s.Helper()
	var missing int
	var got [][]byte
	if !s.becomes(func(g [][]byte) bool { got, missing = g, absent(records, g); return missing == 0 }) {
		s.Fatalf("%d of %d records have not arrived after %v, although %s%s", missing, len(records), s.Patience, because, s.foreign(got))
	}
}

// expectExactly waits until the destination holds the records, each once, in
// their order, and nothing else.
func (s *session) expectExactly(records []sink.Record) {
	s.Helper()
	want := bodies(records)
	var got [][]byte
	if !s.becomes(func(g [][]byte) bool { got = g; return len(g) >= len(want) }) {
		s.Errorf("%d of %d records have arrived after %v%s", len(got), len(want), s.Patience, s.foreign(got))
		return
	}
	if what := compare(want, got); what != "" {
		s.Errorf("%s", what)
	}
}

// expectOnly checks that the destination holds no other records.
func (s *session) expectOnly(records []sink.Record) {
	s.Helper()
	known := make(map[string]bool)
	for _, r := range records {
		known[string(r.Body)] = true
	}
	got := s.received()
	if n, first := strangers(known, got); n > 0 {
		s.Errorf("%d of %d bodies that Received returned are none of the records that were published, the first is %s", n, len(got), clip(first))
	}
}

// foreign reports bodies that the suite has not made, for a failure; empty if there are
// none.
func (s *session) foreign(got [][]byte) string {
	n, first := strangers(s.known, got)
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d bodies that Received returned are none of the records, the first is %s", n, clip(first))
}

func strangers(known map[string]bool, got [][]byte) (n int, first []byte) {
	for _, body := range got {
		if known[string(body)] {
			continue
		}
		if n++; n == 1 {
			first = body
		}
	}
	return n, first
}

// becomes polls Received until ok returns true or patience runs out.
func (s *session) becomes(ok func([][]byte) bool) bool {
	s.Helper()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for start := time.Now(); ; <-tick.C {
		if ok(s.received()) {
			return true
		}
		if time.Since(start) > s.Patience {
			return false
		}
	}
}

func bodies(records []sink.Record) [][]byte {
	all := make([][]byte, len(records))
	for i := range records {
		all[i] = records[i].Body
	}
	return all
}

func absent(records []sink.Record, got [][]byte) (n int) {
	have := make(map[string]bool, len(got))
	for _, b := range got {
		have[string(b)] = true
	}
	for _, r := range records {
		if !have[string(r.Body)] {
			n++
		}
	}
	return n
}

// compare describes the first difference of got from want; empty if there is none.
func compare(want, got [][]byte) string {
	for i := range min(len(want), len(got)) {
		if bytes.Equal(want[i], got[i]) {
			continue
		}
		for j := range want {
			if bytes.Equal(want[j], got[i]) {
				return fmt.Sprintf("got record %d in place of record %d: records were repeated, lost or reordered", j, i)
			}
		}
		return fmt.Sprintf("record %d was changed\n got %s\nwant %s", i, clip(got[i]), clip(want[i]))
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d records arrived, %d were published", len(got), len(want))
	}
	return ""
}

// clip limits how much of a body a failure prints.
func clip(b []byte) string {
	const most = 300
	if len(b) > most {
		return fmt.Sprintf("%q… (%d bytes)", b[:most], len(b))
	}
	return fmt.Sprintf("%q", b)
}
