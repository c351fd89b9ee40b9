package objects

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/sluice-siem/sluice/pkg/internal/objectlog"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// unfit names records that cannot be a line.
func unfit(batch []sink.Record) sink.BatchError {
	var bad sink.BatchError
	for i := range batch {
		if bytes.IndexByte(batch[i].Body, '\n') >= 0 {
			bad = append(bad, sink.RecordError{Index: i, Err: sink.Permanent(errors.New("record contains a line end"))})
		}
	}
	return bad
}

// fitting returns the records that bad does not name.
func fitting(batch []sink.Record, bad sink.BatchError) []sink.Record {
	if bad == nil {
		return batch
	}
	var good []sink.Record
	for i := range batch {
		if len(bad) > 0 && bad[0].Index == i {
			bad = bad[1:]
			continue
		}
		good = append(good, batch[i])
	}
	return good
}

// pack is a batch on its way into an object. It reads the records only until the Publish
// returns.
type pack struct {
	*bucket
	batch  []sink.Record
	digest string // SHA-256 of the ids
}

func (b *bucket) pack(batch []sink.Record) *pack {
	sum := sha256.New()
	for i := range batch {
		fmt.Fprintf(sum, "%d:%s\n", len(batch[i].ID), batch[i].ID)
	}
	return &pack{b, batch, hex.EncodeToString(sum.Sum(nil))}
}

// same identifies the arguments of a PublishAt.
func (p *pack) same(rejects []sink.Reject, pos []byte) string {
	sum := sha256.New()
	for _, r := range rejects {
		fmt.Fprintf(sum, "%d:%s\n", len(r.Record.ID), r.Record.ID)
	}
	fmt.Fprintf(sum, "%s", pos)
	return p.digest + hex.EncodeToString(sum.Sum(nil))
}

// key returns the key of the object, which is delivered at a time. name tells it from others
// of the lane.
func (p *pack) key(at time.Time, name string) string {
	return fmt.Sprintf("organization=%s/date=%s/hour=%02d/%s-%s%s",
		p.organization(), at.Format(time.DateOnly), at.Hour(), objectlog.LaneName(p.lane), name, p.suffix())
}

// longestName leaves room in a key, which has at most 1,024 bytes.
const longestName = 128

// organization is that of the events. A lane has one as long as its source has one.
func (p *pack) organization() string {
	name := p.batch[0].Organization
	for i := range p.batch {
		if p.batch[i].Organization != name {
			return "_several"
		}
	}
	switch escaped := objectlog.Escape(name); {
	case escaped == "":
		return "_none"
	case len(escaped) > longestName:
		sum := sha256.Sum256([]byte(name))
		return escaped[:longestName] + "-" + hex.EncodeToString(sum[:4])
	default:
		return escaped
	}
}

// suffix tells what is in the object. Readers such as Athena decompress by it.
func (p *pack) suffix() string {
	suffix := ".log"
	if p.batch[0].MediaType == mediaJSON {
		suffix = ".ndjson"
	}
	if p.of.Compression == "gzip" {
		suffix += ".gz"
	}
	return suffix
}

const mediaJSON = "application/json"

// object returns the object of the batch.
func (p *pack) object() (objectstore.Object, error) {
	var body bytes.Buffer
	for i := range p.batch {
		body.Write(p.batch[i].Body)
		body.WriteByte('\n')
	}
	sum := sha256.Sum256(body.Bytes())
	o := objectstore.Object{Body: body.Bytes(), Type: "text/plain; charset=utf-8", Class: p.of.Class, Metadata: p.metadata(hex.EncodeToString(sum[:]))}
	if p.batch[0].MediaType == mediaJSON {
		o.Type = "application/x-ndjson"
	}
	if p.of.Compression == "gzip" {
		var err error
		if o.Body, err = compress(o.Body); err != nil {
			return o, err
		}
		// Not Content-Encoding: then some clients decompress what they download, and others
		// do not.
		o.Type = "application/gzip"
	}
	o.Lock = p.of.Lock
	return o, nil
}

func compress(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(text); err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	return out.Bytes(), nil
}

func (p *pack) metadata(sum string) map[string]string {
	earliest, latest := p.batch[0].Time, p.batch[0].Time
	for i := range p.batch {
		if at := p.batch[i].Time; at.Before(earliest) {
			earliest = at
		} else if at.After(latest) {
			latest = at
		}
	}
	return map[string]string{
		"sluice-lane":       objectlog.LaneName(p.lane),
		"sluice-count":      strconv.Itoa(len(p.batch)),
		"sluice-first-id":   printable(p.batch[0].ID),
		"sluice-last-id":    printable(p.batch[len(p.batch)-1].ID),
		"sluice-first-time": earliest.UTC().Format(time.RFC3339Nano),
		"sluice-last-time":  latest.UTC().Format(time.RFC3339Nano),
		"sluice-format":     p.batch[0].Format,
		"sluice-sha256":     sum,
	}
}

// printable is an id as it fits into a header. Any text can be an id.
func printable(id string) string {
	escaped := url.QueryEscape(id)
	return escaped[:min(len(escaped), longestName)]
}
