package evidence

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

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
	r := Rejected{Sequence: s}
	if err := r.Tag.UnmarshalText([]byte(tag)); err != nil {
		return err
	}
	name, err := base64.StdEncoding.DecodeString(id)
	r.ID = string(name)
	n.Rejected = append(n.Rejected, r)
	return err
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

// Parse reads a signed note and checks no signature.
func Parse(signed string) (*Note, error) {
	var unknown *note.UnverifiedNoteError
	if _, err := note.Open([]byte(signed), note.VerifierList()); !errors.As(err, &unknown) {
		return nil, fmt.Errorf("signed note: %w", err)
	}
	return ParseText(unknown.Note.Text)
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
