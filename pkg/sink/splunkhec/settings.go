package splunkhec

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Type is the sink type splunk_hec.
var Type = sink.NewType("splunk_hec", Settings{
	Source:           "sluice",
	AuthScheme:       schemeSplunk,
	Ack:              ackAuto,
	AckTimeout:       setting.Duration(5 * time.Minute),
	Compression:      "gzip",
	MaxRequestBytes:  1_000_000,
	MaxRequestEvents: 500,
}, open)

// Settings are the keys of a splunk_hec sink.
type Settings struct {
	URL        string         `yaml:"url" required:"true" pattern:"^[Hh][Tt][Tt][Pp][Ss]?://([^\\[\\]/?#@:, ]+|\\[[^\\[\\]/?#@, ]+\\])(:[0-9]{1,5})?(/[^?# ]*)?$" doc:"Address of HTTP Event Collector (HEC): scheme, host and port, such as https://splunk:8088. With a path it is where the receiver takes events, such as https://siem/services/collector."`
	Token      setting.Secret `yaml:"token" required:"true" pattern:"^[!-~]+$" doc:"Token of an HTTP Event Collector input. It is read again for each request."`
	AuthScheme string         `yaml:"auth_scheme" values:"Splunk|Bearer" doc:"Scheme of the header Authorization. CrowdStrike needs Bearer."`

	Index      string `yaml:"index" default:"the index of the token" doc:"Index for the events."`
	Host       string `yaml:"host" default:"the name of this machine" doc:"Field host of the events."`
	Source     string `yaml:"source" doc:"Field source of the events."`
	Sourcetype string `yaml:"sourcetype" default:"the dataset of the source with a colon, such as acme:audit" doc:"Field sourcetype of the events."`

	Ack        string           `yaml:"ack" values:"auto|required|off" doc:"Indexer acknowledgement. auto uses it if the token has it. With off, events count as delivered once they are in Splunk's memory."`
	AckTimeout setting.Duration `yaml:"ack_timeout" doc:"Events that are not acknowledged for this long are sent again. At least 3m."`

	Compression      string       `yaml:"compression" values:"gzip|none" doc:"Compression of requests."`
	MaxRequestBytes  setting.Size `yaml:"max_request_bytes" least:"65536" doc:"Largest request before compression, from 64KiB to 800MiB."`
	MaxRequestEvents int          `yaml:"max_request_events" least:"1" doc:"Most events in a request."`

	AllowHTTP bool        `yaml:"allow_http" doc:"Send the token in clear text to a host that is not loopback, with an address that begins with http://."`
	TLS       setting.TLS `yaml:"tls" default:"the system's authorities" doc:"How TLS verifies the server, with an address that begins with https://."`
}

const exampleURL = "https://splunk.example.com:8088"

// Values of auth_scheme.
const (
	schemeSplunk = "Splunk"
	schemeBearer = "Bearer" // RFC 6750
)

// Values of ack.
const (
	ackAuto     = "auto"
	ackRequired = "required"
	ackOff      = "off"
)

const (
	// minAckTimeout is the least ack_timeout. A mostly idle indexer acknowledges its
	// last events only after two minutes (splunk/kafka-connect-splunk#122).
	minAckTimeout = 3 * time.Minute

	minRequestBytes = 64 << 10
	// maxRequestBytes is the default of max_content_length in the [http_input] stanza
	// of limits.conf.
	maxRequestBytes = 838_860_800
)

// WithoutOriginal implements sink.WithoutOriginal. Splunk extracts fields only from
// the first 10,240 characters of an event ([kv] maxchars in limits.conf), and spath
// from the first 5,000; a copy of the original event would use them up.
func (Settings) WithoutOriginal() {}

// peer describes the server to people. A new installation of Splunk signs its certificate
// itself; the authority is that of caCertFile in server.conf.
func (s *Settings) peer() setting.Peer {
	p := setting.Peer{
		Name: "server", Address: addressesOf(s.URL).shown,
		Plain:     "write http:// in url (and allow_http: true, since the token then crosses the network in clear text)",
		Encrypted: "write https:// in url",
		Authority: "the private authority of a new Splunk is $SPLUNK_HOME/etc/auth/cacert.pem there",
	}
	if strings.HasPrefix(s.URL, "https:") {
		p.TLS = &s.TLS
	}
	return p
}

// Validate reports every setting that is missing or invalid.
func (s *Settings) Validate() []error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, setting.Invalid(key, fmt.Errorf(format, args...)))
		}
	}
	if s.URL == "" {
		check(false, "url", "missing; write scheme, host and port of HEC, such as %s", exampleURL)
	} else if err := checkURL(s.URL, s.AllowHTTP); err != nil {
		errs = append(errs, setting.Invalid("url", err))
	}
	check(s.Token.IsSet(), "token", "missing; write the token of an HTTP Event Collector input, as token or token_file")
	check(s.AuthScheme == schemeSplunk || s.AuthScheme == schemeBearer, "auth_scheme", "%q is unknown; write Splunk or Bearer", s.AuthScheme)
	if err := s.Token.CheckToken(); err != nil {
		errs = append(errs, setting.Invalid("token", err))
	}
	check(s.Ack == ackAuto || s.Ack == ackRequired || s.Ack == ackOff, "ack", "%q is unknown; write auto, required or off", s.Ack)
	check(s.AckTimeout.Std() >= minAckTimeout, "ack_timeout",
		"%s is too short; write 3m or more, since a mostly idle indexer needs two minutes", s.AckTimeout)
	check(s.Compression == "gzip" || s.Compression == "none", "compression", "%q is unknown; write gzip or none", s.Compression)
	check(s.MaxRequestBytes >= minRequestBytes && s.MaxRequestBytes <= maxRequestBytes, "max_request_bytes",
		"%s is out of range; write a size from %s to %s", s.MaxRequestBytes, setting.Size(minRequestBytes), setting.Size(maxRequestBytes))
	check(s.MaxRequestEvents > 0, "max_request_events", "is %d; write a number of 1 or more", s.MaxRequestEvents)
	return errs
}

// Questions implements setting.Asker.
func (s *Settings) Questions() []setting.Question {
	return []setting.Question{
		{Key: "url", Text: "Address of HTTP Event Collector, such as https://splunk:8088"},
		{Key: "token", Text: "Its token", Secret: true},
	}
}

// Destination implements setting.Destination.
func (s *Settings) Destination() string {
	shown := addressesOf(s.URL).shown
	if s.Index != "" {
		shown += ", index " + s.Index
	}
	return shown
}

// Rotation is that of the secret which requests carry.
func (s *Settings) Rotation() *setting.Rotation { return s.Token.Rotation() }

// SentTo implements setting.Rotating.
func (s *Settings) SentTo() string { return s.URL }
