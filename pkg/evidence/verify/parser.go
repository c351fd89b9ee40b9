package verify

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Beside is what a destination keeps beside the body of a record: Kafka's headers, HEC's
// indexed fields, the structured data of RFC 5424. Every field may be empty.
type Beside struct {
	Number       source.Number
	Lane         string
	ID           string
	Organization string
	Action       string
	Time         time.Time
	Replayed     bool
}

// Parser reads the bodies of records, of every format. It is safe for concurrent use.
type Parser struct {
	types   map[string]*source.Type // by dataset
	devices map[string]string       // what the own keys of CEF begin with, by the header's vendor and device
	root    *tree                   // of ECS and OCSF
	raws    []*tree
	again   *remap // nil: originals are not mapped again
	objects sync.Pool
}

// NewParser returns a Parser for the logs of these types.
func NewParser(types []source.Type) *Parser {
	p := &Parser{types: map[string]*source.Type{}, devices: map[string]string{}, root: treeOf(types)}
	for i := range types {
		product := &types[i].Product
		p.types[product.Dataset] = &types[i]
		vendor, device := headerOf(product)
		p.devices[vendor+"|"+device] = wordOf(product.Vendor) + wordOf(deviceOf(product))
		p.raws = append(p.raws, rawTree(product.Keys))
	}
	p.objects.New = func() any { return new(object) }
	return p
}

// ErrForeign means that a body is no record of Sluice.
var ErrForeign = errors.New("no record of Sluice")

// foreignError is ErrForeign, with what a body is instead.
type foreignError struct{ what string }

func (e *foreignError) Error() string { return ErrForeign.Error() + ": " + e.what }
func (e *foreignError) Unwrap() error { return ErrForeign }

func foreign(what string) error { return &foreignError{what} }

// Record returns what a record states. The claim has no place, and shares memory with body.
// The error is ErrForeign, with what the body is instead.
func (p *Parser) Record(body []byte, beside Beside) (Claim, error) {
	c, err := p.body(bytes.TrimSpace(body), beside.ID != "")
	if err == nil {
		beside.complete(&c)
	}
	return c, err
}

func (p *Parser) body(body []byte, named bool) (Claim, error) {
	switch {
	case len(body) == 0:
		return Claim{}, foreign("nothing")
	case bytes.HasPrefix(body, []byte("CEF:")):
		return p.cef(string(body))
	case bytes.HasPrefix(body, []byte("LEEF:")):
		return p.leef(string(body))
	}
	o := p.objects.Get().(*object)
	defer p.objects.Put(o)
	if body[0] != '{' && !named {
		return Claim{}, foreign("text of another form")
	}
	err := o.read(body, p.root)
	if err != nil && !named {
		return Claim{}, foreign("text that is not whole JSON")
	}
	if err == nil {
		if c, err := p.object(o); err == nil {
			p.compare(body, o, &c)
			return c, nil
		}
	}
	return p.raw(body, o, named)
}

// compare compares a whole record with its original.
func (p *Parser) compare(body []byte, o *object, c *Claim) {
	original, inBase64 := ecsOriginal, ownBase64
	if o.isOCSF() {
		original, inBase64 = ocsfOriginal, ocsfBase64
	}
	if p.again == nil || !o.values[original].there || c.Facts.Form != evidence.Whole || c.Contradiction != "" {
		return
	}
	text := o.text(original)
	if b := o.values[inBase64]; b.there { // It was not UTF-8. Its hash is right, so this is base64.
		raw, _ := base64.StdEncoding.DecodeString(b.text)
		text = string(raw)
	}
	c.Contradiction = p.again.compare(body, text, c, p.stated(o))
}

// object returns what a record of ECS or OCSF states.
func (p *Parser) object(o *object) (Claim, error) {
	switch {
	case o.isECS():
		return p.ecs(o)
	case o.isOCSF():
		return p.ocsf(o)
	}
	return Claim{}, foreign("JSON of another form")
}

func (o *object) isECS() bool    { return o.values[ecsVersion].there && o.values[ecsDataset].there }
func (o *object) isOCSF() bool   { return o.values[ocsfClass].there && o.values[ocsfSeverity].there }
func (o *object) isRecord() bool { return o.isECS() || o.isOCSF() }

// complete adds what a destination keeps beside the body. It must not deny what the body
// says.
func (b *Beside) complete(c *Claim) {
	d := denial{c}
	c.Lane, c.Replayed = b.Lane, c.Replayed || b.Replayed
	if b.Number.Given() {
		if c.Number.Given() && c.Number != b.Number {
			d.says("the record and what is beside it have different numbers")
		}
		c.Number = b.Number
	}
	if c.Facts.Organization == "" {
		c.Facts.Organization = b.Organization
		for i := range c.Others {
			c.Others[i].Organization = b.Organization
		}
	}
	// What is beside a record may have more room than the record, or less.
	other := c.Facts
	other.ID, other.Organization = cmp.Or(b.ID, other.ID), cmp.Or(b.Organization, other.Organization)
	if len(c.Others) == 0 && (other.ID != c.Facts.ID || other.Organization != c.Facts.Organization) && other.Leaf() != c.Facts.Leaf() {
		d.says("the record is of event %s of %s, and what is beside it of event %s of %s", c.Facts.ID, c.Facts.Organization, other.ID, other.Organization)
	}
}
