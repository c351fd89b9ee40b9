// Package httpclient is what those of our packages that speak HTTP have in common:
// how they judge an address that a token is going to be sent to, how long they
// leave a server alone that asks for it, and what they show of its answers. What
// an answer means is for each of them to say, and so is how it is asked for.
package httpclient

import (
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

// maxRetryAfter is how long a server is believed to want to be left alone.
const maxRetryAfter = time.Hour

// RetryAfter reads the header of that name (RFC 9110, section 10.2.3), seconds or a
// date, up to an hour. It is 0 where there is none that can be read.
func RetryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(0, seconds), int(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, time.Until(at)), maxRetryAfter)
	}
	return 0
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
