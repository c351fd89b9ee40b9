package setting

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/regular"
)

// maxSecret limits how much of a secret's file is read, so that a path such as
// /dev/zero is an error and does not exhaust the memory. Tokens and keys are far
// smaller.
const maxSecret = 64 << 10

// Secret is a text that is never shown: printed, marshalled or logged in any way,
// it reads "[secret]". Only Value returns it. The zero value is unset.
//
// A configuration sets the secret <key> with <key>, or with the path of a file in
// <key>_file.
type Secret struct {
	// A function hides the content from fmt, which does not call Format for a Secret
	// in an unexported field of a caller's struct. There it prints the fields, and for
	// some verbs follows pointers, but of a function it prints only the address.
	reveal   func() content
	rotation func() *Rotation // the one of all copies
}

type content struct{ value, path string }

// NewSecret returns a secret with a fixed value.
func NewSecret(value string) Secret { return hide(content{value: value}) }

// SecretFile returns a secret that is read from a file at each call of Value, so
// that a rotated secret is used without a restart.
func SecretFile(path string) Secret { return hide(content{path: path}) }

func hide(c content) Secret {
	reveal := func() content { return c }
	r := newRotation(Secret{reveal: reveal})
	return Secret{reveal, func() *Rotation { return r }}
}

// IsSet reports whether the secret was configured. It reads no file.
func (s Secret) IsSet() bool { return s.reveal != nil }

// File returns the path of the file that holds the secret; empty if no file does.
func (s Secret) File() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal().path
}

// Value returns the current secret; call it each time the secret is sent. It cuts
// off line ends after the secret, also from a value, since values in the
// environment often come from files. It is an error if the file cannot be read or
// exceeds 64 KiB, or if the secret is unset, empty or the text "null", which scripts
// write if a vault does not have the field they asked for. It is also an error if the
// secret begins with a byte order mark, which PowerShell and some editors write.
func (s Secret) Value() (string, error) {
	if s.reveal == nil {
		return "", errors.New("secret is not set")
	}
	c := s.reveal()
	if c.path == "" {
		value := strings.TrimRight(c.value, "\r\n")
		return value, plausible("secret ", value)
	}
	value, err := readSecret(c.path)
	if err != nil {
		return "", fmt.Errorf("reading secret: %w", err)
	}
	if err := plausible("", value); err != nil {
		return value, fmt.Errorf("reading secret: %w", &fs.PathError{Op: "read", Path: c.path, Err: err})
	}
	return value, nil
}

func readSecret(path string) (_ string, err error) {
	f, err := regular.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSecret {
		return "", &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("holds more than %d bytes", maxSecret)}
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

func plausible(what, value string) error {
	switch text := strings.TrimSpace(value); {
	case text == "":
		return errors.New(what + "is empty")
	case text == "null":
		return errors.New(what + "holds the text null, not a secret")
	case strings.HasPrefix(value, "\ufeff") && what != "":
		return errors.New(what + "begins with a byte order mark; remove it")
	case strings.HasPrefix(value, "\ufeff"):
		return errors.New("begins with a byte order mark; save it as UTF-8 without one")
	case strings.HasPrefix(value, "\xff\xfe") || strings.HasPrefix(value, "\xfe\xff"):
		return errors.New(what + "is in UTF-16; save it as UTF-8")
	}
	return nil
}

// CheckToken returns an error for a secret that cannot be a token: one with a blank, a line
// end, or a character that is not ASCII. Headers of HTTP and OAuth carry nothing else (RFC
// 6750, section 2.1). A token that is not in a file may not be in quotes either: they often
// come along from an environment file. Validate of settings calls it. It returns nil for a
// secret without a Value, which is reported when settings are decoded.
func (s Secret) CheckToken() error {
	value, err := s.Value()
	if err != nil {
		return nil
	}
	return s.checkToken(value)
}

// Token returns what Value does. It also returns the error of CheckToken, since a file that
// was rotated may hold anything. Whoever sends a token calls it in place of Value.
func (s Secret) Token() (string, error) {
	value, err := s.Value()
	if err == nil {
		err = s.checkToken(value)
	}
	return value, err
}

func (s Secret) checkToken(value string) error {
	var err error
	odd := strings.IndexFunc(value, func(r rune) bool { return r <= ' ' || r > '~' })
	inFile := s.reveal().path != ""
	switch {
	case !inFile && inQuotes(value):
		err = errors.New("is in quotes twice; write one pair of quotes and none in a variable, or put a token that has quotes in a file")
	case odd >= 0 && value[odd] == ' ':
		err = errors.New("has a blank in it; write the token alone, without Bearer or the like before it")
	case odd >= 0 && value[odd] < ' ':
		err = errors.New("has a line end or a control character in it; write the token alone, on one line")
	case odd >= 0:
		err = errors.New("has a character that is not ASCII, which may be invisible; copy the token again, as plain text")
	default:
		return nil
	}
	if c := s.reveal(); c.path != "" {
		return &fs.PathError{Op: "read", Path: c.path, Err: err}
	}
	return err
}

func inQuotes(value string) bool {
	last := len(value) - 1
	return last > 0 && value[0] == value[last] && (value[0] == '"' || value[0] == '\'')
}

// LeastSecret is the least length, in bytes, of a secret that is taken out of messages in
// which a server repeats it. A shorter one would take ordinary words out of them.
const LeastSecret = 6

// Short reports whether the secret has a value, and fewer bytes than LeastSecret.
func (s Secret) Short() bool {
	value, err := s.Value()
	return err == nil && len(value) < LeastSecret
}

// ShortWarning says what is bad about a Short secret under a key.
func ShortWarning(key string) string {
	return fmt.Sprintf("%s has fewer than %d characters: it is easily guessed, and if a server repeats it in an answer, messages show it; use a longer one", key, LeastSecret)
}

// LeastToken is the least length, in bytes, of a token that Sluice itself asks for, and
// that strangers may guess at: 64 bits in hexadecimal.
const LeastToken = 16

// Equal reports whether both secrets are configured alike: with the same value, or
// the same path. It reads no file.
func (s Secret) Equal(other Secret) bool {
	if !s.IsSet() || !other.IsSet() {
		return s.IsSet() == other.IsSet()
	}
	return s.reveal() == other.reveal()
}

const redacted = "[secret]"

func (Secret) String() string   { return redacted }
func (Secret) GoString() string { return redacted }

// Format prints "[secret]" for every verb, flag and width.
func (Secret) Format(f fmt.State, _ rune) {
	// A fmt.State writes to memory and reports no error.
	_, _ = io.WriteString(f, redacted)
}

// MarshalText returns "[secret]" for JSON, YAML and every logger.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
