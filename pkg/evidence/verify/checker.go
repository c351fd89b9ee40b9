package verify

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
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
	keys    keyring

	mu            sync.Mutex
	names         names
	logs          []*log
	byOrigin      map[string]*log
	organizations map[string]bool // of these logs
	pending       []item          // what no note explains yet
	repeated      []item          // what has the number and the leaf of a record that is there already
	patience      int             // how many may wait until they are tried again
	settled       uint64          // how many records may stand between what a note covers and what a lane has published
	unsigned      []unsigned
	counts        Counts
	foreign       map[string]*Foreign
	gaps          []Finding
	spares        []laneTag // events that are there under no number of a note
}

// unsigned is a note that no trusted key has signed, so far.
type unsigned struct {
	text  string
	place Place
	err   error
}

// leastPatience is how many claims may wait for their notes before they are tried again. A
// note follows at most 1,000 records later.
const leastPatience = 1 << 14

// settled is Checker.settled: a settle has at most 1,000 records, and a note follows 1,000
// records at most.
const settled = 2000

// New returns a Checker that trusts the keys, each a verifier key as sluice key new writes
// it into NAME.pub: name+hash+base64. A key that a note names as the next, and that a
// trusted key has signed, is trusted, too.
func New(keys []string, o Options) (*Checker, error) {
	if o.Listed == 0 {
		o.Listed = 1000
	}
	c := &Checker{options: o, byOrigin: map[string]*log{}, organizations: map[string]bool{}, foreign: map[string]*Foreign{}, patience: leastPatience, settled: settled}
	for _, key := range keys {
		if err := c.keys.trust(key); err != nil {
			return nil, fmt.Errorf("%q is no public key of the form name+hash+base64: %w", key, err)
		}
	}
	return c, nil
}

// Add takes what records state. It may be called concurrently; fewer calls with many claims
// are faster. It keeps nothing of the memory of the claims.
func (c *Checker) Add(claims ...Claim) {
	leaves := make([]evidence.Leaf, len(claims))
	notes := map[int]opened{}
	for i := range claims {
		switch {
		case claims[i].Note != "":
			notes[i] = c.keys.open(claims[i].Note)
		case claims[i].Others == nil:
			leaves[i] = claims[i].Facts.Leaf()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range claims {
		c.counts.Records++
		if claims[i].Note != "" {
			c.note(&claims[i], notes[i])
		} else {
			c.record(&claims[i], leaves[i])
		}
	}
	if len(c.pending) > c.patience {
		c.retry()
	}
}

// gapAction is the action of the event that tells that events are missing.
const gapAction = "sluice.gap"

func (c *Checker) record(claim *Claim, leaf evidence.Leaf) {
	if claim.Facts.Action == gapAction && !claim.Replayed {
		c.gaps = append(c.gaps, Finding{Kind: Gap, Place: claim.Place, ID: claim.Facts.ID, Time: claim.Facts.Time.UTC()})
	}
	it := c.item(claim, leaf)
	switch c.explain(&it) {
	case here:
	case hereAlready:
		c.repeated = append(c.repeated, it.kept(claim))
	case unexplained:
		c.pending = append(c.pending, it.kept(claim))
	}
}

// explanation is what the notes so far say of an item.
type explanation int

const (
	unexplained explanation = iota
	here
	hereAlready
)

// explain looks for the note that has the leaf of an item under its number. Of an item with
// several readings it takes the first that a note has.
func (c *Checker) explain(it *item) explanation {
	if !it.numbered() || it.contradiction != "" {
		return unexplained
	}
	if it.readings == nil {
		return c.explainLeaf(it)
	}
	for leaf := range c.leavesOf(it) {
		it.leaf = leaf
		if found := c.explainLeaf(it); found != unexplained {
			return found
		}
	}
	return unexplained
}

// explainLeaf is explain for one reading. Lanes of one source may have equal records under
// equal numbers, so a record that is there already in one log may be the missing one of
// another. That one has become a dead letter says that it is not expected.
func (c *Checker) explainLeaf(it *item) explanation {
	tag, found := it.tag(), unexplained
	for _, l := range c.logs {
		s := l.at(it.sequence)
		if s == nil || s.Tags[it.sequence-s.From] != tag || s.epoch != it.epoch || !c.mayBeOf(l, it) {
			continue
		}
		index := it.sequence - s.From
		if !s.has(index) && !s.rejected(index) {
			s.take(index, it, false)
			return here
		}
		found = hereAlready
	}
	return found
}

// retry tries again what waits for a note.
func (c *Checker) retry() {
	left := c.pending[:0]
	for i := range c.pending {
		switch it := &c.pending[i]; c.explain(it) {
		case hereAlready:
			c.repeated = append(c.repeated, *it)
		case unexplained:
			left = append(left, *it)
		}
	}
	clear(c.pending[len(left):])
	c.pending = left
	c.patience = max(leastPatience, 2*len(left))
}

// note takes a note.
func (c *Checker) note(claim *Claim, o opened) {
	c.counts.Notes++
	if o.err != nil {
		c.unsigned = append(c.unsigned, unsigned{strings.Clone(claim.Note), claim.Place, o.err})
		return
	}
	s := &segment{Note: o.note, hash: o.hash, before: o.before, by: o.by, place: claim.Place}
	l := c.byOrigin[s.Origin]
	if l == nil {
		l = &log{origin: s.Origin, lanes: map[string]bool{}}
		c.logs, c.byOrigin[s.Origin] = append(c.logs, l), l
	}
	s.log, s.epoch = l, s.Epoch
	if s.Kind == evidence.Open && s.Epoch > 0 {
		s.epoch--
	}
	if parts := strings.SplitN(s.Origin, "/", 3); len(parts) == 3 {
		c.organizations[parts[1]] = true
	}
	if l.add(s) {
		c.counts.RepeatedNotes++
	}
	if s.Key != "" {
		s.signed = strings.Clone(claim.Note)
		// It is trusted because a trusted key has signed its name. A key that cannot be
		// read is told where the log is judged.
		_ = c.keys.trust(s.Key)
	}
}

// Foreign counts a line or a message that is no record of Sluice. why says what it is
// instead, in few different texts. It may be called concurrently.
func (c *Checker) Foreign(at Place, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.foreign[why]
	if f == nil {
		f = &Foreign{Why: why, First: at}
		c.foreign[why] = f
	}
	f.Count++
}
