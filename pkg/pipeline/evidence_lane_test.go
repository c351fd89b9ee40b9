package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// witnessed is a sink that keeps records, and notes among them.
type witnessed struct {
	fakeSink
	records []sink.Record
	notes   []*evidence.Note
	times   []time.Time // when notes came
}

func newWitnessed(answer func(ctx context.Context, n int, batch []sink.Record) error) *witnessed {
	w := &witnessed{}
	w.answer = func(ctx context.Context, n int, batch []sink.Record) error {
		if answer != nil {
			if err := answer(ctx, n, batch); err != nil {
				return err
			}
		}
		for _, r := range batch {
			if !isNote(r.Action) {
				r.Body = slices.Clone(r.Body)
				w.records = append(w.records, r)
				continue
			}
			var raw struct{ Note string }
			if err := json.Unmarshal(r.Body, &raw); err != nil {
				return err
			}
			n, err := evidence.Parse(raw.Note)
			if err != nil {
				return err
			}
			if len(w.notes) == 0 || n.Number > w.notes[len(w.notes)-1].Number { // It may come twice.
				w.notes, w.times = append(w.notes, n), append(w.times, time.Now())
			}
		}
		return nil
	}
	return w
}

func (w *witnessed) reasons() (all []string) {
	for _, n := range w.notes {
		all = append(all, string(n.Kind)+" "+n.Reason)
	}
	return all
}

// evident returns a rig whose lane has evidence.
func evident(log *eventLog, w *witnessed) *rig {
	b := newRig(log, &w.fakeSink)
	b.Evidence = signedBy(0)
	return b
}

func signedBy(key int, former ...*evidence.Key) *evidence.Writer {
	return &evidence.Writer{Key: keys[key], Former: former, Organization: "acme"}
}

// seen is a format that keeps what it was given.
type seen struct {
	verbatim
	events *[]source.Event
}

func (s seen) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	*s.events = append(*s.events, *e)
	return s.verbatim.Transform(dst, e)
}

// A lane without evidence gives its format events without a number and a hash, and its
// store the positions of its source. With evidence the same events get the same records,
// and the source the same positions.
func TestWithoutEvidenceNothingChanges(t *testing.T) {
	var bodies [2][]string
	var positions [2][]string
	for i, w := range []*evidence.Writer{nil, signedBy(0)} {
		synctest.Test(t, func(t *testing.T) {
			var events []source.Event
			got := newWitnessed(nil)
			b := newRig(&eventLog{total: 60, page: 25}, &got.fakeSink)
			b.Transformer, b.Evidence = seen{events: &events}, w
			b.catchUp(t)
			for _, e := range events {
				if given := e.Number.Given(); e.Note == "" && (given != (w != nil) || (e.Hash != [32]byte{}) != given) {
					t.Errorf("event %s has number %v and hash %x", e.ID, e.Number, e.Hash)
				}
			}
			for _, r := range got.records {
				bodies[i] = append(bodies[i], string(r.Body))
				if w == nil && (r.Epoch != 0 || r.Sequence != 0) {
					t.Errorf("record %s has number %d, %d", r.ID, r.Epoch, r.Sequence)
				}
			}
			for _, saved := range b.stores.saved {
				pos, _, err := evidence.Split(source.Position(saved))
				if err != nil {
					t.Fatal(err)
				}
				if w == nil && string(pos) != saved {
					t.Errorf("position %s was saved", saved)
				}
				if n := len(positions[i]); n == 0 || positions[i][n-1] != string(pos) {
					positions[i] = append(positions[i], string(pos))
				}
			}
		})
	}
	if diff := cmp.Diff(bodies[0], bodies[1]); diff != "" || len(bodies[0]) != 60 {
		t.Errorf("records without and with evidence (-without +with):\n%s", diff)
	}
	for i := range positions { // How many pages a batch has is by chance.
		if first, last := positions[i][0], positions[i][len(positions[i])-1]; first != "0" || last != "60" {
			t.Errorf("positions %q", positions[i])
		}
	}
}

// A leaf is of what the destination gets, also if the event was hashed before it was
// redacted.
func TestALeafIsOfTheRedactedEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWitnessed(nil)
		b := evident(&eventLog{total: 10}, w)
		b.Audit = &pipeline.Audit{Every: 24 * time.Hour, Organization: "acme", Alone: make(chan struct{}, 1)}
		b.Prepare = func(e *source.Event) (*source.Event, error) {
			redacted := *e
			redacted.Raw = []byte(`{}`)
			return &redacted, nil
		}
		b.catchUp(t)
		catchUp(t, func() *pipeline.Lane { l := b.another(); l.Evidence = b.Evidence; return l }())
		last := w.notes[len(w.notes)-1]
		if len(last.Tags) != 10 {
			t.Fatalf("the note covers %d records", len(last.Tags))
		}
		for i, tag := range last.Tags {
			e := b.log.event(i)
			e.Raw = []byte(`{}`)
			if facts := evidence.FactsOf(&e, false); tag != evidence.TagOf(facts.Leaf()) {
				t.Errorf("the leaf of record %d is not that of what was delivered", i)
			}
		}
	})
}

// A lane at rest writes a note at least every five minutes. Under load a note covers at
// most a thousand records.
func TestWhenNotesAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWitnessed(nil)
		b := evident(&eventLog{total: 5000, page: 300}, w)
		told := 0
		b.Evidence.Tell = func(*evidence.Note, string) { told++ }
		stop := start(b.Lane)
		pass(time.Hour)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		for i, n := range w.notes {
			if len(n.Tags) > 1000 || i > 0 && w.times[i].Sub(w.times[i-1]) > 5*time.Minute {
				t.Errorf("note %d covers %d records, and came %s after the one before", i, len(n.Tags), w.times[i].Sub(w.times[i-1]))
			}
		}
		last := w.notes[len(w.notes)-1]
		if last.Size != 5000 || len(w.notes) > 40 || w.times[0] != b.log.began {
			t.Errorf("%d notes, the first at %s, the last covers %d records", len(w.notes), w.times[0], last.Size)
		}
		s := b.Status()
		want := &pipeline.Evidence{
			Origin: last.Origin, Epoch: 1, Records: 5000, Covered: 5000, Notes: uint64(len(w.notes)), LastNote: last.Time, Key: keys[0].Public,
		}
		if diff := cmp.Diff(want, s.Evidence); diff != "" || told != len(w.notes) || s.Published != 5000 {
			t.Errorf("told of %d notes of %d, published %d; status (-want +got):\n%s", told, len(w.notes), s.Published, diff)
		}
	})
}

// A position stays small however much waits: notes in it cover a thousand records, also if
// none of them can be encoded.
func TestAPositionWithNotesStaysSmall(t *testing.T) {
	const events = 5000
	all := map[string]bool{}
	for i := range events {
		all[id(i)] = true
	}
	for _, test := range []struct {
		name   string
		unable map[string]bool
		most   int
	}{{"of records", nil, 20_000}, {"of rejects", all, 250_000}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := evident(&eventLog{total: events, page: 300}, newWitnessed(nil))
				b.Transformer = verbatim{test.unable}
				b.QueueBytes = 64 << 20
				b.stores.saveErr = func() error { // All that there is waits meanwhile.
					pass(time.Second)
					return nil
				}
				b.catchUp(t)
				for _, saved := range b.stores.saved {
					if len(saved) > test.most {
						t.Errorf("a position has %d bytes, want at most %d", len(saved), test.most)
					}
				}
				if s := b.Status(); s.Evidence.Records != events {
					t.Errorf("%d records are numbered", s.Evidence.Records)
				}
			})
		})
	}
}

// While its destination is down, a lane with evidence goes on to read, and to save what its
// source wants saved. However often it is started meanwhile, its position stays small.
func TestADestinationThatIsDownHoldsUpNoPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		w := newWitnessed(func(context.Context, int, []sink.Record) error {
			if up.Load() {
				return nil
			}
			return errReset
		})
		b := evident(&eventLog{}, w)
		most := 0
		for i := range 30 {
			before := b.stores.saves()
			stop := start(b.Lane)
			pass(10 * time.Minute)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if n := b.stores.saves() - before; i < 16 && n < 8 {
				t.Errorf("in ten minutes %d positions were saved, want one a minute or so", n)
			}
			most = max(most, len(b.stores.saved[len(b.stores.saved)-1]))
		}
		b.log.total = 30
		if most > 12_000 {
			t.Errorf("a position has %d bytes", most)
		}
		up.Store(true)
		b.catchUp(t)
		for i, n := range w.notes {
			if n.Number != uint64(i) {
				t.Errorf("note %d was delivered as note %d", n.Number, i)
			}
		}
		if len(w.records) != 30 || len(w.notes) < 17 {
			t.Errorf("%d records and %d notes were delivered", len(w.records), len(w.notes))
		}
	})
}

// What happened to a lane is why it was taken.
func TestWhyALaneWasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWitnessed(nil)
		b := evident(&eventLog{total: 30}, w)
		b.catchUp(t)
		again := func(writer *evidence.Writer) *pipeline.Lane {
			l := b.another()
			l.Evidence = writer
			catchUp(t, l)
			return l
		}
		again(signedBy(0))
		again(signedBy(1, keys[0]))
		again(signedBy(2))
		b.stores.edit(func(s *evidence.State) source.Position {
			s.Moved = "ann@ops set the position to 5"
			joined, err := s.Join(source.Position("5"))
			if err != nil {
				t.Fatal(err)
			}
			return joined
		})
		again(signedBy(2))
		again(signedBy(2))
		want := []string{"open the log begins", "open started", "open started", "open started", "open ann@ops set the position to 5", "open started"}
		if diff := cmp.Diff(want, w.reasons()); diff != "" {
			t.Errorf("notes (-want +got):\n%s", diff)
		}
		if len(w.notes) != len(want) {
			return
		}
		want = []string{keys[0].Public, "", keys[1].Public, keys[2].Public, "", ""}
		for i, n := range w.notes {
			if n.Key != want[i] || n.Epoch != uint64(i+1) || n.Origin != w.notes[0].Origin {
				t.Errorf("note %d of epoch %d names the key %q, want %q", i, n.Epoch, n.Key, want[i])
			}
		}
		if n := len(w.records); n != 55 || w.records[54].Sequence != 54 {
			t.Errorf("%d records", n)
		}
	})
}

// edit changes the newest position.
func (s *stores) edit(f func(*evidence.State) source.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, state, err := evidence.Split(source.Position(s.saved[len(s.saved)-1]))
	if err != nil || state == nil {
		panic(errors.Join(err, errors.New("the position has no evidence")))
	}
	s.saved = append(s.saved, string(f(state)))
}

// The note that names a new key is signed by the former one, too, if that is known.
func TestAFormerKeySignsTheNew(t *testing.T) {
	for _, former := range [][]*evidence.Key{{keys[3], keys[0]}, nil} {
		synctest.Test(t, func(t *testing.T) {
			w := newWitnessed(nil)
			var signed string
			b := evident(&eventLog{total: 3}, w)
			b.catchUp(t)
			l := b.another()
			l.Evidence = signedBy(1, former...)
			l.Evidence.Tell = func(_ *evidence.Note, text string) { signed = text }
			catchUp(t, l)
			for i, want := range []bool{len(former) > 0, true} {
				v, err := note.NewVerifier(keys[i].Public)
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := evidence.Verify(signed, note.VerifierList(v)); (err == nil) != want {
					t.Errorf("with %d former keys: signed by key %d: %v, want %t", len(former), i, err, want)
				}
			}
		})
	}
}

// Without evidence a lane goes on from the position in an envelope, and says that its log
// ends.
func TestEvidenceThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWitnessed(nil)
		b := evident(&eventLog{total: 30}, w)
		b.catchUp(t)
		b.log.total = 40
		l := b.another()
		catchUp(t, l)
		if got := b.stores.last(); got != 40 || len(w.records) != 40 || len(w.notes) != 1 {
			t.Errorf("position %d, %d records and %d notes", got, len(w.records), len(w.notes))
		}
		want := "warn evidence of the lane ends here: none is configured, and the next position forgets its log"
		if texts := b.lines.texts(t); !slices.Contains(texts, want) {
			t.Errorf("the log has no line %q:\n%s", want, strings.Join(texts, "\n"))
		}
	})
}

// A position whose evidence is damaged is not usable: to go on without it would hide that.
func TestDamagedEvidenceEndsTheLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWitnessed(nil)
		b := evident(&eventLog{total: 30}, w)
		b.catchUp(t)
		last := b.stores.saved[len(b.stores.saved)-1]
		b.stores.saved = append(b.stores.saved, strings.Replace(last, `"size":30`, `"size":31`, 1))
		l := b.another()
		l.Evidence = signedBy(0)
		if err := l.Run(t.Context()); !errors.Is(err, source.ErrUnusable) {
			t.Errorf("got error %v, want that the position is not usable", err)
		}
	})
}

// A note that the destination refuses for good, or that the format cannot state, becomes a
// dead letter, and somebody learns of it. The lane goes on.
func TestANoteThatIsRefused(t *testing.T) {
	refuses := func(_ context.Context, _ int, batch []sink.Record) error {
		for i := range batch {
			if isNote(batch[i].Action) {
				return sink.BatchError{{Index: i, Err: sink.Permanent(errors.New("too large"))}}
			}
		}
		return nil
	}
	for _, test := range []struct {
		name string
		open func(b *rig)
		want string
	}{
		{"by the sink", func(b *rig) { b.sink.answer = refuses }, "too large"},
		{"by the format", func(b *rig) { b.Transformer = noNotes{} }, "transform: no room"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := evident(&eventLog{total: 30}, newWitnessed(nil))
				test.open(b)
				b.catchUp(t)
				if len(b.stores.rejects) != 1 || b.stores.rejects[0].Record.Action != "sluice.open" || b.stores.rejects[0].Reason != test.want {
					t.Errorf("dead letters %+v", b.stores.rejects)
				}
				if s := b.Status(); s.Published != 30 || s.Rejected != 0 || s.Evidence.Pending != 0 {
					t.Errorf("published %d, rejected %d, pending %d", s.Published, s.Rejected, s.Evidence.Pending)
				}
				loud := func(line string) bool { return strings.HasPrefix(line, "error note of evidence refused") }
				if texts := b.lines.texts(t); !slices.ContainsFunc(texts, loud) {
					t.Errorf("the log does not say so:\n%s", strings.Join(texts, "\n"))
				}
			})
		})
	}
	t.Run("by a sink that keeps the position", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			keeper := &rejecting{}
			keeper.answer = refuses
			b := newExactRig(&eventLog{total: 30}, &keeper.ledger)
			b.Open, b.Evidence = func(context.Context) (sink.Sink, error) { return keeper, nil }, signedBy(0)
			b.catchUp(t)
			records, rejects := keeper.committed()
			if len(keeper.done[1].Rejects) != 1 || len(rejects) != 1 || len(records) != 30 {
				t.Errorf("committed %+v", keeper.done)
			}
		})
	})
}

// noNotes is a format that cannot state a note.
type noNotes struct{ verbatim }

func (f noNotes) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	if e.Note != "" {
		return sink.Record{}, errors.New("no room")
	}
	return f.verbatim.Transform(dst, e)
}
