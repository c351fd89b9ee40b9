package app

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
	"github.com/sluice-siem/sluice/pkg/transform/raw"
	"github.com/sluice-siem/sluice/pkg/transform/redact"
)

// TestARedactedEventIsEncodedAgain uses dead letters without a body. They hold redacted
// copies of events: with an id of their own, without one, and unreadable.
func TestARedactedEventIsEncodedAgain(t *testing.T) {
	transformer, err := raw.Format.New(transform.Options{})
	if err != nil {
		t.Fatal(err)
	}
	kind := planetscale.Type()
	again := encoder{transformer, kind, 0}.again
	redactor, err := redact.New(redact.Settings{Fields: []redact.Field{{Name: "actor.name", How: "mask"}}}, &kind.Product)
	if err != nil {
		t.Fatal(err)
	}
	for words, text := range map[string]string{
		"with an id":    `{"id":"q7","created_at":"2026-03-14T15:09:26.535Z","actor_display_name":"Ada"}`,
		"without an id": `{"created_at":"2026-03-14T15:09:26.535Z","actor_display_name":"Ada"}`,
		"unreadable":    `"Ada"`,
	} {
		events, err := kind.Parse([]byte(text), "acme")
		if err != nil {
			t.Fatal(err)
		}
		e := redactor.Redact(&events[0])
		letter := deadletter.Letter{Lane: "acme/siem", Reject: sink.Reject{Record: sink.Record{ID: e.ID, Organization: "acme", Time: e.Time}, Raw: e.Raw}}
		record, err := again(letter)
		if err != nil || record.ID != events[0].ID || string(record.Body) != string(e.Raw) {
			t.Errorf("%s: got %s of %s and error %v, want %s of %s", words, record.Body, record.ID, err, e.Raw, events[0].ID)
		}
		letter.Record.ID = "another"
		if _, err := again(letter); !sink.IsPermanent(err) {
			t.Errorf("%s: got error %v for the event of another letter, want a permanent one", words, err)
		}
	}
}

// A destination refused a record for its size, and the sink's limit was lowered.
func TestARecordThatExceedsTheSinksLimitIsMadeAnew(t *testing.T) {
	const most = 4096
	kind := planetscale.Type()
	catalogue, err := transform.ParseCatalogue(kind.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	transformer, err := ecs.Format.New(transform.Options{Product: kind.Product, Catalogue: catalogue, Settings: ecs.Format.Settings(), Original: true, MaxBytes: most})
	if err != nil {
		t.Fatal(err)
	}
	text := `{"id":"q7","created_at":"2026-03-14T15:09:26.535Z","audit_action":"branch.created","metadata":{"x":"` + strings.Repeat("x", most) + `"}}`
	letter := deadletter.Letter{Lane: "acme/siem", Reject: sink.Reject{Raw: []byte(text), Record: sink.Record{ID: "q7", Organization: "acme"}}}
	for size, anew := range map[int]bool{most: false, most + 1: true} {
		letter.Record.Body = []byte(strings.Repeat("b", size))
		record, err := encoder{transformer, kind, most}.again(letter)
		if err != nil || len(record.Body) > most || (record.Body[0] == '{') != anew || record.ID != "q7" {
			t.Errorf("a body of %d bytes: got %d bytes of %s and error %v, want it made anew: %v", size, len(record.Body), record.ID, err, anew)
		}
	}
}

// markKeeper is a format that keeps the marks of the last event.
type markKeeper struct {
	replayed, ownToken bool
	number             source.Number
	note               string
}

func (m *markKeeper) Transform(_ []byte, e *source.Event) (sink.Record, error) {
	m.replayed, m.ownToken, m.number, m.note = e.Replayed, e.OwnToken, e.Number, e.Note
	return sink.Record{}, nil
}

// A record that a redrive makes anew keeps the marks and the number of the dead letter: its
// raw event does not have them.
func TestARecordThatIsMadeAnewKeepsItsMarks(t *testing.T) {
	m := &markKeeper{}
	number := source.Number{Epoch: 3, Sequence: 1 << 40}
	l := deadletter.Letter{Reject: sink.Reject{Raw: []byte(`{"id":"ev1","created_at":"2026-03-01T10:00:00.000Z"}`)}}
	l.Record.ID, l.Record.Replayed, l.Record.OwnToken = "ev1", true, true
	l.Record.Epoch, l.Record.Sequence = number.Epoch, number.Sequence
	if _, err := (encoder{m, planetscale.Type(), 0}).again(l); err != nil || *m != (markKeeper{replayed: true, ownToken: true, number: number}) {
		t.Errorf("got marks %+v and error %v, want both marks and the number", *m, err)
	}
}

// A note that became a dead letter is a note again, so it is stated whole.
func TestANoteThatIsMadeAnewStaysANote(t *testing.T) {
	kind := planetscale.Type()
	n := &evidence.Note{Origin: "sluice/acme/acme/siem/1", Kind: evidence.Seal, Lane: "acme/siem", Time: time.Unix(1, 0)}
	signed := n.Text() + "\n— acme signature\n"
	e, err := evidence.NewEvent(kind.Product.Keys, "acme", n, signed)
	if err != nil {
		t.Fatal(err)
	}
	l := deadletter.Letter{Reject: sink.Reject{Raw: e.Raw, Record: sink.Record{ID: e.ID, Organization: "acme", Action: e.Action, Time: e.Time}}}
	m := &markKeeper{}
	if _, err := (encoder{m, kind, 0}).again(l); err != nil || m.note != signed {
		t.Errorf("got note %q and error %v, want %q", m.note, err, signed)
	}
}
