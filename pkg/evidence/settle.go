package evidence

import (
	"crypto/sha256"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Settled is what one position covers: the events behind the position before it.
type Settled struct {
	Leaves   []Leaf        // of all numbered records, from State.Tree.Size on
	Records  []sink.Record // of them those that could be encoded, delivered or not
	Rejects  []sink.Reject // of them those that became dead letters
	Filtered int           // events that were not for the sink
}

// Settle adds what a position covers. It calls seal, which writes a note, whenever one can
// cover no more. room is how many bytes of text a note has for the records it covers.
func (s *State) Settle(done Settled, room int, seal func() error) error {
	rejected := make(map[uint64]*sink.Reject, len(done.Rejects))
	for i := range done.Rejects {
		rejected[done.Rejects[i].Record.Sequence] = &done.Rejects[i]
	}
	for _, leaf := range done.Leaves {
		if s.full(room) {
			if err := seal(); err != nil {
				return err
			}
		}
		if r := rejected[s.Tree.Size]; r != nil {
			s.reject(r)
		}
		s.Append(leaf)
	}
	s.Filtered += uint64(done.Filtered)
	s.Day.count(done, rejected)
	return nil
}

// reject says that the next record became a dead letter.
func (s *State) reject(r *sink.Reject) {
	f := Facts{Form: Shortened, ID: r.Record.ID, Organization: r.Record.Organization, Hash: sha256.Sum256(r.Raw)}
	s.Rejected = append(s.Rejected, Rejected{Sequence: s.Tree.Size, Tag: TagOf(f.Leaf()), ID: beginning(r.Record.ID)})
}

// count adds what a position covers. Each event counts once as delivered, filtered or
// rejected.
func (d *Day) count(done Settled, rejected map[uint64]*sink.Reject) {
	all, rejects, filtered := uint64(len(done.Leaves)), uint64(len(done.Rejects)), uint64(done.Filtered)
	d.Listed += all + filtered
	d.Filtered += filtered
	d.Rejected += rejects
	d.Delivered += all - rejects
	for i := range done.Records {
		if rejected[done.Records[i].Sequence] == nil {
			d.mark(&done.Records[i])
		}
	}
	for i := range done.Rejects {
		d.mark(&done.Rejects[i].Record)
	}
}

func (d *Day) mark(r *sink.Record) {
	if r.Late {
		d.Late++
	}
	if r.Action == source.GapAction {
		d.Gaps++
	}
}

const (
	// sealRecords is how many records wait for a note at most, if none of them waits for
	// long.
	sealRecords = 256
	// sealAfter is the time between two notes of a lane at rest. It saves its position once a
	// minute, so there is a note at least every five.
	sealAfter = 4 * time.Minute
	// mostRecords is how many records a note covers at most, and leastRecords how many it
	// covers at least before there is another, however little room it has.
	mostRecords, leastRecords = 1000, 16
)

// Due reports whether a seal is due. One that waits to be delivered is enough to tell that
// time has passed.
func (s *State) Due(now time.Time) bool {
	return len(s.Tags) >= sealRecords || len(s.Pending) == 0 && now.Sub(s.Last).Abs() >= sealAfter
}

// DayOver reports whether a statement about the day is due: another day of UTC has begun.
func (s *State) DayOver(now time.Time) bool {
	const day = 24 * time.Hour
	return now.Truncate(day).After(s.Day.From.Truncate(day))
}

// These are the bytes of a note's text for a record, and those for a rejected one besides.
const (
	tagText      = 11
	rejectedText = 136
)

// full reports whether a note can cover no more records than those that wait.
func (s *State) full(room int) bool {
	n := len(s.Tags)
	return n >= mostRecords || n >= leastRecords && n*tagText+len(s.Rejected)*rejectedText+tagText+rejectedText > room
}

// Room returns how many bytes of text a note has for the records that it covers, in a
// record of so many bytes. Line formats state a note in Base64, beside some fields of their own.
func Room(recordBytes int) int {
	const (
		fields = 1 << 10 // of the record
		fixed  = 3 << 9  // of the text: all but what tells of records, and two signatures
	)
	return (recordBytes-fields)/4*3 - fixed
}

// beginning returns enough of an id to recognise it.
func beginning(id string) string {
	const most = 64
	if len(id) > most {
		return id[:most]
	}
	return id
}
