package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Action is that of the event that tells findings.
const Action = "sluice.audit"

// mostFindings is how many findings an event lists. Its text counts all.
const mostFindings = 50

// NewEvent returns the event that tells the findings of an audit. Its raw bytes have the
// keys of the log's own events. Its id is derived from the lane and the findings, so it is
// the same if they are told again.
func NewEvent(k source.Keys, organization, lane string, o *Outcome) (source.Event, error) {
	metadata := cmp.Or(k.Metadata, "details")
	k = k.Own()
	all, err := json.Marshal(o.Findings)
	if err != nil {
		return source.Event{}, fmt.Errorf("event of an audit: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s", lane, all))
	id := "audit:" + hex.EncodeToString(sum[:16])
	findings := o.Findings[:min(len(o.Findings), mostFindings)]
	details, err := source.RawOf(
		source.Member{Key: "vanished", Value: o.Vanished}, source.Member{Key: "altered", Value: o.Altered},
		source.Member{Key: "unclear_hours", Value: o.Unclear}, source.Member{Key: "findings", Value: findings},
		source.Member{Key: "unlisted_findings", Value: len(o.Findings) - len(findings)},
	)
	if err != nil {
		return source.Event{}, fmt.Errorf("event of an audit: %w", err)
	}
	raw, err := source.RawOf(
		source.Member{Key: k.Verb, Value: "audit"}, source.Member{Key: k.Action, Value: Action},
		source.Member{Key: k.Time, Value: o.At.UTC().Truncate(time.Millisecond)}, source.Member{Key: k.ID, Value: id},
		source.Member{Key: "lane", Value: lane}, source.Member{Key: metadata, Value: json.RawMessage(details)},
		source.Member{Key: "organization", Value: organization}, source.Member{Key: "text", Value: o.text()},
	)
	if err != nil {
		return source.Event{}, fmt.Errorf("event of an audit: %w", err)
	}
	return source.Event{
		ID: id, Time: o.At.UTC().Truncate(time.Millisecond), Read: o.At, Organization: organization,
		Action: Action, Verb: "audit", Text: o.text(), Metadata: details, Raw: raw, Audit: true,
	}, nil
}

// text says for people what was found.
func (o *Outcome) text() string {
	var parts []string
	say := func(n uint64, one, several string) {
		if n == 1 {
			parts = append(parts, "1 "+one)
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf("%d %s", n, several))
		}
	}
	say(o.Vanished, "event has vanished from the log before its time: somebody may have removed it",
		"events have vanished from the log before their time: somebody may have removed them")
	say(o.Altered, "event has other content than when it was delivered", "events have other content than when they were delivered")
	say(o.Unclear, "hour has other events than those that were delivered, and it is not known which",
		"hours have other events than those that were delivered, and it is not known which")
	return "The log was compared with what the lane had delivered. " + strings.Join(parts, "; ") + "."
}
