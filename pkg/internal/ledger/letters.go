package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/letter"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// The headers of a dead letter, all UTF-8 text. The value is the JSON line that package
// letter describes, or a part of it. The parts of a letter follow each other; joined
// they are the line.
const (
	headerID     = "sluice-event-id"
	headerReason = "sluice-reason"
	headerPart   = "sluice-part" // for example 1/3
	headerType   = "content-type"
)

// HeaderLane is the header of records and dead letters with the lane that wrote them, for
// example acme/siem.
const HeaderLane = "sluice-lane"

const (
	// partBytes bounds a value. A topic takes 1 MiB by default.
	partBytes = 512 << 10
	// reasonBytes bounds the reason in the header; the value has all of it.
	reasonBytes = 1 << 10
)

func (r *remote) letterRecords(lane string, rejects []sink.Reject) ([]kgo.Record, error) {
	var records []kgo.Record
	for i := range rejects {
		var line bytes.Buffer
		if err := letter.Encode(&line, letter.Letter{Lane: lane, Reject: rejects[i]}); err != nil {
			return nil, fmt.Errorf("encoding dead letter of event %s: %w", rejects[i].Record.ID, err)
		}
		records = append(records, r.letterParts(lane, &rejects[i], bytes.TrimSuffix(line.Bytes(), []byte("\n")))...)
	}
	return records, nil
}

func (r *remote) letterParts(lane string, reject *sink.Reject, line []byte) []kgo.Record {
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
				{Key: HeaderLane, Value: []byte(lane)},
				{Key: headerReason, Value: bytes.ToValidUTF8([]byte(reason), []byte("\uFFFD"))},
				{Key: headerPart, Value: fmt.Appendf(nil, "%d/%d", i+1, total)},
				{Key: headerType, Value: []byte("application/json")},
			},
			Timestamp: reject.Time,
		}
	}
	return parts
}

// Rejects reads the dead letters of the lane that are committed by now and were not
// redriven. Within a partition they come in the order of their commits; a topic that the
// ledger created has one partition. An error is about one letter that is skipped, or it
// ends the sequence. Rejects does not take the lane.
func (l *Ledger) Rejects(ctx context.Context) iter.Seq2[sink.Reject, error] {
	return func(yield func(sink.Reject, error) bool) {
		for stored, err := range (&remote{settings: l.settings}).letters(ctx, l.lane, redriven{}) {
			if !yield(stored.Reject, cmp.Or(err, stored.unreadable)) {
				return
			}
		}
	}
}

// stored is a dead letter in its topic.
type stored struct {
	sink.Reject
	unreadable error         // why it cannot be read; nil if it can
	parts      []*kgo.Record // of an unreadable one
	partition  int32
	next       int64 // offset behind it
}

// letters reads the dead letters of a lane that were not redriven. done is filled with what
// was redriven before. An error ends the sequence.
func (r *remote) letters(ctx context.Context, lane string, done redriven) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		c, err := r.client()
		if err != nil {
			yield(stored{}, err)
			return
		}
		defer c.Close()
		v := view{remote: r, client: c, topic: r.settings.DeadLetters}
		described, err := v.metadata(ctx, v.topic)
		if errors.Is(err, kerr.UnknownTopicOrPartition) { // the first taking creates it
			return
		}
		if err != nil {
			yield(stored{}, v.explain(fmt.Errorf("reading dead letters: %w", err), v.topic))
			return
		}
		ends := map[int32]int64{}
		for _, p := range described.Partitions {
			v.number = p.Partition
			if ends[v.number], err = v.readRedriven(ctx, lane, done); err != nil {
				yield(stored{}, err)
				return
			}
		}
		for _, p := range described.Partitions {
			v.number = p.Partition
			for l, err := range v.lettersFrom(ctx, lane, done[v.number], ends[v.number]) {
				if !yield(l, err) || err != nil {
					return
				}
			}
		}
	}
}

// lettersFrom reads the letters of a lane in the partition, from one offset to another.
func (v *view) lettersFrom(ctx context.Context, lane string, from, end int64) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		var parts []*kgo.Record
		for r, err := range v.newestRecords(ctx, end, end-from) {
			if err != nil {
				yield(stored{}, err)
				return
			}
			if header(r, HeaderLane) != lane {
				continue
			}
			part, last, _ := strings.Cut(header(r, headerPart), "/")
			if part == "1" {
				parts = nil
			}
			parts = append(parts, r)
			if part == last && !yield(v.stored(parts), nil) {
				return
			}
		}
	}
}

// stored decodes a letter.
func (v *view) stored(parts []*kgo.Record) stored {
	var line []byte
	for _, r := range parts {
		line = append(line, r.Value...)
	}
	offset := parts[len(parts)-1].Offset
	s := stored{partition: v.number, next: offset + 1}
	l, err := letter.Decode(line)
	if err != nil {
		s.unreadable = fmt.Errorf("dead letter at offset %d of partition %d of topic %s: %w", offset, v.number, v.topic, err)
		s.parts = parts
	}
	s.Reject = l.Reject
	return s
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}
