package splunkhec

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
)

// collector is the path of HEC in Splunk, which takes events at it and at collector/event
// (Splunk, "HTTP Event Collector REST API endpoints").
const collector = "/services/collector"

// addresses are where requests go. A URL without a path means Splunk's own paths. A URL
// with a path is the one at which the receiver takes events, as its vendor shows it:
//
//	CrowdStrike  https://ingest.us-1.crowdstrike.com/api/ingest/hec/ID/v1/services/collector
//	Cribl        https://HOST:8088/services/collector, or another base path ("Splunk HEC endpoint")
//	LogScale     https://HOST/api/v1/ingest/hec
//
// The other paths are beside that of events.
type addresses struct {
	event, ack, health string
	shown              string   // in errors: without the parts of a path that only the vendor knows
	hidden             []string // what shown leaves out
}

func addressesOf(text string) addresses {
	u, err := url.Parse(text)
	if err != nil {
		return addresses{event: text, shown: "url"} // Validate refuses it.
	}
	origin, path := httpclient.Origin(u), strings.TrimRight(u.EscapedPath(), "/")
	if path == "" {
		base := origin + collector
		return addresses{base + "/event", base + "/ack", base + "/health", origin, nil}
	}
	base := strings.TrimSuffix(strings.TrimSuffix(path, "/1.0"), "/event")
	return addresses{origin + path, origin + base + "/ack", origin + base + "/health", origin + shownPath(base), hiddenParts(base)}
}

// credentialLength is the least length of a part of a path that may be a credential by
// itself. Shorter parts, such as api and v1, are words that answers use too.
const credentialLength = 8

// hiddenParts returns what stands before the path of HEC, and each long part of it. A server
// may repeat a path as it was sent or unescaped; package echo finds both.
func hiddenParts(base string) (parts []string) {
	before, err := url.PathUnescape(strings.TrimSuffix(base, collector))
	if err != nil {
		return []string{base}
	}
	for part := range strings.SplitSeq(before, "/") {
		if len(part) >= credentialLength {
			parts = append(parts, part)
		}
	}
	return append(parts, before)
}

// shownPath leaves out what stands before the path of HEC, since it may be a credential.
func shownPath(base string) string {
	switch {
	case base == collector:
		return base
	case strings.HasSuffix(base, collector):
		return "/…" + collector
	}
	return "/…"
}

// checkURL checks the setting url. Its errors do not show what may be a credential.
func checkURL(text string, allowHTTP bool) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return httpclient.CheckURL(text, exampleURL, allowHTTP)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("has more than scheme, host and path, such as %s; write the token under token", exampleURL+collector)
	}
	path := strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/1.0")
	for _, other := range []string{"/raw", "/ack", "/health", "/s2s"} {
		if strings.HasSuffix(path, other) {
			return errors.New("is not where events go; write an address that ends in " + collector + " or " + collector + "/event: the raw endpoint has no fields for an event's id")
		}
	}
	return httpclient.CheckURL(httpclient.Origin(u), exampleURL, allowHTTP)
}
