package evidence

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// TagSize is how many bytes of a leaf a note has.
const TagSize = 8

// Tag is the beginning of a leaf. It tells which record a note means.
type Tag [TagSize]byte

// TagOf returns the tag of a leaf.
func TagOf(leaf Leaf) Tag { return Tag(leaf[:TagSize]) }

// MarshalText returns the tag in Base64.
func (t Tag) MarshalText() ([]byte, error) { return []byte(encodeTags([]Tag{t})), nil }

// UnmarshalText is the inverse of MarshalText.
func (t *Tag) UnmarshalText(text []byte) error {
	tags, err := decodeTags(string(text))
	if err == nil && len(tags) != 1 {
		err = fmt.Errorf("%q is no tag", text)
	}
	if err == nil {
		*t = tags[0]
	}
	return err
}

// Kind is what a note is for.
type Kind string

// The kinds of notes.
const (
	Open      Kind = "open"      // the lane was taken
	Seal      Kind = "seal"      // records were delivered, or some time has passed
	Statement Kind = "statement" // a day has passed
)

// Note is a signed statement about a lane's log. It covers the records from From up to
// Tree.Size. Its text is a C2SP checkpoint (https://c2sp.org/tlog-checkpoint) whose
// extension lines are the other fields, each a word and a value.
type Note struct {
	Origin   string // names the log
	Size     uint64 // of the log, with what the note covers
	Root     tlog.Hash
	Kind     Kind
	Number   uint64 // of the note in its log, from 0 on
	Time     time.Time
	Lane     string
	Epoch    uint64 // in which it was made
	From     uint64 // the first record that no earlier note covers
	Edge     string // of the tree at From, see Tree.Edge
	Tags     []Tag  // of the records from From on
	Rejected []Rejected
	Filtered uint64    // events since the note before that were not for the sink
	Settings string    // hash of what decides which events and values the sink gets
	Through  time.Time // all that the source had listed until then is delivered or told; zero if not known
	Previous string    // hash of the text of the note before, in hex; empty in the first
	Key      string    // the verifier key of the one who signs from now on; in an open note
	Reason   string    // why the lane was taken; in an open note
	Day      *Day      // in a statement
}

// Rejected is a record that became a dead letter. It has a number and a leaf like any
// other. When the dead letter is delivered later, its record may be shortened, and so have
// another leaf than the log: Tag is of that one.
type Rejected struct {
	Sequence uint64
	Tag      Tag    // of its leaf in the form Shortened
	ID       string // its beginning, if it is long
}

// Day is what happened since the statement before.
type Day struct {
	From                                              time.Time
	Listed, Delivered, Filtered, Rejected, Late, Gaps uint64
	Notes                                             uint64
	Audit                                             string // result of the newest audit; empty if there was none
}

// version is the first extension line. A reader refuses another one.
const version = "sluice-note/v1"

// Text returns the text to sign.
func (n *Note) Text() string {
	var b strings.Builder
	b.Write(tlogText(n))
	line := func(word, value string) {
		if value != "" {
			b.WriteString(word + " " + value + "\n")
		}
	}
	count := func(word string, v uint64) { line(word, strconv.FormatUint(v, 10)) }
	at := func(word string, t time.Time) {
		if !t.IsZero() {
			line(word, t.UTC().Format(time.RFC3339Nano))
		}
	}
	b.WriteString(version + "\n")
	line("kind", string(n.Kind))
	count("number", n.Number)
	at("time", n.Time)
	line("lane", n.Lane)
	count("epoch", n.Epoch)
	count("from", n.From)
	line("edge", n.Edge)
	line("tags", encodeTags(n.Tags))
	for _, r := range n.Rejected {
		line("rejected", strconv.FormatUint(r.Sequence, 10)+" "+encodeTags([]Tag{r.Tag})+" "+base64.StdEncoding.EncodeToString([]byte(r.ID)))
	}
	count("filtered", n.Filtered)
	line("settings", n.Settings)
	at("through", n.Through)
	line("previous", n.Previous)
	line("key", n.Key)
	line("reason", clean(n.Reason))
	if d := n.Day; d != nil {
		at("day", d.From)
		for _, c := range d.counts() {
			count(c.word, *c.value)
		}
		line("audit", clean(d.Audit))
	}
	return b.String()
}

type dayCount struct {
	word  string
	value *uint64
}

func (d *Day) counts() []dayCount {
	return []dayCount{
		{"day-listed", &d.Listed}, {"day-delivered", &d.Delivered}, {"day-filtered", &d.Filtered}, {"day-rejected", &d.Rejected},
		{"day-late", &d.Late}, {"day-gaps", &d.Gaps}, {"day-notes", &d.Notes},
	}
}

// tlogText returns the first three lines. A log's origin is no one of the Go checksum
// database, so tlog.FormatTree does not serve.
func tlogText(n *Note) []byte {
	return fmt.Appendf(nil, "%s\n%d\n%s\n", n.Origin, n.Size, base64.StdEncoding.EncodeToString(n.Root[:]))
}

func encodeTags(tags []Tag) string {
	b := make([]byte, 0, len(tags)*TagSize)
	for i := range tags {
		b = append(b, tags[i][:]...)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// clean returns text of one line that a note can have.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	return strings.TrimSpace(text)
}

// Sign returns the note with the signatures of all signers.
func (n *Note) Sign(signers ...note.Signer) (string, error) {
	signed, err := note.Sign(&note.Note{Text: n.Text()}, signers...)
	if err != nil {
		return "", fmt.Errorf("sign a note: %w", err)
	}
	return string(signed), nil
}

// HashOf returns the SHA-256 of a note's text, without its signatures, for the Previous of
// the next.
func HashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
