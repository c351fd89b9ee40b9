package lookout

import (
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// letters is what was said about the dead letters of a lane.
type letters struct {
	rejects uint64    // counted when it was last said
	said    time.Time // when that was
}

// A lane says at most once a minute how many dead letters there are. A lane of the own log
// whose sink refuses its events would go on for ever: each event makes a dead letter, and
// each dead letter an event.
const (
	lettersPause    = time.Minute
	ownLettersPause = time.Hour
)

func (l *Lookout) lookAtLetters(here []pipeline.Status, now time.Time) {
	for i := range here {
		s := &here[i]
		known, pause := &l.lanes[s.Lane].letters, lettersPause
		if s.Source == sink.OwnSource {
			pause = ownLettersPause
		}
		if s.Rejected < known.rejects { // The lane is another one of that name.
			known.rejects = 0
		}
		more := s.Rejected - known.rejects
		if more > 0 && now.Sub(known.said) >= pause && l.Say(deadLetters(s, more)) {
			*known = letters{s.Rejected, now}
		}
	}
}

func deadLetters(s *pipeline.Status, count uint64) ownlog.Event {
	text := fmt.Sprintf("Lane %s has %d new dead letters: sluice deadletter list shows the reasons.", s.Lane, count)
	if count == 1 {
		text = fmt.Sprintf("Lane %s has 1 new dead letter: sluice deadletter list shows the reason.", s.Lane)
	}
	e := ownlog.New(ownlog.DeadLetters, ofLane(s), text)
	e.Details = detailsOf(s)
	e.Details["count"], e.Details["since_start"] = count, s.Rejected
	return e
}
