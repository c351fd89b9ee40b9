package syslog_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

// The JSON Schema must not refuse an address that is parsed.
func TestTheFormOfAddressesHasAllThatAreParsed(t *testing.T) {
	pattern := regexp.MustCompile(syslog.Addresses{}.Form().Pattern)
	parts := []string{"tls://", "RELP+TLS://", "udp://", "siem", "[::1]", "[fe80::1%eth0]", ":", "514", "6514", ",", " , ", "@", "/", " "}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 3, 9).Draw(t, "parts"), "")
		if new(syslog.Addresses).UnmarshalText([]byte(text)) == nil {
			if !pattern.MatchString(text) {
				t.Fatalf("%q is parsed, and does not match %s", text, pattern)
			}
		}
	})
	for text, want := range map[string]bool{
		"tls://siem:6514": true, "relp://a:1, relp://[::1]:2": true, "UDP://a:1": true,
		"siem:514": false, "ssl://siem:514": false, "tcp://siem": false, "tcp://u@siem:514": false, "tcp://a:1,": false, "tcp://a:1/b": false,
	} {
		if got := pattern.MatchString(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
