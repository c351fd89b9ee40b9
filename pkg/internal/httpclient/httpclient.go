// Package httpclient holds what HTTP clients of this module share: the check of a URL
// that a token is sent to, the pause that a server asks for, and the excerpt of an
// answer that errors show. Each client makes its own requests and decides what the
// answers mean.
package httpclient

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/internal/hostport"
)

// CheckURL checks that a URL has only scheme and host, such as the example. It allows
// http only for a loopback host or with allowHTTP. Its errors show only scheme and
// host, since the rest may be a credential.
func CheckURL(text, example string, allowHTTP bool) error {
	if err := checkHost(text); err != nil {
		return fmt.Errorf("%w; write an address such as %s", err, example)
	}
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("is not a scheme and a host; write an address such as %s", example)
	}
	host := Origin(u)
	switch {
	case u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("has more than a scheme and a host; write %s", host)
	case u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()):
		return fmt.Errorf("%s would send the token in clear text; use https, or set allow_http: true", host)
	}
	return nil
}

// Origin returns scheme, host and port of a URL, in the form of a URL: the zone of an IPv6
// address is escaped (RFC 6874, section 2).
func Origin(u *url.URL) string { return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String() }

// checkHost checks the scheme, the host and the port of a URL. A parser of URLs does not
// say what is wrong with them.
func checkHost(text string) error {
	scheme, rest, found := strings.Cut(text, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	authority := rest[strings.LastIndex(rest, "@")+1:]
	host, port, err := hostport.Split(authority)
	switch {
	case text == "":
		return errors.New("is empty")
	case !found:
		return errors.New("has no scheme")
	case !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http"): // RFC 3986, section 3.1
		return errors.New("has a scheme other than https://")
	case err != nil:
		return err
	case host == "":
		return errors.New("has no host")
	case port == "0":
		return errors.New("has port 0")
	}
	return nil
}

// Loopback reports whether a URL leads to this machine, where simulators are.
func Loopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && loopback(u.Hostname())
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && net.IP(ip.AsSlice()).IsLoopback()
}

// MaxRetryAfter is the longest pause. A longer Retry-After would keep events from the
// SIEM for hours after the server has recovered, and one request a minute burdens no
// server.
const MaxRetryAfter = time.Minute

// minRetryAfter is the shortest pause, also if the server asks for none.
const minRetryAfter = time.Second

// RetryAfter returns the pause of the header Retry-After (RFC 9110, section 10.2.3). Its
// value is in seconds, or a date in one of the three forms of HTTP, which is compared
// with the server's own Date. The pause is at least a second and at most MaxRetryAfter.
// It is 0 if the header is missing or invalid.
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

// Excerpt returns the start of an answer's text for people: at most that many
// characters, without the secrets that were sent. For a page of HTML it returns "HTML", with
// the page's title.
func Excerpt(text string, sent *echo.Filter, most int) string {
	// Leading blanks, which Printable removes, must not use up the bytes that a Filter
	// reads. Enough of a long text stays for the Filter to see that it is long.
	begin := text[:min(len(text), echo.Most)]
	shows := strings.TrimLeftFunc(begin, func(r rune) bool { return r == utf8.RuneError || blank(r) })
	text = text[len(begin)-len(shows):]
	page := strings.HasPrefix(text, "<")
	text = sent.Text(text)
	if !page {
		return Printable(text, most)
	}
	if found := title.FindStringSubmatch(text); found != nil {
		return Printable("HTML: "+found[1], most)
	}
	return "HTML"
}

// title finds the title of a page, if that is text without escapes.
var title = regexp.MustCompile(`(?i)<title>\s*([^<>&]*[^<>&\s])\s*</title>`)

// Printable cuts a text to at most that many characters, and replaces characters that
// could drive a terminal with blanks.
func Printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if blank(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	return fmt.Sprintf("%.*s", most, strings.TrimSpace(text))
}

// blank reports whether Printable shows a character as a blank.
func blank(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }
