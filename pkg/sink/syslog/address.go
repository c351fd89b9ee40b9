package syslog

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/hostport"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// Address is where a receiver listens.
type Address struct {
	Scheme string // udp, tcp, tls, relp or relp+tls
	Host   string // host:port, for net.Dial
}

func (a Address) String() string { return a.Scheme + "://" + a.Host }

// The transports.
const (
	udp     = "udp"
	tcp     = "tcp"
	tcpTLS  = "tls"
	relpTCP = "relp"
	relpTLS = "relp+tls"
)

var schemes = []string{udp, tcp, tcpTLS, relpTCP, relpTLS}

func (a Address) encrypted() bool { return a.Scheme == tcpTLS || a.Scheme == relpTLS }

// unencrypted returns the same address without TLS.
func (a Address) unencrypted() Address {
	switch a.Scheme {
	case tcpTLS:
		a.Scheme = tcp
	case relpTLS:
		a.Scheme = relpTCP
	}
	return a
}

// withTLS returns the same address with TLS.
func (a Address) withTLS() Address {
	switch a.Scheme {
	case tcp:
		a.Scheme = tcpTLS
	case relpTCP:
		a.Scheme = relpTLS
	}
	return a
}

// stream reports whether only framing separates messages.
func (a Address) stream() bool { return a.Scheme == tcp || a.Scheme == tcpTLS }

// Addresses are tried in their order. They share a scheme, since the sink's guarantee
// depends on it.
type Addresses []Address

// Form implements setting.Formed.
func (Addresses) Form() setting.Form {
	const address = `([Uu][Dd][Pp]|[Tt][Cc][Pp]|[Tt][Ll][Ss]|[Rr][Ee][Ll][Pp](\+[Tt][Ll][Ss])?)://([^\[\]/?#@:, ]+|\[[^\[\]/?#@, ]+\]):[0-9]{1,5}`
	return setting.Form{Name: "addresses", Pattern: "^ *" + address + "( *, *" + address + ")* *$"}
}

// UnmarshalText parses one address, or several separated by commas.
func (l *Addresses) UnmarshalText(text []byte) error {
	var list Addresses
	for part := range strings.SplitSeq(string(text), ",") {
		a, err := parseAddress(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		if len(list) > 0 && a.Scheme != list[0].Scheme {
			return fmt.Errorf("%s and %s have different schemes; configure a second sink for %[2]s", list[0], a)
		}
		list = append(list, a)
	}
	*l = list
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (l Addresses) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

func (l Addresses) String() string {
	texts := make([]string, len(l))
	for i, a := range l {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// parseAddress shows nothing of the text in errors, since it may hold a credential.
func parseAddress(text string) (Address, error) {
	bad := func(why string) (Address, error) {
		return Address{}, errors.New(why + "; write an address such as tls://siem.example.com:6514")
	}
	scheme, rest, found := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme) // RFC 3986, section 3.1
	host, port, err := hostport.Split(rest)
	switch {
	case text == "":
		return bad("is empty, or has a comma too many")
	case !found:
		return bad("has no scheme: it is one of " + strings.Join(schemes, "://, ") + "://")
	case !slices.Contains(schemes, scheme):
		return bad("has an unknown scheme: the known ones are " + strings.Join(schemes, "://, ") + "://")
	case strings.Contains(rest, "@"):
		return bad("has a credential in it, which syslog does not support")
	case err != nil:
		return bad(err.Error())
	case host == "":
		return bad("has no host")
	case port == "" || port == "0":
		return bad("has no port")
	}
	return Address{Scheme: scheme, Host: net.JoinHostPort(withZone(host), port)}, nil
}

// withZone decodes the percent sign before the zone of an IPv6 address, which a URI writes as
// %25 (RFC 6874, section 2).
func withZone(host string) string {
	ip, zone, found := strings.Cut(host, "%25")
	if !found || zone == "" {
		return host
	}
	return ip + "%" + zone
}
