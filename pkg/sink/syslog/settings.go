package syslog

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Type is the sink type syslog.
var Type = sink.NewType("syslog", Settings{
	Protocol:        RFC5424,
	Framing:         OctetCounting,
	Facility:        audit,
	AppName:         "sluice",
	MaxMessageBytes: 8000,
	Settle:          setting.Duration(time.Second),
	Rate:            defaultRate,
}, open)

// Settings are the keys of a syslog sink.
type Settings struct {
	Address  Addresses `yaml:"address" required:"true" doc:"Receiver, as scheme://host:port, or several with commas between them, which are tried in their order. The scheme is udp, tcp, tls, relp or relp+tls, and the same for all."`
	Protocol string    `yaml:"protocol" values:"rfc5424|rfc3164" doc:"Form of the header."`
	Framing  string    `yaml:"framing" values:"octet-counting|newline" doc:"How messages are separated, with tcp and tls."`
	Facility Facility  `yaml:"facility" doc:"Facility of the messages, by which receivers route."`
	Hostname string    `yaml:"hostname" pattern:"^[!-~]{1,255}$" default:"the name of this machine, with rfc3164 up to its first dot" doc:"Host name in the header."`
	AppName  string    `yaml:"app_name" pattern:"^[!-9;-Z\\\\-~]{1,48}$" doc:"Name of the application in the header: 1 to 48 printable ASCII characters without spaces, : and [."`

	// 32473 is the number reserved for documentation (RFC 5612).
	SDID string `yaml:"sd_id" pattern:"^[!#-<>-?A-\\\\^-~]+@[0-9.]+$" default:"the first word of the source's dataset with 32473, such as acme@32473" doc:"Name of the structured data, with rfc5424: a name, @ and a private enterprise number, together up to 32 characters."`

	// Section 6.4 of RFC 5424 asks for a byte order mark. Receivers keep it as a part of
	// the text, so it is not the default.
	BOM bool `yaml:"bom" doc:"Put a byte order mark before the text as a sign of UTF-8, with rfc5424. Most receivers keep it, so that the text does not begin with CEF: or {."`

	// rsyslog's default limit is 8 KiB. It splits longer messages.
	MaxMessageBytes setting.Size `yaml:"max_message_bytes" least:"1024" doc:"Largest message with its header; the format shortens records that do not fit. At least 2KiB with rfc5424 and 1KiB with rfc3164. At most 65507 with udp, 128KiB with relp and relp+tls, 1MiB with tcp and tls."`

	Settle setting.Duration `yaml:"settle" doc:"How long a connection must last after a batch before the batch counts as delivered, with tcp and tls; 0s waits only for the receiver's kernel. With udp, how long to wait for an error of the network after the first batch. At most 1m."`
	Rate   int              `yaml:"rate" least:"0" doc:"Most datagrams that a lane sends in a second, with udp; 0 is no limit."`

	TLS setting.TLS `yaml:"tls" default:"the system's authorities" doc:"How TLS verifies the receiver, with tls and relp+tls."`
}

// Values of protocol and framing.
const (
	RFC5424       = "rfc5424"
	RFC3164       = "rfc3164"
	OctetCounting = "octet-counting"
	Newline       = "newline"
)

const (
	// Largest lengths of fields in a header (RFC 5424, section 6).
	maxHostname = 255
	maxAppName  = 48
	maxSDName   = 32

	maxSettle   = time.Minute
	defaultRate = 500
)

// Smallest and largest messages. The fields that identify an event need a few hundred
// bytes even in the shortest format, and the header of RFC 5424 can need as many.
const (
	leastMessage     = 1 << 10
	leastMessage5424 = 2 << 10
	mostInDatagram   = 65_535 - 20 - 8 // an IPv4 packet without the headers of IPv4 and UDP
	mostInRELP       = 128 << 10       // default of librelp's maxDataSize
	mostInStream     = 1 << 20         // the largest record of formats by default
)

// Validate reports every setting that is missing or invalid.
func (s *Settings) Validate() []error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, setting.Invalid(key, fmt.Errorf(format, args...)))
		}
	}
	protocols, framings := []string{RFC5424, RFC3164}, []string{OctetCounting, Newline}
	check(slices.Contains(protocols, s.Protocol), "protocol", "%q is unknown; write rfc5424 or rfc3164", s.Protocol)
	check(slices.Contains(framings, s.Framing), "framing", "%q is unknown; write octet-counting or newline", s.Framing)
	check(s.Hostname == "" || printable(s.Hostname, maxHostname), "hostname", "%q cannot be in a header; write 1 to %d printable ASCII characters without spaces", s.Hostname, maxHostname)
	check(validTag(s.AppName), "app_name", "%q cannot be in a header; write 1 to %d printable ASCII characters without spaces, ':' and '['", s.AppName, maxAppName)
	check(s.SDID == "" || validSDID(s.SDID), "sd_id", "%q names no structured data; write a name, @ and an enterprise number, such as acme@32473, of at most %d characters", s.SDID, maxSDName)
	check(!s.BOM || s.Protocol != RFC3164, "bom", "rfc3164 has no byte order mark; remove the key")
	check(s.Settle.Std() <= maxSettle, "settle", "%v is too long; write 1m or less", s.Settle)
	return append(errs, s.validateTransport()...)
}

func (s *Settings) validateTransport() []error {
	if len(s.Address) == 0 {
		return []error{setting.Invalid("address", errors.New("missing; write an address such as tls://siem.example.com:6514"))}
	}
	var errs []error
	first, most, least := s.Address[0], setting.Size(mostInStream), setting.Size(leastMessage)
	switch {
	case first.Scheme == udp:
		most = mostInDatagram
	case !first.stream():
		most = mostInRELP
	}
	if s.Protocol == RFC5424 {
		least = leastMessage5424
	}
	if s.MaxMessageBytes < least || s.MaxMessageBytes > most {
		errs = append(errs, setting.Invalid("max_message_bytes", fmt.Errorf("%s is out of range; write a size from %s to %s, the limits of %s over %s", s.MaxMessageBytes, least, most, s.Protocol, first.Scheme)))
	}
	if s.Framing == Newline && !first.stream() {
		errs = append(errs, setting.Invalid("framing", fmt.Errorf("%s has its own framing; remove the key", first.Scheme)))
	}
	if s.Rate < 0 {
		errs = append(errs, setting.Invalid("rate", fmt.Errorf("%d is negative; write 0 for no limit", s.Rate)))
	}
	if s.Rate != defaultRate && first.Scheme != udp {
		errs = append(errs, setting.Invalid("rate", fmt.Errorf("%s has no rate, since the receiver sets the pace; remove the key", first.Scheme)))
	}
	if s.TLS != (setting.TLS{}) && !first.encrypted() {
		errs = append(errs, setting.Invalid("tls", fmt.Errorf("%s is not encrypted; write an address with tls:// or relp+tls://, or remove the key", first)))
	}
	return errs
}

func validTag(s string) bool { return printable(s, maxAppName) && !strings.ContainsAny(s, ":[") }

// validSDID reports whether s is a private SD-ID (RFC 5424, section 6.3.2).
func validSDID(s string) bool {
	name, number, found := strings.Cut(s, "@")
	return found && printable(s, maxSDName) && name != "" && number != "" &&
		!strings.ContainsAny(name, `=]"`) && strings.Trim(number, ".0123456789") == ""
}

// printable reports whether s is 1 to most characters that are allowed in a header.
func printable(s string, most int) bool {
	for i := range len(s) {
		if !isPrintable(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= most
}

// isPrintable reports whether c is PRINTUSASCII (RFC 5424, section 6).
func isPrintable(c byte) bool { return c > ' ' && c <= '~' }

// hostname returns the header's HOSTNAME. RFC 3164 requires it without a domain
// (section 4.1.2).
func (s *Settings) hostname() (string, error) {
	if s.Hostname != "" {
		return s.Hostname, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", sink.Hint(fmt.Errorf("getting the name of this machine: %w", err), "set hostname")
	}
	if s.Protocol == RFC3164 {
		name, _, _ = strings.Cut(name, ".")
	}
	if !printable(name, maxHostname) {
		return "", sink.Hint(fmt.Errorf("the name of this machine, %q, is not allowed in a header", name), "set hostname")
	}
	return name, nil
}

// Questions implements setting.Asker.
func (s *Settings) Questions() []setting.Question {
	return []setting.Question{{Key: "address", Text: "Receiver, such as relp://siem:2514, tls://siem:6514 or tcp://siem:601"}}
}

// Destination implements setting.Destination.
func (s *Settings) Destination() string {
	list := make([]string, len(s.Address))
	for i, a := range s.Address {
		list[i] = a.String()
	}
	return strings.Join(list, ", ")
}

// Export implements sink.Exportable.
func (*Settings) Export() string {
	return "name the files that the receiver writes, with or without headers of syslog, or an export of the SIEM behind it"
}
