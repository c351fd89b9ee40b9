package setting

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxSecret bounds what is read of a secret's file, so that a path such as
// /dev/zero is an error and no end of memory. Tokens and keys are far smaller.
const maxSecret = 64 << 10

// Secret is a text that never shows: printed, marshalled or logged in any way
// it reads "[secret]". Only Value gives it away. The zero value is unset.
//
// A configuration gives the secret <key> as <key> or, as the path of a file, as
// <key>_file.
type Secret struct {
	// The content is behind a function since fmt does not ask the methods of
	// unexported fields of a caller's struct. There it follows even pointers, for
	// some verbs, but of a function it can print the address only.
	reveal func() content
}

type content struct{ value, path string }

// NewSecret returns a secret with a fixed value.
func NewSecret(value string) Secret { return hide(content{value: value}) }

// SecretFile returns a secret that is read from a file each time its Value is
// asked for, so that a rotated one is used without a restart.
func SecretFile(path string) Secret { return hide(content{path: path}) }

func hide(c content) Secret { return Secret{func() content { return c }} }

// IsSet reports whether the secret was given at all. It reads no file.
func (s Secret) IsSet() bool { return s.reveal != nil }

// Value returns the secret as it is at this moment; call it each time the
// secret is sent. Line ends after it are cut off, of a value too: what puts
// secrets into the environment often takes them from files. A file that cannot be read or
// exceeds 64 KiB is an error, and so are an unset or empty secret and the text
// "null", which scripts write that asked a vault for a field it does not have.
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
		return fmt.Errorf("%s holds the text null and no secret", what)
	}
	return nil
}

// Equal reports whether both were configured alike: the same value, or the same
// path. It reads no file.
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
	// A fmt.State collects in memory and reports no error of its own.
	_, _ = io.WriteString(f, redacted)
}

// MarshalText gives "[secret]" to JSON, YAML and every logger.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
