package evidence

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
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

// LoadKey reads a private key from a file that nobody but its owner may read.
func LoadKey(file string) (*Key, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("key of evidence: %w", err)
	}
	if open := info.Mode().Perm() & 0o077; open&^fs.FileMode(0o040) != 0 {
		return nil, fmt.Errorf("key of evidence: others may read %s (mode %04o): run chmod 600 %s", file, info.Mode().Perm(), file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("key of evidence: %w", err)
	}
	return ParseKey(strings.TrimSpace(string(text)))
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
