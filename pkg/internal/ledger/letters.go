package ledger

import (
	"bytes"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/letter"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// The headers of a dead letter, all UTF-8 text. The value is the line that
// package letter describes, JSON, or a part of one: the parts of a letter follow
// each other, and put together are the line.
const (
	headerID     = "sluice-event-id"
	headerLane   = "sluice-lane"
	headerReason = "sluice-reason"
	headerPart   = "sluice-part" // such as 1/3
	headerType   = "content-type"
)

const (
	// partBytes bounds a value: a topic takes 1 MiB unless it was told otherwise.
	partBytes = 512 << 10
	// reasonBytes bounds the reason in the header; the value has all of it.
	reasonBytes = 1 << 10
)

// letters are the records of dead letters.
func (r *remote) letters(lane string, rejects []sink.Reject) ([]kgo.Record, error) {
	var records []kgo.Record
	for i := range rejects {
		var line bytes.Buffer
		if err := letter.Encode(&line, letter.Letter{Lane: lane, Reject: rejects[i]}); err != nil {
			return nil, fmt.Errorf("encoding dead letter of event %s: %w", rejects[i].Record.ID, err)
		}
		records = append(records, r.parts(lane, &rejects[i], bytes.TrimSuffix(line.Bytes(), []byte("\n")))...)
	}
	return records, nil
}

func (r *remote) parts(lane string, reject *sink.Reject, line []byte) []kgo.Record {
	reason := reject.Reason[:min(len(reject.Reason), reasonBytes)]
	total := (len(line) + partBytes - 1) / partBytes
	parts := make([]kgo.Record, total)
	for i := range parts {
		parts[i] = kgo.Record{
			Topic: r.settings.DeadLetters,
			Key:   []byte(reject.Record.ID),
			Value: line[i*partBytes : min(len(line), (i+1)*partBytes)],
			Headers: []kgo.RecordHeader{
				{Key: headerID, Value: []byte(reject.Record.ID)},
				{Key: headerLane, Value: []byte(lane)},
				{Key: headerReason, Value: bytes.ToValidUTF8([]byte(reason), []byte("\uFFFD"))},
				{Key: headerPart, Value: fmt.Appendf(nil, "%d/%d", i+1, total)},
				{Key: headerType, Value: []byte("application/json")},
			},
			Timestamp: reject.Time,
		}
	}
	return parts
}
