package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestAFewLanesCatchUpAndAreMeasured(t *testing.T) {
	s := scale{
		sources: 2, events: 150, spacing: time.Second, rate: 5, sinks: []string{"file", "splunk_hec", "syslog"},
		every: 6 * time.Second, lasts: 6 * time.Second,
	}
	var out bytes.Buffer
	if _, err := s.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const figures = `(?m)^ +0s +[1-9]\d* MiB +[1-9]\d* MiB +\d+ MiB +\d+\.\d+ ms +[1-9]\d*\.\d+ +[1-9]\d* +\d+ ms +\d+ ms$`
	if !strings.HasPrefix(out.String(), "6 lanes: ") || !regexp.MustCompile(figures).MatchString(out.String()) {
		t.Errorf("got\n%swant a line with figures of 6 lanes", out.String())
	}
	const delays = `(?m)^answers of the API: \[200:\d+\]\n(.*\n)+\d+ events appended, \d+ records arrived: p50 \d`
	if !regexp.MustCompile(delays).MatchString(out.String()) {
		t.Errorf("got\n%swant answers and delays", out.String())
	}
}

func TestAnUnknownSinkIsRefused(t *testing.T) {
	s := scale{sources: 1, sinks: []string{"files"}}
	if _, err := s.run(t.Context(), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), `"files"`) {
		t.Errorf("got error %v, want one that names the type", err)
	}
}
