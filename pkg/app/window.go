package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// buriesOld reports whether events that are older than the lane's destination takes become
// dead letters.
func buriesOld(l config.Lane) bool { return l.Sink.BeyondWindow == config.BuryBeyondWindow }

// windowText says what becomes of events that are older than the destination takes; empty
// if it takes events of any age.
func windowText(l config.Lane, limits sink.Limits) string {
	switch {
	case limits.OldestEvent == 0:
		return ""
	case buriesOld(l):
		return fmt.Sprintf("events older than %s are not sent, and become dead letters (beyond_window: dead_letter)", span(limits.OldestEvent))
	}
	return fmt.Sprintf("events older than %s are sent, and the destination may refuse them or give them another time (beyond_window: send)", span(limits.OldestEvent))
}

// warnWithoutWindow warns of a choice that has no effect.
func warnWithoutWindow(l config.Lane, limits sink.Limits, log zerolog.Logger) {
	if limits.OldestEvent == 0 && buriesOld(l) {
		log.Warn().Str("hint", "remove the key from sink "+l.Sink.Name).
			Msg("beyond_window: dead_letter has no effect: the sink takes events of any age")
	}
}

// span writes a duration without the units that are zero at its end, such as 18h.
func span(d time.Duration) string {
	text := d.String()
	if short, ends := strings.CutSuffix(text, "m0s"); ends {
		text = short + "m"
	}
	if short, ends := strings.CutSuffix(text, "h0m"); ends {
		text = short + "h"
	}
	return text
}
