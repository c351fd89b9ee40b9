package setting_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
)

const clearText = "hunter2-clear-text"

func TestSecretNeverShows(t *testing.T) {
	type public struct{ Token setting.Secret }
	type private struct{ token setting.Secret }
	s := setting.NewSecret(clearText)

	var shown bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T", "%40s", "%.3s", "%w"} {
		for _, v := range []any{s, &s, public{s}, &public{s}, private{s}, &private{s}, []setting.Secret{s}, map[string]setting.Secret{"a": s}} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
	}
	fmt.Fprintln(&shown, s.String(), s.GoString())
	for name, marshal := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "YAML": yaml.Marshal} {
		b, err := marshal(public{s})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(b, []byte("[secret]")) {
			t.Errorf("%s: got %s, want [secret]", name, b)
		}
		shown.Write(b)
	}
	log := zerolog.New(zerolog.ConsoleWriter{Out: &shown})
	log.Info().Any("a", s).Interface("b", public{s}).Stringer("c", s).Msgf("%v", s)

	for _, trace := range []string{clearText, fmt.Sprintf("%x", clearText), fmt.Sprintf("%X", clearText)} {
		if strings.Contains(shown.String(), trace) {
			t.Errorf("the secret shows as %s in:\n%s", trace, shown.String())
		}
	}
	if got, want := fmt.Sprintf("%v|%+v|%#v|%s|%d", s, s, s, s, s), "[secret]|[secret]|[secret]|[secret]|[secret]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSecretValue(t *testing.T) {
	dir := t.TempDir()
	file := func(content string) setting.Secret {
		f, err := os.CreateTemp(dir, "secret")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(content); err != nil {
			t.Fatal(err)
		}
		return setting.SecretFile(f.Name())
	}
	for _, c := range []struct {
		name      string
		secret    setting.Secret
		want, err string
	}{
		{"a value keeps its blanks", setting.NewSecret(" a "), " a ", ""},
		{"a value loses its last line end", setting.NewSecret("token\r\n"), "token", ""},
		{"a value of a line end is empty", setting.NewSecret("\n"), "", "secret is empty"},
		{"a file loses its last line end", file("token\n"), "token", ""},
		{"a file from Windows too", file("token\r\n"), "token", ""},
		{"blanks belong to the secret", file(" to ken \n"), " to ken ", ""},
		{"a byte order mark", setting.NewSecret("\ufefftoken"), "", "secret begins with a byte order mark"},
		{"a file with a byte order mark", file("\ufefftoken\r\n"), "", ": begins with a byte order mark; save it as UTF-8 without one"},
		{"a file in UTF-16", file("\xff\xfet\x00o\x00"), "", ": is in UTF-16; save it as UTF-8"},
		{"unset", setting.Secret{}, "", "secret is not set"},
		{"empty", setting.NewSecret(""), "", "secret is empty"},
		{"null of a vault", setting.NewSecret("null"), "", "secret holds the text null"},
		{"an empty file", file("\n"), "", " is empty"},
		{"a file of blanks", file("  \n"), "", " is empty"},
		{"null of a vault in a file", file("null\n"), "", " holds the text null"},
		{"a file that is too long", file(strings.Repeat("x", 64<<10+1)), "", " holds more than 65536 bytes"},
		{"a device", setting.SecretFile("/dev/zero"), "", "read /dev/zero: is not a regular file"},
		{"no such file", setting.SecretFile(filepath.Join(dir, "none")), "", "reading secret: open " + filepath.Join(dir, "none")},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.secret.Value()
			if c.err == "" && err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Fatalf("got error %v, want one with %q", err, c.err)
			}
			if err == nil && got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSecretFileIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	s := setting.SecretFile(path)
	for _, want := range []string{"one", "two"} {
		write(t, path, []byte(want))
		got, err := s.Value()
		if err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestSecretSetAndEqual(t *testing.T) {
	var unset setting.Secret
	for _, c := range []struct {
		a, b setting.Secret
		want bool
	}{
		{unset, unset, true},
		{unset, setting.NewSecret(""), false},
		{setting.NewSecret("a"), setting.NewSecret("a"), true},
		{setting.NewSecret("a"), setting.NewSecret("b"), false},
		{setting.NewSecret("a"), setting.SecretFile("a"), false},
		{setting.SecretFile("a"), setting.SecretFile("a"), true},
	} {
		if got := c.a.Equal(c.b); got != c.want {
			t.Errorf("Equal: got %v, want %v", got, c.want)
		}
	}
	if unset.IsSet() || !setting.NewSecret("").IsSet() || !setting.SecretFile("a").IsSet() {
		t.Error("IsSet: only the zero value is unset")
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	// A new file is renamed into place, as secret stores do.
	next := path + ".next"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func TestCheckToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("to\nken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	quoted := filepath.Join(t.TempDir(), "quoted")
	write(t, quoted, []byte(`"abc"`))
	for _, c := range []struct {
		secret setting.Secret
		want   string // in the error; empty: none
	}{
		{setting.NewSecret("pscale_tkn_a-B.c~d+e/f=\r\n"), ""},
		{setting.Secret{}, ""},
		{setting.NewSecret("null"), ""}, // Value reports it.
		{setting.NewSecret("Bearer abc"), "has a blank in it; write the token alone, without Bearer"},
		{setting.NewSecret(`"abc"`), "is in quotes twice; "},
		{setting.NewSecret("'abc'\n"), "is in quotes twice; "},
		{setting.NewSecret("'a"), ""},
		{setting.SecretFile(quoted), ""},
		{setting.NewSecret("abc "), "has a blank in it; "},
		{setting.NewSecret("a\tbc"), "has a line end or a control character in it; "},
		{setting.NewSecret("abc\u00a0"), "has a character that is not ASCII"},
		{setting.NewSecret("abc\xff"), "has a character that is not ASCII"},
		{setting.SecretFile(path), "read " + path + ": has a line end"},
	} {
		err := c.secret.CheckToken()
		if _, err := c.secret.Token(); c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("got %v with the token, want %q", err, c.want)
		}
		if (err == nil) != (c.want == "") || err != nil && (!strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "abc")) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
