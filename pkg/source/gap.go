package source

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// GapAction is the action of the event that reports a gap.
const GapAction = "sluice.gap"

// NewGap returns the event that tells a lane that events of an interval may be missing. Its
// raw bytes have the keys of the log's own events. Its id is derived from the lane and the
// interval, so it is the same if the gap is reported again.
func NewGap(k Keys, organization, lane string, missing Interval) (Event, error) {
	k = k.Own()
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d", lane, missing.From.UnixMilli(), missing.To.UnixMilli()))
	id := "gap:" + hex.EncodeToString(sum[:16])
	raw, err := RawOf(
		Member{Key: k.Verb, Value: "gap"}, Member{Key: k.Action, Value: GapAction},
		Member{Key: k.Time, Value: missing.To}, Member{Key: "from", Value: missing.From},
		Member{Key: k.ID, Value: id}, Member{Key: "lane", Value: lane},
		Member{Key: "organization", Value: organization},
		Member{Key: "text", Value: "Events of this interval may be missing: the audit log no longer reached back to where the lane had stopped."},
		Member{Key: "to", Value: missing.To},
	)
	if err != nil {
		return Event{}, fmt.Errorf("gap event: %w", err)
	}
	return Event{
		ID: id, Time: missing.To, Read: time.Now().UTC(), Organization: organization,
		Action: GapAction, Verb: "gap", Raw: raw, Gap: true,
	}, nil
}
