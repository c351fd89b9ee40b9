package verify

import (
	"bytes"
	"errors"
	"sync"
	"time"

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
	products map[string]*source.Type // by dataset
	root     *tree
	objects  sync.Pool
}

// NewParser returns a Parser for the logs of these types.
func NewParser(types []source.Type) *Parser {
	p := &Parser{products: map[string]*source.Type{}, root: treeOf(types)}
	for i := range types {
		p.products[types[i].Product.Dataset] = &types[i]
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
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return Claim{}, foreign("an empty line")
	}
	if body[0] != '{' {
		return Claim{}, foreign("text of another form")
	}
	o := p.objects.Get().(*object)
	defer p.objects.Put(o)
	if err := o.read(body, p.root); err != nil {
		return Claim{}, foreign("text that is not whole JSON")
	}
	if !o.values[ecsVersion].there || !o.values[ecsDataset].there {
		return Claim{}, foreign("JSON of another form")
	}
	c, err := p.ecs(o)
	beside.complete(&c)
	return c, err
}

// complete adds what a destination keeps beside the body. It must not deny what the body
// says.
func (b *Beside) complete(c *Claim) {
	d := denial{c}
	if b.Lane != "" {
		c.Lane = b.Lane
	}
	if b.Number.Given() {
		if c.Number.Given() && c.Number != b.Number {
			d.says("the record and what is beside it have different numbers")
		}
		c.Number = b.Number
	}
	for _, f := range []struct{ name, beside, body string }{
		{"ids", b.ID, c.Facts.ID}, {"organizations", b.Organization, c.Facts.Organization}, {"actions", b.Action, c.Facts.Action},
	} {
		if f.beside != "" && f.body != "" && f.beside != f.body {
			d.says("the record and what is beside it have different %s", f.name)
		}
	}
}
