package splunkhec

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// The indexed fields of an event; see the package's documentation.
const (
	fieldID           = "sluice_event_id"
	fieldOrganization = "sluice_organization"
	fieldAction       = "sluice_action"
	fieldReplayed     = "sluice_replayed"
	fieldOwnToken     = "sluice_own_token"
	fieldEpoch        = "sluice_epoch"
	fieldSequence     = "sluice_sequence"
)

// envelope encodes events in HEC's format (Splunk, "Format events for HTTP Event
// Collector"). The part that is the same in all events is encoded once.
type envelope struct {
	head []byte // host, source, sourcetype and index, each followed by a comma
}

func newEnvelope(s *Settings, host, dataset string) envelope {
	if s.Host != "" {
		host = s.Host
	}
	var head []byte
	for _, m := range [...]struct{ key, value string }{
		{"host", host}, {"source", s.Source}, {"sourcetype", cmp.Or(s.Sourcetype, defaultSourcetype(dataset))}, {"index", s.Index},
	} {
		if m.value != "" {
			head = rawjson.AppendString(append(append(append(head, '"'), m.key...), `":`...), m.value)
			head = append(head, ',')
		}
	}
	return envelope{head}
}

// defaultSourcetype is what Splunk calls a dataset.
func defaultSourcetype(dataset string) string { return strings.ReplaceAll(dataset, ".", ":") }

// append appends a record in HEC's format.
func (e envelope) append(dst []byte, r *sink.Record) []byte {
	dst = append(dst, '{')
	dst = appendTime(dst, r)
	dst = append(dst, e.head...)
	dst = appendFields(dst, r)
	dst = append(dst, `"event":`...)
	return append(posting.AppendBody(dst, r), '}', '\n')
}

// appendTime writes epoch seconds with three decimals. It uses integers, since a
// float64 would sometimes be off by a millisecond. It leaves out a time before 1970;
// Splunk then uses the time of receipt.
func appendTime(dst []byte, r *sink.Record) []byte {
	ms := r.Time.UnixMilli()
	if ms < 0 {
		return dst
	}
	dst = strconv.AppendInt(append(dst, `"time":`...), ms/1000, 10)
	rest := ms % 1000
	return append(dst, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10), ',')
}

func appendFields(dst []byte, r *sink.Record) []byte {
	dst = append(dst, `"fields":{"`+fieldID+`":`...)
	dst = rawjson.AppendString(dst, r.ID)
	if r.Organization != "" {
		dst = rawjson.AppendString(append(dst, `,"`+fieldOrganization+`":`...), r.Organization)
	}
	if r.Action != "" {
		dst = rawjson.AppendString(append(dst, `,"`+fieldAction+`":`...), r.Action)
	}
	if r.Replayed {
		dst = append(dst, `,"`+fieldReplayed+`":"true"`...)
	}
	if r.OwnToken {
		dst = append(dst, `,"`+fieldOwnToken+`":"true"`...)
	}
	if r.Epoch > 0 {
		dst = strconv.AppendUint(append(dst, `,"`+fieldEpoch+`":"`...), r.Epoch, 10)
		dst = strconv.AppendUint(append(dst, `","`+fieldSequence+`":"`...), r.Sequence, 10)
		dst = append(dst, '"')
	}
	return append(dst, '}', ',')
}
