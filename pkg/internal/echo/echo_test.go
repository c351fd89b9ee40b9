package echo_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// each encodes every character of a text in the same way.
func each(text, format string) string {
	var out strings.Builder
	for _, r := range text {
		fmt.Fprintf(&out, format, r)
	}
	return out.String()
}

// bytewise encodes every byte of a text in the same way.
func bytewise(text, format string) string {
	var out strings.Builder
	for _, b := range []byte(text) {
		fmt.Fprintf(&out, format, b)
	}
	return out.String()
}

func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // of a string
	}
	return string(b)
}

// lines breaks a text into lines of that many characters.
func lines(text string, size int, end string) string {
	var out strings.Builder
	for ; len(text) > size; text = text[size:] {
		out.WriteString(text[:size] + end)
	}
	return out.String() + text
}

// spread inserts a text between the characters of another.
func spread(text, between string) string { return strings.Join(strings.Split(text, ""), between) }

// swapped swaps the case of every ASCII letter.
func swapped(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r ^ 0x20
		}
		return r
	}, text)
}

// longForms are forms in which only a secret of eight characters or more is found.
func longForms(token string) map[string]string {
	all := map[string]string{
		"hexadecimal":            hex.EncodeToString([]byte(token)),
		"upper hexadecimal":      strings.ToUpper(hex.EncodeToString([]byte(token))),
		"hexadecimal, spaced":    bytewise(token, "%02x "),
		"hexadecimal, header":    hex.EncodeToString([]byte("Bearer " + token)),
		"other case":             swapped(token),
		"other case, escaped":    each(swapped(token), `\u%04x`),
		"in percents, spread":    bytewise(spread(token, "\x00"), "%%%02X"),
		"a line each":            quoted(spread(token, "\n")),
		"quoted-printable, soft": lines(bytewise(token, "=%02X"), 6, "=\r\n"),
		"spread by the longest":  spread(token, "&#"+strings.Repeat("0", 35)+"92;u{0001b}["+strings.Repeat("1", 46)+"m"),
	}
	for _, between := range []string{" ", "\x00", "\n", "\r\n", "\t", "\u00a0", "\u00ad", "\u034f", "\u200b", "\u200d\u2060", "\u202e", "\u2028", "\u3000", "\ufe0f",
		"\ufeff", "\ufffd", "\U000e0041", "\ue000", "\x7f", "\x80", "\xff\xfe", "\xe2\x80", "\x1b[31m", "\x1b[0;1;38;5;196m", "\u009b1m", "\x1b",
		`\n`, `\r\n`, `\u200b`, `\u0000`, `\0`, `\x00`, `\u001b[31m`, `\x1b[1m`, "%00", "%0A", "%20", "%E2%80%8B", `\xe2\x80\x8b`, "&#8203;", "&shy;", "&nbsp;", "=00", "=\r\n", "=E2=80=8B", "\\\n"} {
		all[fmt.Sprintf("spread by %q", between)] = spread(token, between)
	}
	for _, header := range []string{token, "Bearer " + token, "id:" + token} {
		std := base64.StdEncoding.EncodeToString([]byte(header))
		for _, size := range []int{8, 76} {
			all[fmt.Sprintf("base64 in lines of %d of %s", size, header)] = lines(std, size, "\r\n")
			all[fmt.Sprintf("base64 in lines of %d in JSON of %s", size, header)] = lines(std, size, `\n`)
		}
		all["base64 in upper case of "+header] = strings.ToUpper(std)
		all["base64 spread of "+header] = spread(std, "\u200b")
	}
	return all
}

// forms are the forms in which a server returns a token and its header.
func forms(token string) map[string]string {
	slashes := strings.ReplaceAll(token, "/", `\/`)
	all := map[string]string{
		"as it is":               token,
		"JSON":                   quoted(token),
		"JSON twice":             quoted(quoted(token)),
		"slashes escaped":        slashes,
		"hyphens escaped":        strings.ReplaceAll(slashes, "-", `\u002d`),
		"hyphens escaped twice":  strings.ReplaceAll(slashes, "-", `\\u002D`),
		"all in JSON's escapes":  each(token, `\u%04x`),
		"all in hexadecimal":     bytewise(token, `\x%02X`),
		"some in JSON's":         token[:1] + each(token[1:3], `\u%04X`) + token[3:],
		"a query":                url.QueryEscape(token),
		"a query twice":          url.QueryEscape(url.QueryEscape(token)),
		"a path":                 url.PathEscape(token),
		"all in percents":        bytewise(token, "%%%02x"),
		"HTML":                   html.EscapeString(token),
		"all in references":      each(token, "&#%d;"),
		"all in hex references":  each(token, "&#x%X;"),
		"a query in JSON":        quoted(url.QueryEscape(token)),
		"JavaScript's escape":    each(token, "%%u%04x"),
		"braces":                 each(token, `\u{%x}`),
		"braces with zeros":      each(token, `\u{%06X}`),
		"octal":                  bytewise(token, `\%03o`),
		"octal twice":            bytewise(token, `\\%03o`),
		"quoted-printable":       bytewise(token, "=%02X"),
		"quoted-printable, some": token[:1] + bytewise(token[1:3], "=%02x") + token[3:],
		"references with zeros":  each(token, "&#%020d;"),
		"hex with zeros":         each(token, "&#x%020x;"),
	}
	for _, header := range []string{token, "id:" + token, "user12:" + token, "Bearer " + token, "Splunk " + token, "x" + token + "\r\nHost: a"} {
		std := base64.StdEncoding.EncodeToString([]byte(header))
		all["base64 of "+header] = std
		all["base64 without padding of "+header] = base64.RawStdEncoding.EncodeToString([]byte(header))
		all["base64 for addresses of "+header] = base64.URLEncoding.EncodeToString([]byte(header))
		all["base64 in JSON of "+header] = strings.ReplaceAll(strings.ReplaceAll(std, "/", `\/`), "+", `\u002b`)
		all["base64 in an address of "+header] = url.QueryEscape(std)
	}
	return all
}

var tokens = []string{
	"pscale_tkn_abc-DEF/ghi+jkl==", "11111111-2222-3333-4444-555555555555", `quo"te\back&amp<x>%41é`, "canary-secret/42", "123456",
}

func TestEveryFormIsRedacted(t *testing.T) {
	for _, token := range tokens {
		var f echo.Filter
		f.Sent(token)
		all := forms(token)
		if len(token) >= 8 {
			maps.Copy(all, longForms(token))
		}
		for name, form := range all {
			t.Run(name, func(t *testing.T) {
				text := "refused: <" + form + "> was sent"
				got := f.Text(text)
				if !strings.Contains(got, "[redacted]") || !strings.HasPrefix(got, "refused: <") || !strings.HasSuffix(got, "> was sent") {
					t.Errorf("%q: got %q", text, got)
				}
				if strings.Contains(got, form) || strings.Contains(got, token) {
					t.Errorf("got %q, which still has it", got)
				}
				shown := strings.ToLower(strings.ReplaceAll(httpclient.Printable(got, 1000), " ", ""))
				for at := range len(token) - 3 {
					if part := strings.ToLower(token[at : at+4]); strings.Contains(shown, part) {
						t.Errorf("shows %q, which has %q", shown, part)
					}
				}
			})
		}
	}
}

// A text is cut at each byte of a secret, and of the text before and after it.
func TestASecretThatTheCutBreaks(t *testing.T) {
	const token, most = "canary-secret/42", 160
	var f echo.Filter
	f.Sent(token)
	all := forms(token)
	maps.Copy(all, longForms(token))
	for name, form := range all {
		header := strings.HasPrefix(name, "base64") && !strings.HasSuffix(name, " of "+token)
		if header || f.Text("."+form+".") != ".[redacted]." {
			continue // It has more than the secret.
		}
		for _, before := range []string{".", "\x00"} {
			for at := max(0, most-echo.Ahead-len(form)-2); at < most+2; at++ {
				got := f.Beginning(strings.Repeat(before, at)+form+strings.Repeat(".", most), most)
				shown := strings.TrimLeft(got, before)
				if shown = strings.TrimPrefix(shown, "[redacted]"); strings.Trim(shown, ".") != "" {
					t.Errorf("%s behind %d bytes of %q: got %q of it", name, at, before, shown)
				}
			}
		}
	}
}

func TestALongTextIsCut(t *testing.T) {
	var f echo.Filter
	f.Sent("canary-secret/42")
	for _, unit := range []string{"x", "\x00", `\x00`, "\u200b", "[31m", "%00", "Y"} {
		err := f.Error(errors.New("bad canary-secret/42: c" + strings.Repeat(unit, 16<<20/len(unit))))
		if got := err.Error(); !strings.HasPrefix(got, "bad [redacted]: ") || len(got) > echo.Most {
			t.Errorf("%q: got %d bytes, %.30q", unit, len(got), got)
		}
	}
	text := strings.Repeat("x", 2*echo.Most)
	if got := f.Text(text); len(got) < echo.Most-100 || !strings.HasPrefix(text, got) {
		t.Errorf("got %d bytes, want nearly %d", len(got), echo.Most)
	}
}

// Any character that Printable turns into a blank may be between the characters of a
// secret.
func TestNothingHidesFromPrintable(t *testing.T) {
	const token = "canary-secret/42"
	var f echo.Filter
	f.Sent(token)
	for _, table := range []*unicode.RangeTable{unicode.C, unicode.Z} {
		for _, r := range table.R16 {
			for _, c := range []rune{rune(r.Lo), rune(r.Hi)} {
				text := "<" + spread(token, string(c)) + ">"
				if got, want := f.Text(text), "<[redacted]>"; got != want {
					t.Errorf("%U: got %q, want %q", c, got, want)
				}
			}
		}
	}
}

func TestBlanksAroundASecretStay(t *testing.T) {
	var f echo.Filter
	f.Sent("canary-secret/42")
	for _, blank := range []string{" ", "\n ", "\u200b", "\x1b[31m", `\n`, "%20"} {
		if got, want := f.Text("refused:"+blank+"canary-secret/42"+blank+"."), "refused:"+blank+"[redacted]"+blank+"."; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A short secret is found only as it is or escaped: ordinary text may have its letters
// with blanks between them.
func TestShortSecretIsFoundExactly(t *testing.T) {
	var f echo.Filter
	f.Sent("Tok 12", "abcdefg", "        a")
	for _, text := range []string{"tok 12", "Tok12", "To k 12", "ABCDEFG", "abc defg", "abc\ndefg", "61626364656667", "a b c d"} {
		if got := f.Text(text); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	if got, want := f.Text("<Tok 12> <abcdefg>"), "<[redacted]> <[redacted]>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A token of a simulator is no reason to take words out of messages.
func TestATooShortSecretTakesNothingOut(t *testing.T) {
	var f echo.Filter
	f.Sent("a", "acme", "token")
	r, err := http.NewRequest(http.MethodGet, "https://api.example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer any")
	f.Request(r)
	const text = "organization acme: any token is refused"
	if got := f.Text(text); got != text {
		t.Errorf("got %q, want %q", got, text)
	}
	f.Sent("tokens")
	if got, want := f.Text("tokens"), "[redacted]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOtherTextStays(t *testing.T) {
	var f echo.Filter
	if got, want := f.Text("nothing was sent"), "nothing was sent"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	f.Sent("", "canary-secret/42")
	for _, text := range []string{"", "canary-secret/4", `\`, "%", "%4", "&", "&#", `\u00`, `\u{`, `\u{}`, `\u{63`, `\9`, "=", "=4", "=\r\n", "%u00", "a canary and a secret / 42", "CANARY", " \n\x1b[", "\x1b[31m\u009b", "63616e617279", "é\xff%zz&nope;", "Y2FuYXJ5", strings.Repeat("%25", 1000)} {
		if got := f.Text(text); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
}

// After a rotation an answer may still contain the old secret.
func TestOldSecretsAreRemembered(t *testing.T) {
	var f echo.Filter
	for i := range 5 {
		f.Sent(fmt.Sprintf("secret-number-%d", i))
	}
	f.Sent("secret-number-1")
	if got, want := f.Text("secret-number-0 secret-number-1 secret-number-4"), "[redacted] [redacted] [redacted]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRequest(t *testing.T) {
	for _, header := range []string{"Bearer canary-secret/42", "id:canary-secret/42", "Splunk canary-secret/42", "canary-secret/42"} {
		wantOnlySecret(t, header, "canary-secret/42")
	}
	for _, header := range []string{"Bearer canary:secret", "Splunk canary:secret", "id:canary:secret"} {
		wantOnlySecret(t, header, "canary:secret")
	}
}

func wantOnlySecret(t *testing.T, header, secret string) {
	t.Helper()
	var f echo.Filter
	r, err := http.NewRequest(http.MethodGet, "https://api.example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", header)
	f.Request(r)
	if got, want := f.Text("got "+secret+" in "+header), "got [redacted] in "+strings.ReplaceAll(header, secret, "[redacted]"); got != want {
		t.Errorf("%s: got %q, want %q", header, got, want)
	}
}

func TestError(t *testing.T) {
	var f echo.Filter
	f.Sent("canary-secret/42")
	err := f.Error(fmt.Errorf("malformed answer canary-secret/42: %w", io.ErrUnexpectedEOF))
	if got, want := err.Error(), "malformed answer [redacted]: unexpected EOF"; got != want || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q, want %q that wraps its cause", got, want)
	}
	if got := f.Error(io.EOF); got != io.EOF {
		t.Errorf("got %v, want the same error", got)
	}
	if got := f.Error(nil); got != nil {
		t.Errorf("got %v, want nil", got)
	}
}

// A text with as many possible meanings as possible takes bounded time.
func TestHostileTextTakesBoundedTime(t *testing.T) {
	var f echo.Filter
	f.Sent("pscale_tkn_aaaaaaaaaaaaaaaaaaaaaaa", strings.Repeat(`\`, 30)+"x")
	for _, unit := range []string{`\`, `\u005c`, `\\u005cu005c`, "%25", "%2525", "&amp;", "&#38;amp;", `aA%61`, "a\x00", "p\x1b[31m", " ", "=3D", "=3d3D", `\134`, `\u{5c}`, `\134u{5c}`, "%u0025", "%25u0025", "a%C3", `\n`} {
		done := make(chan string, 1)
		go func() { done <- f.Text(strings.Repeat(unit, 2<<10/len(unit))) }()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			t.Fatalf("%s over and over takes more than 30 s", unit)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, token := range tokens {
		for _, form := range forms(token) {
			f.Add(token, form)
		}
	}
	f.Fuzz(func(t *testing.T, token, text string) {
		var filter echo.Filter
		filter.Sent(token)
		got := filter.Text(text + token)
		// The text around a redacted place may be a secret by chance.
		for _, part := range strings.Split(got, "[redacted]") {
			if len(token) >= setting.LeastSecret && strings.Contains(part, token) {
				t.Errorf("got %q with %q in it", got, token)
			}
		}
	})
}
