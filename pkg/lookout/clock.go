package lookout

import (
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// skew is what was said about the clock of a source.
type skew struct {
	on bool // the clocks disagreed at the last look
	at time.Time
}

// skewPause keeps clocks that disagree by a minute now and then from filling the log.
const skewPause = time.Hour

// lookAtClocks says that the clocks of a source and of this machine disagree, once until
// they agree again.
func (l *Lookout) lookAtClocks(sources map[string]source.Usage, now time.Time) {
	for name, usage := range sources {
		known := l.skewed[name]
		if known == nil {
			known = &skew{}
			l.skewed[name] = known
		}
		if usage.ClockSkew == 0 {
			known.on = false
			continue
		}
		if !known.on && now.Sub(known.at) >= skewPause && l.Say(clocksDisagree(name, usage.ClockSkew)) {
			*known = skew{true, now}
		}
	}
}

func clocksDisagree(name string, by time.Duration) ownlog.Event {
	by = by.Round(time.Second)
	e := ownlog.New(ownlog.ClockSkew, ownlog.Party{Type: "source", Name: name},
		fmt.Sprintf("The clocks of source %s and of this machine disagree by %s. Nothing is lost, but times and gaps that are reported may be wrong.", name, by))
	e.Details = map[string]any{"skew_seconds": int64(by.Seconds())}
	return e
}
