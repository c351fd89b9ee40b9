// Package hostport reads a host and a port as people write them, and says what is wrong
// otherwise. Its errors show nothing of the text, which may be a misplaced secret.
package hostport

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
)

// Split returns the two parts of host:port. Either may be empty. The error says what is
// wrong; the caller adds what to write.
func Split(text string) (host, port string, err error) {
	if inner, found := strings.CutPrefix(text, "["); found && strings.HasSuffix(inner, "]") {
		if _, err := netip.ParseAddr(strings.TrimSuffix(inner, "]")); err == nil {
			return strings.TrimSuffix(inner, "]"), "", nil
		}
	}
	if flaw := flaw(text); flaw != "" {
		return "", "", errors.New(flaw)
	}
	if !strings.Contains(text, ":") {
		return text, "", nil
	}
	if host, port, err = net.SplitHostPort(text); err != nil {
		return "", "", errors.New("is not host:port")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil && port != "" {
		return "", "", errors.New("has no port from 1 to 65535 behind its last colon")
	}
	return host, port, nil
}

// flaw returns what is wrong with a text as a whole.
func flaw(text string) string {
	odd := glyph.In(text)
	switch {
	case strings.Contains(text, "://"):
		return "begins with a scheme"
	case strings.Contains(text, "@"):
		return "has a credential in it"
	case strings.ContainsAny(text, "/?#"):
		return "has more than a host and a port"
	case strings.Contains(text, ","):
		return "names more than one address"
	case odd != "":
		return "has " + odd + " in it"
	case strings.Contains(text, " "):
		return "has a blank in it"
	case strings.Count(text, ":") > 1 && !strings.HasPrefix(text, "["):
		return "is an IPv6 address without its brackets, as in [::1], or has a colon too many"
	}
	return ""
}
