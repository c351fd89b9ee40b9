package evidence_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

func someKey(t *testing.T) *evidence.Key {
	t.Helper()
	private, _, err := evidence.NewKey("acme")
	if err != nil {
		t.Fatal(err)
	}
	key, err := evidence.ParseKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func leaves(n int) (all []evidence.Leaf) {
	for i := range n {
		all = append(all, evidence.Leaf{byte(i), byte(i >> 8)})
	}
	return all
}

// settle settles, and returns how many records each note covers.
func settle(t *testing.T, s *evidence.State, done evidence.Settled, recordBytes int) (covered []int) {
	t.Helper()
	key := someKey(t)
	err := s.Settle(done, evidence.Room(recordBytes), func() error {
		covered = append(covered, len(s.Tags))
		return s.Write(evidence.Seal, time.Unix(1, 0), func(*evidence.Note) {}, key)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, signed := range s.Pending {
		if n := len(signed); recordBytes > 8000 && n > recordBytes*3/4 {
			t.Errorf("a note has %d bytes, too many for a record of %d", n, recordBytes)
		}
	}
	return covered
}

func TestHowManyRecordsANoteCovers(t *testing.T) {
	for _, test := range []struct {
		name             string
		records, rejects int
		bytes            int
		want             []int
	}{
		{"none yet", 1000, 0, 1 << 20, nil},
		{"a thousand at most", 2500, 0, 1 << 20, []int{1000, 1000}},
		{"fewer in a record of 8 kB", 700, 0, 8000, []int{323, 323}},
		{"fewer if they are rejected, too", 100, 100, 8000, []int{25, 25, 25}},
		{"some, however small the record", 40, 0, 100, []int{16, 16}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := evidence.New("acme", "acme/siem")
			done := evidence.Settled{Leaves: leaves(test.records)}
			for i := range test.rejects {
				done.Rejects = append(done.Rejects, sink.Reject{Record: sink.Record{ID: strings.Repeat("x", 100), Sequence: uint64(i)}})
			}
			if diff := cmp.Diff(test.want, settle(t, &s, done, test.bytes)); diff != "" {
				t.Errorf("records that notes cover (-want +got):\n%s", diff)
			}
			if s.Tree.Size != uint64(test.records) {
				t.Errorf("the log has %d records", s.Tree.Size)
			}
		})
	}
}

func TestWhenASealIsDue(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, test := range []struct {
		name    string
		tags    int
		last    time.Duration // before now
		pending bool
		want    bool
	}{
		{"nothing happened", 0, time.Minute, false, false},
		{"records wait, not for long", 255, 3 * time.Minute, false, false},
		{"many records wait", 256, 0, false, true},
		{"time has passed", 0, 4 * time.Minute, false, true},
		{"the clock went back", 0, -time.Hour, false, true},
		{"a note waits that says so", 0, time.Hour, true, false},
	} {
		s := evidence.New("acme", "acme/siem")
		s.Tags, s.Last = make([]evidence.Tag, test.tags), now.Add(-test.last)
		if test.pending {
			s.Pending = []string{"note"}
		}
		if got := s.Due(now); got != test.want {
			t.Errorf("%s: due %t, want %t", test.name, got, test.want)
		}
	}
}

// What a day had is counted once for each event, in whatever way it ended.
func TestADayIsCounted(t *testing.T) {
	s := evidence.New("acme", "acme/siem")
	late := sink.Record{ID: "e1", Sequence: 1, Late: true}
	settle(t, &s, evidence.Settled{
		Leaves:   leaves(5),
		Records:  []sink.Record{{ID: "e0"}, late, {ID: "e2", Sequence: 2, Late: true}, {ID: "gap:1", Sequence: 4, Action: source.GapAction}},
		Rejects:  []sink.Reject{{Record: late}, {Record: sink.Record{ID: "e3", Sequence: 3}}},
		Filtered: 7,
	}, 1<<20)
	want := evidence.Day{Listed: 12, Delivered: 3, Filtered: 7, Rejected: 2, Late: 2, Gaps: 1}
	if diff := cmp.Diff(want, s.Day); diff != "" {
		t.Errorf("day (-want +got):\n%s", diff)
	}
	if len(s.Rejected) != 2 || s.Rejected[0].Sequence != 1 || s.Rejected[1].ID != "e3" {
		t.Errorf("rejected %+v", s.Rejected)
	}
}

// A position keeps all of a state, and the source's own part to the byte.
func TestAPositionKeepsAState(t *testing.T) {
	s := evidence.New("acme", "acme/siem")
	settle(t, &s, evidence.Settled{Leaves: leaves(1300), Filtered: 3, Rejects: []sink.Reject{{Record: sink.Record{ID: "e\"\xff", Sequence: 1200}, Raw: []byte("{}")}}}, 1<<20)
	s.Epoch, s.Key, s.Moved, s.Through = 7, "acme+1+x", "ann", time.Unix(5, 0).UTC()
	own := source.Position(`{ "floor" : "<&>" , "ids":[1]}`)
	pos, err := s.Join(own)
	if err != nil {
		t.Fatal(err)
	}
	inner, kept, err := evidence.Split(pos)
	if err != nil || string(inner) != string(own) {
		t.Fatalf("got position %s and error %v", inner, err)
	}
	s.Rejected[0].ID = "e\"\uFFFD"
	if diff := cmp.Diff(fmt.Sprintf("%+v", s), fmt.Sprintf("%+v", *kept)); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	if again, err := kept.Join(own); err != nil || string(again) != strings.Replace(string(pos), `\ufffd`, "\uFFFD", 1) {
		t.Errorf("the same state makes another position, or error %v", err)
	}
}

// What is no envelope is the source's own, and a damaged one is refused.
func TestWhatAPositionMayBe(t *testing.T) {
	for _, own := range []string{`1`, `"0101"`, `{}`, `{"position":1}`, `{"floor":"x","evidence":null}`, ``} {
		if pos, s, err := evidence.Split(source.Position(own)); err != nil || s != nil || string(pos) != own {
			t.Errorf("%s: got %s, %v, %v", own, pos, s, err)
		}
	}
	s := evidence.New("acme", "acme/siem")
	settle(t, &s, evidence.Settled{Leaves: leaves(3)}, 1<<20)
	good, err := s.Join(source.Position("1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range [][2]string{
		{`"size":3`, `"size":4`}, {`"size":3`, `"size":2`}, {`"from":0`, `"from":1`}, {`"tags":"`, `"tags":"AAAA`}, {`"edge":"`, `"edge":"!`},
	} {
		bad := strings.Replace(string(good), test[0], test[1], 1)
		if _, _, err := evidence.Split(source.Position(bad)); bad == string(good) || err == nil {
			t.Errorf("%s in place of %s is no error", test[1], test[0])
		}
	}
}
