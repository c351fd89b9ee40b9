package evidence

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/sluice-siem/sluice/pkg/internal/regular"
)

// Key signs notes.
type Key struct {
	note.Signer
	Public string // the verifier key: name+hash+base64
}

// NewKey makes a key. name may have no space and no plus sign.
func NewKey(name string) (private, public string, err error) {
	return note.GenerateKey(rand.Reader, name)
}

// mostKey is more than a file with a key has.
const mostKey = 4 << 10

// LoadKey reads a private key from a file that others may not read. Its group may, since a
// secret in a container belongs to a group.
func LoadKey(file string) (_ *Key, err error) {
	f, err := regular.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	unfit := func(why string) error { return &fs.PathError{Op: "read", Path: file, Err: errors.New(why)} }
	content, err := io.ReadAll(io.LimitReader(f, mostKey))
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(string(content))
	if _, err := note.NewVerifier(text); err == nil {
		return nil, unfit("it holds a public key; write the path of the private one, NAME.key")
	}
	key, err := ParseKey(text)
	if err != nil {
		return nil, unfit("it holds no private key; write the path of one that sluice key new made")
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o037 != 0 {
		return nil, unfit(fmt.Sprintf("others may use it (mode %04o); run chmod 600 on it", mode))
	}
	return key, nil
}

// ParseKey reads a private key as NewKey returned it.
func ParseKey(private string) (*Key, error) {
	signer, err := note.NewSigner(private)
	if err != nil { // The error must not show the key.
		return nil, errors.New("key of evidence: this is no private key that sluice key new made")
	}
	public, err := publicOf(private)
	if err != nil {
		return nil, err
	}
	return &Key{Signer: signer, Public: public}, nil
}

// publicOf returns the verifier key of a private key, PRIVATE+KEY+name+hash+base64.
func publicOf(private string) (string, error) {
	parts := strings.SplitN(private, "+", 5)
	seed, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(parts) != 5 || len(seed) != 1+ed25519.SeedSize {
		return "", errors.New("key of evidence: it is not an Ed25519 key")
	}
	return note.NewEd25519VerifierKey(parts[2], ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey))
}
