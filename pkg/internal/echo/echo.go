// Package echo takes out of what a server or a proxy says the secrets that were
// sent to it. Some repeat a request in the answer that refuses it, and that answer
// goes into the log, to /readyz, the status page and check.
//
// A secret is found as it is, and in the forms in which it comes back: with
// characters escaped as in JSON, a language's string, an address, HTML or
// quoted-printable, all or some of them, once or several times over; inside base64,
// alone or with what stood beside it in a header; and in hexadecimal digits. Except
// for one shorter than eight characters, letters of ASCII are compared without their
// case, and whatever shows nothing may stand between characters: blanks, ends of
// lines, control and format characters, marks, bytes that are not UTF-8, and
// sequences that drive a terminal. A secret that shows only after
// httpclient.Printable is found before it, too.
//
// Not found are base64 of base64, base32, hexadecimal digits with anything that shows
// between them, an escape that something breaks, a secret reversed, cut or spread with visible characters or tags, and
// whatever else a server makes up. A server that is sent a secret has it: this
// protects from those that repeat it, not from those that hide it.
package echo

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Filter knows what was sent. The zero Filter knows nothing; it is safe for
// concurrent use.
type Filter struct {
	mu   sync.Mutex
	sent []secret // the latest last
}

// remembered is how many secrets a Filter knows: a late or cached answer can be
// about one that was rotated since.
const remembered = 16

const redacted = "[redacted]"

// Sent notes secrets before they are sent.
func (f *Filter) Sent(values ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, value := range values {
		known := slices.IndexFunc(f.sent, func(s secret) bool { return s.value == value })
		switch {
		case value == "":
			continue
		case known >= 0:
			again := f.sent[known]
			f.sent = append(slices.Delete(f.sent, known, known+1), again)
		default:
			f.sent = append(f.sent, newSecret(value))
		}
		f.sent = f.sent[max(0, len(f.sent)-remembered):]
	}
}

// Request notes the secret in a request's Authorization, whatever stands before it,
// and the password of the proxy that the environment names for it.
func (f *Filter) Request(r *http.Request) {
	credential := r.Header.Get("Authorization")
	if at := strings.LastIndexAny(credential, " :"); at >= 0 {
		credential = credential[at+1:]
	}
	f.Sent(credential)
	if proxy, err := http.ProxyFromEnvironment(r); err == nil && proxy != nil && proxy.User != nil {
		password, _ := proxy.User.Password()
		f.Sent(password)
	}
}

// Text returns text without what was sent. It must be asked before a text is
// shortened: half a secret is not found.
func (f *Filter) Text(text string) string {
	f.mu.Lock()
	sent := slices.Clone(f.sent)
	f.mu.Unlock()
	// A secret that contains another goes first.
	slices.SortFunc(sent, func(a, b secret) int { return len(b.value) - len(a.value) })
	for _, s := range sent {
		text = s.redact(text)
	}
	return text
}

// Error returns err, whose text is without what was sent. What it wraps stays
// there for errors.Is and errors.As.
func (f *Filter) Error(err error) error {
	if err == nil {
		return nil
	}
	text := f.Text(err.Error())
	if text == err.Error() {
		return err
	}
	return &clean{text, err}
}

type clean struct {
	text string
	err  error
}

func (c *clean) Error() string { return c.text }
func (c *clean) Unwrap() error { return c.err }
