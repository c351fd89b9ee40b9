package syslog_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		words  string
		change func(*syslog.Settings)
		want   []string
	}{
		{"the defaults", func(*syslog.Settings) {}, nil},
		{"no address", func(s *syslog.Settings) { s.Address = nil }, []string{"address: missing; write an address such as tls://siem.example.com:6514"}},
		{"everything at once", func(s *syslog.Settings) {
			s.Protocol, s.Framing, s.Hostname, s.AppName, s.SDID = "cef", "crlf", "two words", "", "planetscale"
			s.MaxMessageBytes, s.Settle = 1<<20+1, setting.Duration(2*time.Minute)
		}, []string{
			`protocol: "cef" is unknown; write rfc5424 or rfc3164`,
			`framing: "crlf" is unknown; write octet-counting or newline`,
			`hostname: "two words" cannot be in a header; write 1 to 255 printable ASCII characters without spaces`,
			`app_name: "" cannot be in a header; write 1 to 48 printable ASCII characters without spaces, ':' and '['`,
			`sd_id: "planetscale" names no structured data; write a name, @ and an enterprise number, such as acme@32473, of at most 32 characters`,
			`settle: 2m0s is too long; write 1m or less`,
			`max_message_bytes: 1048577 is out of range; write a size from 1KiB to 1MiB, the limits of cef over tcp`,
		}},
		{"a byte order mark in RFC 3164", func(s *syslog.Settings) { s.Protocol, s.BOM = syslog.RFC3164, true },
			[]string{"bom: rfc3164 has no byte order mark; remove the key"}},
		{"an app name that is no tag", func(s *syslog.Settings) { s.AppName = "sluice[1]:" },
			[]string{`app_name: "sluice[1]:" cannot be in a header; write 1 to 48 printable ASCII characters without spaces, ':' and '['`}},
		{"a name of structured data that ends it", func(s *syslog.Settings) { s.SDID = `a"]b@1` },
			[]string{`sd_id: "a\"]b@1" names no structured data; write a name, @ and an enterprise number, such as acme@32473, of at most 32 characters`}},
		{"a message smaller than a header of RFC 5424", func(s *syslog.Settings) { s.MaxMessageBytes = 1024 },
			[]string{"max_message_bytes: 1KiB is out of range; write a size from 2KiB to 1MiB, the limits of rfc5424 over tcp"}},
		{"the smallest of RFC 3164", func(s *syslog.Settings) { s.Protocol, s.MaxMessageBytes = syslog.RFC3164, 1024 }, nil},
		{"more than a datagram holds", func(s *syslog.Settings) { s.Address[0].Scheme, s.MaxMessageBytes = "udp", 65508 },
			[]string{"max_message_bytes: 65508 is out of range; write a size from 2KiB to 65507, the limits of rfc5424 over udp"}},
		{"more than RELP takes", func(s *syslog.Settings) { s.Address[0].Scheme, s.MaxMessageBytes = "relp", 1<<17+1 },
			[]string{"max_message_bytes: 131073 is out of range; write a size from 2KiB to 128KiB, the limits of rfc5424 over relp"}},
		{"framing where there is none", func(s *syslog.Settings) { s.Address[0].Scheme, s.Framing = "relp+tls", syslog.Newline },
			[]string{"framing: relp+tls has its own framing; remove the key"}},
		{"a rate below none", func(s *syslog.Settings) { s.Address[0].Scheme, s.Rate = "udp", -1 },
			[]string{"rate: -1 is negative; write 0 for no limit"}},
		{"no rate", func(s *syslog.Settings) { s.Address[0].Scheme, s.Rate = "udp", 0 }, nil},
		{"a rate where there is none", func(s *syslog.Settings) { s.Rate = 100 },
			[]string{"rate: tcp has no rate, since the receiver sets the pace; remove the key"}},
		{"TLS that is not spoken", func(s *syslog.Settings) { s.TLS.ServerName = "siem" },
			[]string{"tls: tcp://siem:514 is not encrypted; write an address with tls:// or relp+tls://, or remove the key"}},
	} {
		t.Run(tt.words, func(t *testing.T) {
			s := settings(t, "tcp://siem:514")
			tt.change(&s)
			var got []string
			for _, err := range s.Validate() {
				got = append(got, err.Error())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"tls://siem:6514":               "tls://siem:6514",
		"udp://10.0.0.1:514":            "udp://10.0.0.1:514",
		"relp+tls://[2001:db8::1]:2514": "relp+tls://[2001:db8::1]:2514",
		" relp://a:1 ,relp://b:2":       "relp://a:1, relp://b:2",
		"TLS://siem:6514":               "tls://siem:6514",
		"RELP+tls://siem:6514":          "relp+tls://siem:6514",
		"tcp://[fe80::1%25eth0]:514":    "tcp://[fe80::1%eth0]:514", // RFC 6874, section 2
		"tcp://[fe80::1%eth0]:514":      "tcp://[fe80::1%eth0]:514",
		"tcp://[fe80::1%25]:514":        "tcp://[fe80::1%25]:514", // the interface 25
		"":                              "is empty",
		"siem:6514":                     "has no scheme: it is one of udp://",
		"http://siem:80":                "has an unknown scheme: the known ones are udp://, tcp://, tls://, relp://, relp+tls://",
		"tcp://::1:514":                 "is an IPv6 address without its brackets",
		"tcp://my siem:514":             "has a blank in it",
		"tls://siem":                    "has no port",
		"tls://siem:0":                  "has no port",
		"tls://siem:65536":              "has no port",
		"tls://siem:port":               "has no port",
		"tls://:6514":                   "has no host",
		"tls://siem:6514/":              "more than",
		"tls://user@siem:6514":          "has a credential in it",
		"tls://siem:6514?x=1":           "more than",
		"tls://a:6514, tcp://b:514":     "have different schemes",
		"tls://a:6514,":                 "has a comma too many",
	} {
		var got syslog.Addresses
		if err := got.UnmarshalText([]byte(text)); err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: got error %v, want %q", text, err, want)
			}
		} else if got.String() != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestFacilities(t *testing.T) {
	for name, want := range map[string]syslog.Facility{"kern": 0, "authpriv": 10, "audit": 13, "local0": 16, "local7": 23} {
		var got syslog.Facility
		if err := got.UnmarshalText([]byte(name)); err != nil || got != want || got.String() != name {
			t.Errorf("%s: got %d (%s), %v, want %d", name, got, got, err, want)
		}
	}
	var f syslog.Facility
	if err := f.UnmarshalText([]byte("13")); err == nil || !strings.Contains(err.Error(), "write one of ") {
		t.Errorf("got %v for a number, want the list of names", err)
	}
}

// An address may contain a credential by mistake. No error quotes it.
func TestCredentialsInAnAddressAreNotQuoted(t *testing.T) {
	for _, text := range []string{
		"tls://user:topsecret@siem:6514", "tcp://topsecret@siem:514", "user:topsecret@siem:514", "relp://siem:2514/topsecret",
		"relp://siem:2514?token=topsecret", "tcp://siem:514#topsecret", "smtp://user:topsecret@siem:1", "tls://user:topsecret@siem", "tls://u%zz:topsecret@siem:1",
		"tcp://siem:514, tls://user:topsecret@siem:6514",
	} {
		err := new(syslog.Addresses).UnmarshalText([]byte(text))
		if err == nil || !strings.Contains(err.Error(), "write an address such as tls://siem.example.com:6514") || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: got %v, want an error that does not quote it", text, err)
		}
	}
}
