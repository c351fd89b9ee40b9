package kafka

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// The headers of a record; see the package's documentation.
const (
	headerID      = "sluice-event-id"
	headerTime    = "sluice-event-time"
	headerAction  = "sluice-action"
	headerFormat  = "sluice-format"
	headerSchema  = "sluice-schema-version"
	headerContent = "content-type"
	headerLane    = ledger.HeaderLane

	// Only where it is so; the value is "true".
	headerReplayed = "sluice-replayed"
	headerOwnToken = "sluice-own-token"

	// Only in lanes with evidence.
	headerEpoch        = "sluice-epoch"
	headerSequence     = "sluice-sequence"
	headerOrganization = "sluice-organization"

	headersPerRecord = 7 // without those
	schemaVersion    = "1"
)

// records is the memory for encoded batches; each batch reuses it.
type records struct {
	list    []kgo.Record
	headers []kgo.RecordHeader
	text    []byte // keys and values of headers
}

// encode turns a lane's batch into kgo records. It does not copy the bodies, and the
// result is valid until release.
func (m *records) encode(batch []sink.Record, topic, lane string) []kgo.Record {
	now := time.Now()
	by := m.copy(lane)
	for i := range batch {
		r := &batch[i]
		first := len(m.headers)
		m.header(headerID, m.copy(r.ID))
		m.header(headerTime, m.time(r.Time))
		m.header(headerAction, m.copy(r.Action))
		m.header(headerFormat, m.copy(r.Format))
		m.header(headerSchema, m.copy(schemaVersion))
		m.header(headerContent, m.copy(r.MediaType))
		m.header(headerLane, by)
		m.mark(headerReplayed, r.Replayed)
		m.mark(headerOwnToken, r.OwnToken)
		if r.Epoch > 0 {
			m.header(headerEpoch, m.number(r.Epoch))
			m.header(headerSequence, m.number(r.Sequence))
			m.header(headerOrganization, m.copy(r.Organization))
		}
		m.list = append(m.list, kgo.Record{
			Topic:     topic,
			Key:       m.key(r.Key),
			Value:     r.Body,
			Headers:   m.headers[first:len(m.headers):len(m.headers)],
			Timestamp: now,
		})
	}
	return m.list
}

// release drops the references to the batch and its bodies, and keeps the memory.
func (m *records) release() {
	clear(m.list)
	clear(m.headers)
	m.list, m.headers, m.text = m.list[:0], m.headers[:0], m.text[:0]
}

func (m *records) header(key string, value []byte) {
	m.headers = append(m.headers, kgo.RecordHeader{Key: key, Value: value})
}

func (m *records) mark(key string, is bool) {
	if is {
		m.header(key, m.copy("true"))
	}
}

// key returns nil for a record without a key: an empty key would put all of those
// into one partition.
func (m *records) key(key string) []byte {
	if key == "" {
		return nil
	}
	return m.copy(key)
}

func (m *records) copy(s string) []byte {
	first := len(m.text)
	m.text = append(m.text, s...)
	return m.text[first:len(m.text):len(m.text)]
}

func (m *records) number(n uint64) []byte {
	first := len(m.text)
	m.text = strconv.AppendUint(m.text, n, 10)
	return m.text[first:len(m.text):len(m.text)]
}

func (m *records) time(t time.Time) []byte {
	first := len(m.text)
	m.text = t.UTC().AppendFormat(m.text, time.RFC3339Nano)
	return m.text[first:len(m.text):len(m.text)]
}
