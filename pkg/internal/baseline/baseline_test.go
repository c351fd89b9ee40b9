package baseline

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

func TestTheScriptReadsTheWholeLog(t *testing.T) {
	server := simulator.New(simulator.Config{Events: 250, Organization: "acme", Tame: true})
	s := &Script{URL: "http://simulator", Organization: "acme", Client: &http.Client{Transport: server.Transport()}}
	var out bytes.Buffer
	events, err := s.Run(t.Context(), &out)
	if lines := bytes.Count(out.Bytes(), []byte("\n")); err != nil || events != 250 || lines != 250 {
		t.Errorf("got %d events on %d lines, error %v, want 250", events, lines, err)
	}
	if pages, err := s.Skim(t.Context()); err != nil || pages != 3 {
		t.Errorf("got %d pages, error %v, want 3", pages, err)
	}
}

func TestTheScriptStopsAtAnError(t *testing.T) {
	server := simulator.New(simulator.Config{Events: 10, Organization: "other"})
	s := &Script{URL: "http://simulator", Organization: "acme", Client: &http.Client{Transport: server.Transport()}}
	if _, err := s.Run(t.Context(), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "the API answered 404") {
		t.Errorf("got error %v for an organization that is not served, want a 404", err)
	}
}
