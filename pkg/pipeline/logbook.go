package pipeline

import (
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// logbook is the log of a lane with evidence: it knows the number of the next record, and
// writes notes about what positions cover. A lane without evidence has none.
//
// A note states what is settled, so it is part of the position that says so, and is
// delivered only after that position is saved. Otherwise a crash between the two could
// make the lane write another note about the same records.
type logbook struct {
	*evidence.Writer
	lane  *Lane
	room  int            // bytes of a note for the records it covers
	state evidence.State // of the last saved position, without the notes that were delivered since

	through   time.Time // see evidence.Note.Through
	described time.Time // when it was found out
}

func newLogbook(l *Lane, limits sink.Limits, state evidence.State) *logbook {
	const unlimited = 1 << 20 // see sink.Limits.RecordBytes
	size := limits.RecordBytes
	if size == 0 {
		size = unlimited
	}
	return &logbook{Writer: l.Evidence, lane: l, room: evidence.Room(size), state: state}
}

// next returns the number of the next record. It is right only while nothing is on its way.
func (b *logbook) next() source.Number {
	if b == nil {
		return source.Number{}
	}
	return source.Number{Epoch: b.state.Epoch, Sequence: b.state.Tree.Size}
}

// open returns the state after the lane was taken at a position: a new epoch, and a note
// that says so. The note covers what earlier epochs left without one.
func (b *logbook) open(pos source.Position, why string) (evidence.State, error) {
	s := b.state.Clone()
	if s.Epoch++; s.Day.From.IsZero() {
		s.Day.From = time.Now().UTC().Truncate(time.Millisecond)
	}
	signers := []note.Signer{b.Key}
	key := ""
	if s.Key != b.Key.Public {
		key = b.Key.Public
		for _, former := range b.Former {
			if former.Public == s.Key {
				signers = append(signers, former)
			}
		}
	}
	if s.Moved != "" {
		why = s.Moved
	}
	s.Moved = ""
	err := b.write(&s, evidence.Open, pos, func(n *evidence.Note) { n.Key, n.Reason = key, why }, signers...)
	s.Key = b.Key.Public
	return s, err
}

// settle returns the state behind a position that covers more, with the notes that are due.
func (b *logbook) settle(done evidence.Settled, pos source.Position) (evidence.State, error) {
	s := b.state.Clone()
	seal := func() error { return b.write(&s, evidence.Seal, pos, func(*evidence.Note) {}, b.Key) }
	err := s.Settle(done, b.room, seal)
	now := time.Now().UTC()
	over := s.DayOver(now)
	if err == nil && (s.Due(now) || over && len(s.Tags) > 0) {
		err = seal() // A statement covers no records, so it has room for what it says.
	}
	if err == nil && over {
		err = b.statement(&s, pos, now)
	}
	return s, err
}

// statement writes the note about a day that is over, and begins the next.
func (b *logbook) statement(s *evidence.State, pos source.Position, now time.Time) error {
	day := s.Day
	day.Audit = b.lane.state.lastAudit()
	err := b.write(s, evidence.Statement, pos, func(n *evidence.Note) { n.Day = &day }, b.Key)
	s.Day = evidence.Day{From: now.Truncate(time.Millisecond)}
	return err
}

func (b *logbook) write(s *evidence.State, kind evidence.Kind, pos source.Position, complete func(*evidence.Note), signers ...note.Signer) error {
	s.Through = b.completeThrough(pos)
	err := s.Write(kind, time.Now(), func(n *evidence.Note) {
		n.Lane, n.Settings = b.lane.Name, b.Settings
		complete(n)
	}, signers...)
	if err != nil {
		return fmt.Errorf("lane %s: %w", b.lane.Name, err)
	}
	return nil
}

// describeForNotes is the least time between two descriptions of positions for notes. An
// earlier position says less, and nothing wrong.
const describeForNotes = 10 * time.Second

// completeThrough returns until when all that the source listed is settled, zero if that
// is not known.
func (b *logbook) completeThrough(pos source.Position) time.Time {
	if time.Since(b.described) >= describeForNotes {
		if d, err := b.lane.describe(pos); err == nil {
			b.through, b.described = d.Through, time.Now()
		}
	}
	return b.through
}

// saved keeps the state of a position that was saved.
func (b *logbook) saved(s evidence.State) {
	b.state = s
	b.lane.state.noted(&s)
}

// written is notes as records of the lane's format, and as letters those that cannot be
// delivered.
type written struct {
	signed  []string
	stated  []*evidence.Note // the signed ones, read
	notes   part
	places  []int // of the notes among the signed ones
	letters []sink.Reject
}

// encode makes records of notes. refused are those that the sink does not take, by their
// place among the signed ones.
func (b *logbook) encode(signed []string, refused map[int]error) (written, error) {
	w := written{signed: signed}
	for i, text := range signed {
		n, err := evidence.Parse(text)
		if err != nil {
			return w, fmt.Errorf("lane %s: note in the position: %w", b.lane.Name, err)
		}
		w.stated = append(w.stated, n)
		event, err := evidence.NewEvent(b.Keys, b.Organization, n, text)
		if err != nil {
			return w, fmt.Errorf("lane %s: %w", b.lane.Name, err)
		}
		record, err := b.lane.Transformer.Transform(nil, &event)
		switch {
		case err != nil:
			w.letters = append(w.letters, notEncoded(&event, b.lane.Format, "transform: "+err.Error()))
		case refused[i] != nil:
			w.letters = append(w.letters, sink.Reject{Record: record, Raw: event.Raw, Reason: refused[i].Error(), Time: time.Now()})
		default:
			w.notes.records, w.notes.raws = append(w.notes.records, record), append(w.notes.raws, event.Raw)
			w.places = append(w.places, i)
		}
	}
	return w, nil
}

// told says that notes were delivered, or are dead letters.
func (b *logbook) told(w written) {
	for _, r := range w.letters {
		b.lane.log.Error().Str("id", r.Record.ID).Str("reason", r.Reason).
			Str("hint", "without it nobody can check the records that it covers: remove the cause, then run sluice deadletter redrive").
			Msg("note of evidence refused and kept as dead letter")
	}
	if b.Tell == nil {
		return
	}
	for i, n := range w.stated {
		b.Tell(n, w.signed[i])
	}
}
