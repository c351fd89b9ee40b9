package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"unsafe"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/internal/timestamp"
)

// ecs returns what a record of the Elastic Common Schema states.
func (p *Parser) ecs(o *object) (Claim, error) {
	if _, known := p.types[o.text(ecsDataset)]; !known {
		return Claim{}, foreign("a record of the dataset " + o.text(ecsDataset) + ", which this build does not know")
	}
	c := Claim{
		Facts: evidence.Facts{
			Form: evidence.Whole, ID: o.text(ecsID), Action: o.text(ecsAction), Actor: o.text(ownActor), Address: o.text(ecsAddress),
			Object: o.text(ownFirst), Container: o.text(ownSecond), Organization: o.text(ecsOrganization),
		},
		Note: o.text(ownNote), Replayed: o.text(ownReplayed) == "true",
	}
	d := denial{&c}
	d.number(o, ownEpoch, ecsSequence)
	switch {
	case o.text(ecsKind) == "pipeline_error" && o.values[ownProblem].there:
		c.Facts.Form = evidence.Undecoded
	case o.text(ecsKind) != "event" || o.values[ownProblem].there:
		d.says("event.kind is %q, and that is not what the problem says", o.text(ecsKind))
	case o.values[ownTruncated].there:
		c.Facts.Form = evidence.Shortened
	}
	d.time(o.text(ecsTime))
	d.hash(o.text(ecsHash))
	d.copies(o)
	if o.values[ecsOriginal].there {
		d.original(o.text(ecsOriginal), o.values[ownBase64])
	}
	d.twice(o)
	return c, nil
}

// denial notes what denies the rest of a claim. The first one is kept.
type denial struct{ *Claim }

func (d denial) says(format string, args ...any) {
	if d.Contradiction == "" {
		d.Contradiction = fmt.Sprintf(format, args...)
	}
}

func (d denial) number(o *object, epoch, sequence field) {
	if !o.values[epoch].there && !o.values[sequence].there {
		return
	}
	e, err := o.number(epoch)
	s, other := o.number(sequence)
	if err := errors.Join(err, other); err != nil || e == 0 {
		d.says("its number is not whole")
		return
	}
	d.Number.Epoch, d.Number.Sequence = e, s
}

func (d denial) time(text string) {
	t, ok := timestamp.Parse(text)
	if !ok {
		d.says("%q is no time", text)
	}
	d.Facts.Time = t
}

func (d denial) hash(text string) {
	if len(text) != 2*sha256.Size {
		d.says("%q is no SHA-256", text)
		return
	}
	var sum [sha256.Size]byte
	if _, err := hex.Decode(sum[:], []byte(text)); err != nil {
		d.says("%q is no SHA-256", text)
	}
	d.Facts.Hash = sum
}

// original compares the raw event with its hash. If it was not UTF-8, it is there a second
// time, in Base64.
func (d denial) original(text string, inBase64 value) {
	raw := unsafe.Slice(unsafe.StringData(text), len(text)) // It is only read.
	if inBase64.there {
		var err error
		if raw, err = base64.StdEncoding.DecodeString(inBase64.text); err != nil {
			d.says("the original event is no Base64")
			return
		}
	}
	if sha256.Sum256(raw) != d.Facts.Hash {
		d.says("the hash is not that of the original event")
	}
}
