package setting

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
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
	reveal func() content
}

type content struct{ value, path string }

// NewSecret returns a secret with a fixed value.
func NewSecret(value string) Secret { return hide(content{value: value}) }

// SecretFile returns a secret that is read from a file at each call of Value, so
// that a rotated secret is used without a restart.
func SecretFile(path string) Secret { return hide(content{path: path}) }

func hide(c content) Secret { return Secret{func() content { return c }} }

// IsSet reports whether the secret was configured. It reads no file.
func (s Secret) IsSet() bool { return s.reveal != nil }

// Value returns the current secret; call it each time the secret is sent. It cuts
// off line ends after the secret, also from a value, since values in the
// environment often come from files. It is an error if the file cannot be read or
// exceeds 64 KiB, or if the secret is unset, empty or the text "null", which scripts
// write if a vault does not have the field they asked for.
func (s Secret) Value() (string, error) {
	if s.reveal == nil {
		return "", errors.New("secret is not set")
	}
	c := s.reveal()
	if c.path == "" {
		value := strings.TrimRight(c.value, "\r\n")
		return value, plausible("secret", value)
	}
	value, err := readSecret(c.path)
	if err != nil {
		return "", fmt.Errorf("reading secret: %w", err)
	}
	return value, plausible(fmt.Sprintf("secret file %q", c.path), value)
}

func readSecret(path string) (_ string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSecret {
		return "", fmt.Errorf("%q holds more than %d bytes", path, maxSecret)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

func plausible(what, value string) error {
	switch strings.TrimSpace(value) {
	case "":
		return fmt.Errorf("%s is empty", what)
	case "null":
		return fmt.Errorf("%s holds the text null, not a secret", what)
	}
	return nil
}

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
