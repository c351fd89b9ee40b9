package evidence

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
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

func decodeTags(text string) ([]Tag, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	if len(b)%TagSize != 0 {
		return nil, fmt.Errorf("%d bytes are no whole number of tags", len(b))
	}
	tags := make([]Tag, 0, len(b)/TagSize)
	for ; len(b) > 0; b = b[TagSize:] {
		tags = append(tags, Tag(b[:TagSize]))
	}
	return tags, nil
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

// ParseText reads what Text returned.
func ParseText(text string) (*Note, error) {
	n := &Note{}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 4 || lines[3] != version {
		return nil, fmt.Errorf("no note of the form %s", version)
	}
	n.Origin = lines[0]
	var err error
	if n.Size, err = strconv.ParseUint(lines[1], 10, 63); err != nil {
		return nil, fmt.Errorf("size: %w", err)
	}
	if n.Root, err = tlog.ParseHash(lines[2]); err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	for _, line := range lines[4:] {
		word, value, _ := strings.Cut(line, " ")
		if err := n.field(word, value); err != nil {
			return nil, fmt.Errorf("%s: %w", word, err)
		}
	}
	if got := n.Text(); got != text {
		return nil, errors.New("the note is not in its canonical form")
	}
	return n, n.check()
}

// check reports what contradicts itself.
func (n *Note) check() error {
	if n.From > n.Size || uint64(len(n.Tags)) != n.Size-n.From {
		return fmt.Errorf("%d tags for the records %d to %d", len(n.Tags), n.From, n.Size)
	}
	if n.Kind != Open && n.Kind != Seal && n.Kind != Statement {
		return fmt.Errorf("unknown kind %q", n.Kind)
	}
	for _, r := range n.Rejected {
		if r.Sequence < n.From || r.Sequence >= n.Size {
			return fmt.Errorf("rejected record %d is not among the records %d to %d", r.Sequence, n.From, n.Size)
		}
	}
	_, err := NewTree(n.From, n.Edge)
	return err
}

func (n *Note) field(word, value string) (err error) {
	count := func(v *uint64) { *v, err = strconv.ParseUint(value, 10, 63) }
	at := func(t *time.Time) { *t, err = time.Parse(time.RFC3339Nano, value) }
	switch word {
	case "kind":
		n.Kind = Kind(value)
	case "number":
		count(&n.Number)
	case "time":
		at(&n.Time)
	case "lane":
		n.Lane = value
	case "epoch":
		count(&n.Epoch)
	case "from":
		count(&n.From)
	case "edge":
		n.Edge = value
	case "tags":
		n.Tags, err = decodeTags(value)
	case "rejected":
		err = n.rejected(value)
	case "filtered":
		count(&n.Filtered)
	case "settings":
		n.Settings = value
	case "through":
		at(&n.Through)
	case "previous":
		n.Previous = value
	case "key":
		n.Key = value
	case "reason":
		n.Reason = value
	case "day":
		n.Day = &Day{}
		at(&n.Day.From)
	default:
		return n.dayField(word, value)
	}
	return err
}

func (n *Note) dayField(word, value string) (err error) {
	if n.Day == nil {
		return errors.New("unknown field")
	}
	if word == "audit" {
		n.Day.Audit = value
		return nil
	}
	for _, c := range n.Day.counts() {
		if c.word == word {
			*c.value, err = strconv.ParseUint(value, 10, 63)
			return err
		}
	}
	return errors.New("unknown field")
}

func (n *Note) rejected(value string) error {
	sequence, rest, _ := strings.Cut(value, " ")
	tag, id, _ := strings.Cut(rest, " ")
	s, err := strconv.ParseUint(sequence, 10, 63)
	if err != nil {
		return err
	}
	tags, err := decodeTags(tag)
	if err != nil || len(tags) != 1 {
		return errors.Join(err, errors.New("it has no tag"))
	}
	name, err := base64.StdEncoding.DecodeString(id)
	n.Rejected = append(n.Rejected, Rejected{Sequence: s, Tag: tags[0], ID: string(name)})
	return err
}

// Sign returns the note with the signatures of all signers.
func (n *Note) Sign(signers ...note.Signer) (string, error) {
	signed, err := note.Sign(&note.Note{Text: n.Text()}, signers...)
	if err != nil {
		return "", fmt.Errorf("sign a note: %w", err)
	}
	return string(signed), nil
}

// Verify reads a signed note, and returns the names and hashes of the known keys that
// signed it. It fails if none did, or if a signature of a known key is wrong.
func Verify(signed string, known note.Verifiers) (n *Note, by []note.Signature, err error) {
	opened, err := note.Open([]byte(signed), known)
	if err != nil {
		return nil, nil, err
	}
	n, err = ParseText(opened.Text)
	return n, opened.Sigs, err
}

// HashOf returns the SHA-256 of a note's text, without its signatures, for the Previous of
// the next.
func HashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
