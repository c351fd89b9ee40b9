package verify

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Options say what is expected of an export.
type Options struct {
	// Until is when the export was made. A log whose last note is older than two notes
	// should be apart has lost its end. Zero: nothing is known of the end.
	Until time.Time

	// Listed is how many findings of a kind the report lists; it counts all. 0 is 1,000.
	Listed int
}

// Checker finds out whether the records of an export are those that were delivered. Claims
// may come in any order, and of any number of logs.
type Checker struct {
	options Options
	mu      sync.Mutex
	keys    []note.Verifier
	claims  []Claim
}

// New returns a Checker that trusts the keys, each a verifier key as sluice key new writes
// it into NAME.pub: name+hash+base64. A key that a note names as the next, and that a
// trusted key has signed, is trusted, too.
func New(keys []string, o Options) (*Checker, error) {
	c := &Checker{options: o}
	for _, key := range keys {
		v, err := note.NewVerifier(key)
		if err != nil {
			return nil, fmt.Errorf("%q is no public key of the form name+hash+base64: %w", key, err)
		}
		c.keys = append(c.keys, v)
	}
	return c, nil
}

// Add takes what records state. It may be called concurrently. It keeps nothing of the
// memory of the claims.
func (c *Checker) Add(claims ...Claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claims = append(c.claims, claims...)
}

// Foreign counts a line or a message that is no record of Sluice. why says what it is
// instead. It may be called concurrently.
func (c *Checker) Foreign(at Place, why string) {}

// Report judges all claims. Nothing may be added after it.
func (c *Checker) Report() *Report { return &Report{} }
