// Package echo removes secrets from the answers of a server or a proxy that they were
// sent to. Some servers repeat a request in the answer that refuses it, and that
// answer is shown in the log, in /readyz, on the console and by check.
//
// It finds a secret as it is, and in these forms: with all or some characters escaped,
// once or several times, as in JSON, a string of a programming language, a URL, HTML or
// quoted-printable; inside base64, alone or together with the rest of a header; and in
// hexadecimal digits. For a secret of eight characters or more it ignores the case of
// ASCII letters, and invisible text between characters: blanks, line ends, control and
// format characters, marks, bytes that are not UTF-8, and terminal sequences. It also
// finds a secret that becomes visible only after httpclient.Printable.
//
// It does not find base64 of base64, base32, hexadecimal digits with visible text
// between them, broken escapes, or a secret that is reversed, cut, or mixed with visible
// characters or tags, nor any other form that a server invents. A server that gets a
// secret has it: this package protects against servers that repeat a secret, not
// against those that hide it.
package echo

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// Filter removes the secrets that were sent. The zero Filter is ready to use. A Filter is
// safe for concurrent use.
type Filter struct {
	mu   sync.Mutex
	sent []secret // the latest last
	most int      // the most values of a call of Sent
}

// remembered is how many secrets a Filter knows besides those of the largest call of Sent. A
// late or cached answer may contain a secret that was rotated since.
const remembered = 32

const redacted = "[redacted]"

// Sent adds secrets. Call it before they are sent, once with all that the settings name: a
// Filter makes room for the largest call. It leaves out those with fewer than
// setting.LeastSecret bytes: a token such as "a" or "acme" would take words out of every
// message, and anybody can guess it. Whoever configures one is warned (setting.Secret.Short).
func (f *Filter) Sent(values ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.most = max(f.most, len(values))
	for _, value := range values {
		known := slices.IndexFunc(f.sent, func(s secret) bool { return s.value == value })
		switch {
		case len(value) < setting.LeastSecret:
			continue
		case known >= 0:
			again := f.sent[known]
			f.sent = append(slices.Delete(f.sent, known, known+1), again)
		default:
			f.sent = append(f.sent, newSecret(value))
		}
		f.sent = f.sent[max(0, len(f.sent)-f.most-remembered):]
	}
}

// Request adds the secret in a request's Authorization, which is all that follows the
// scheme, or in a header without a scheme the name, and the password of the proxy that the
// environment sets for the request. A secret may have colons in it.
func (f *Filter) Request(r *http.Request) {
	credential := r.Header.Get("Authorization")
	if at := strings.IndexAny(credential, " :"); at >= 0 {
		credential = credential[at+1:]
	}
	f.Sent(credential)
	if proxy, err := http.ProxyFromEnvironment(r); err == nil && proxy != nil && proxy.User != nil {
		password, _ := proxy.User.Password()
		f.Sent(password)
	}
}

// Most is how many bytes of a text are searched, since the time for a hostile text grows
// with its length.
const Most = 8 << 10

// ahead is how many bytes are searched before a cut, but not shown. An escape that
// starts before them is complete, and so is the sequence after one that means ESC.
const ahead = window

// Text returns text without the secrets. It cuts a text to Most bytes, and also removes
// a secret that the cut breaks. Call it before you shorten a text: it does not find half
// a secret.
func (f *Filter) Text(text string) string { return f.beginning(text, Most) }

func (f *Filter) beginning(text string, most int) string {
	v := view{text: text}
	if len(text) > most {
		v = view{text[:most], ahead}
	}
	f.mu.Lock()
	sent := slices.Clone(f.sent)
	f.mu.Unlock()
	// A secret that contains another goes first.
	slices.SortFunc(sent, func(a, b secret) int { return len(b.value) - len(a.value) })
	for _, s := range sent {
		v = s.redact(v)
	}
	return v.text[:len(v.text)-v.tail]
}

// Error returns err with the text that Text returns. errors.Is and errors.As still find
// the errors that err wraps.
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
