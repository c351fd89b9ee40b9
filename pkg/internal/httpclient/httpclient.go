// Package httpclient is what those of our packages that speak HTTP have in common:
// how they judge an address that a token is going to be sent to, how long they
// leave a server alone that asks for it, and what they show of its answers. What
// an answer means is for each of them to say, and so is how it is asked for.
package httpclient

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// CheckURL wants scheme and host, such as the example, and plain http only to this
// machine or where that is allowed by name. It shows no more of a URL than those:
// what else stands there may be a credential.
func CheckURL(text, example string, allowHTTP bool) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("is not scheme and host, such as %s", example)
	}
	host := u.Scheme + "://" + u.Host
	switch {
	case u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("has more than scheme and host; write %s", host)
	case u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()):
		return fmt.Errorf("%s would send the token in clear text; use https, or set allow_http: true", host)
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && net.IP(ip.AsSlice()).IsLoopback()
}

// MaxRetryAfter is the longest pause that a server is granted. A larger
// Retry-After would keep events from the SIEM for hours after the server has
// recovered, and one request a minute is no burden for any server.
const MaxRetryAfter = time.Minute

// minRetryAfter is the pause where the server says that none is needed.
const minRetryAfter = time.Second

// RetryAfter reads the header of that name (RFC 9110, section 10.2.3): seconds, or
// a date in one of the three forms of HTTP, which is compared with the server's own
// Date. The pause is at least a second and at most MaxRetryAfter. It is 0 where
// there is no header that can be read.
func RetryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	seconds, err := strconv.ParseUint(value, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return max(minRetryAfter, time.Duration(min(seconds, uint64(MaxRetryAfter/time.Second)))*time.Second)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(minRetryAfter, at.Sub(now)), MaxRetryAfter)
}

// Printable bounds a text to so many characters, and leaves out what could drive a
// terminal.
func Printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, " "))
	return fmt.Sprintf("%.*s", most, strings.TrimSpace(text))
}
