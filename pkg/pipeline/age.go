package pipeline

import (
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// ageLimit finds the records of one batch that are older than the destination takes. It is
// asked before each attempt, since a batch may wait for days until a destination takes it.
// It names each record once.
type ageLimit struct {
	most time.Duration // sink.Limits.OldestEvent; 0: there is no limit
	edge time.Time     // records before it were named; zero: none were
}

// passed returns which of the records have passed the limit since it was last asked. The
// event that reports a gap never does: its time is the oldest that the log still has, and
// somebody must learn of it now.
func (l *ageLimit) passed(records []sink.Record) (places []int) {
	edge := time.Now().Add(-l.most)
	if l.most == 0 || !edge.After(l.edge) {
		return nil
	}
	for i := range records {
		if at := records[i].Time; at.Before(edge) && !at.Before(l.edge) && !at.IsZero() && records[i].Action != source.GapAction {
			places = append(places, i)
		}
	}
	l.edge = edge
	return places
}

// screen counts the records of a batch that have become too old. It returns what is to be
// published, and what becomes dead letters if the lane is told to bury them. Those are no
// rejects in a row: the destination was not asked.
func (p *publisher) screen(limit *ageLimit, batch part) (stay part, buried []sink.Reject) {
	places := limit.passed(batch.records)
	if len(places) == 0 {
		return batch, nil
	}
	p.lane.state.leftWindow(len(places))
	if !p.lane.BuryOld {
		if p.toldOld.Due("sent") {
			p.lane.log.Warn().Int("records", len(places)).Str("id", batch.records[places[0]].ID).Stringer("oldest_event", limit.most).
				Str("hint", "the destination may refuse them or give them another time, see its documentation; beyond_window: dead_letter makes dead letters of such events").
				Msg("events are older than the destination takes; they are sent")
		}
		return batch, nil
	}
	for i := range batch.records {
		if len(places) > 0 && places[0] == i {
			buried = append(buried, reject(batch, i, limit.tooOld(batch.records[i].Time)))
			places = places[1:]
			continue
		}
		stay.records = append(stay.records, batch.records[i])
		stay.raws = append(stay.raws, batch.raws[i])
	}
	return stay, buried
}

func (l *ageLimit) tooOld(at time.Time) error {
	return fmt.Errorf("the event is %s old, and the destination takes none older than %s (beyond_window: dead_letter)",
		time.Since(at).Round(time.Second), l.most)
}
