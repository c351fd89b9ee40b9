package verify

import (
	"errors"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sluice-siem/sluice/pkg/evidence"
)

// keyring holds the trusted keys.
type keyring struct {
	mu    sync.RWMutex
	known []note.Verifier
}

// trust adds a verifier key.
func (k *keyring) trust(text string) error {
	v, err := note.NewVerifier(text)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	same := func(o note.Verifier) bool { return o.Name() == v.Name() && o.KeyHash() == v.KeyHash() }
	if !slices.ContainsFunc(k.known, same) {
		k.known = append(k.known, v)
	}
	return nil
}

func (k *keyring) verifiers() note.Verifiers {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return note.VerifierList(k.known...)
}

// opened is a note whose signature was checked.
type opened struct {
	note   *evidence.Note
	by     []note.Signature
	hash   string
	before tlog.Hash
	err    error
}

// errUnknownKey means that no known key has signed a note.
var errUnknownKey = errors.New("no key that was given has signed it")

func (k *keyring) open(signed string) opened {
	n, by, err := evidence.Verify(signed, k.verifiers())
	if err != nil {
		if unverified := new(note.UnverifiedNoteError); errors.As(err, &unverified) {
			err = errUnknownKey
		}
		return opened{err: err}
	}
	tree, err := evidence.NewTree(n.From, n.Edge)
	return opened{note: n, by: by, hash: evidence.HashOf(n.Text()), before: tree.Root(), err: err}
}
