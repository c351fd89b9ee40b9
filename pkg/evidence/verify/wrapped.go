package verify

import (
	"bytes"
	"strconv"
	"strings"
	"unsafe"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
)

// batchSize is how many claims are handed over at once.
const batchSize = 512

// batch collects what some lines of an export state.
type batch struct {
	to     Intake
	claims []Claim
}

func (b *batch) take(at Place, claim Claim, err error) {
	if err != nil {
		b.to.Foreign(at, Why(err))
		return
	}
	claim.Place = at
	b.claims = append(b.claims, claim)
}

func (b *batch) flush() {
	if len(b.claims) > 0 {
		b.to.Add(b.claims...)
	}
	b.claims = b.claims[:0]
}

// text takes a text of an export: a record as a sink got it, or with what its destination
// puts around it.
func (p *Parser) text(b *batch, at Place, text []byte) {
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0:
	case text[0] == '{':
		p.json(b, at, text)
	case isLine(text):
		claim, err := p.Record(text, Beside{})
		b.take(at, claim, err)
	default:
		body, beside, ok := headed(text)
		if !ok {
			b.take(at, Claim{}, foreign("text of another form"))
			return
		}
		claim, err := p.Record(body, beside)
		b.take(at, claim, err)
	}
}

func isLine(text []byte) bool {
	return bytes.HasPrefix(text, []byte("CEF:")) || bytes.HasPrefix(text, []byte("LEEF:"))
}

// json takes an object: a record, or what a destination has put around one or several.
func (p *Parser) json(b *batch, at Place, text []byte) {
	o := p.objects.Get().(*object)
	defer p.objects.Put(o)
	if o.read(text, p.root) != nil {
		b.take(at, Claim{}, foreign("text that is not whole JSON"))
		return
	}
	if !o.values[wrapEvent].there && o.isRecord() {
		claim, err := p.object(o)
		if err == nil {
			p.compare(text, o, &claim)
		}
		b.take(at, claim, err)
		return
	}
	if !p.unwrap(b, at, o) {
		claim, err := p.raw(text, o, false)
		b.take(at, claim, err)
	}
}

// wrapped takes an object in another one.
func (p *Parser) wrapped(b *batch, at Place, text []byte) bool {
	o := p.objects.Get().(*object)
	defer p.objects.Put(o)
	return o.read(text, p.root) == nil && p.unwrap(b, at, o)
}

func (p *Parser) unwrap(b *batch, at Place, o *object) bool {
	inner := func(f field) []byte { return unsafe.Slice(unsafe.StringData(o.values[f].text), len(o.values[f].text)) }
	is := func(f field, first byte) bool {
		v := o.values[f]
		return v.there && !v.quoted && len(v.text) > 0 && v.text[0] == first
	}
	switch {
	case o.values[wrapEvent].quoted:
		p.event(b, at, inner(wrapEvent), o.beside())
	case o.values[wrapSource].quoted || is(wrapSource, '{'):
		p.text(b, at, inner(wrapSource))
	case o.values[wrapPayload].quoted && o.values[wrapHeaders].there:
		beside, ok := headersOf(o.text(wrapHeaders))
		if !ok {
			return false
		}
		claim, err := p.Record(inner(wrapPayload), beside)
		b.take(at, claim, err)
	case is(wrapResult, '{'):
		return p.wrapped(b, at, inner(wrapResult))
	case is(wrapResults, '['):
		return p.each(b, at, inner(wrapResults))
	case is(wrapHits, '['):
		return p.each(b, at, inner(wrapHits))
	case is(wrapHits, '{'):
		return p.wrapped(b, at, inner(wrapHits))
	case is(wrapFields, '{'):
		p.text(b, at, inner(wrapFields))
	default:
		return false
	}
	return true
}

// event takes the text of an event with what its destination has beside it. The text may
// have a header, too.
func (p *Parser) event(b *batch, at Place, text []byte, beside Beside) {
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] != '{' && !isLine(text) {
		if body, more, ok := headed(text); ok {
			text = body
			if !beside.Number.Given() {
				beside.Number = more.Number
			}
		}
	}
	claim, err := p.Record(text, beside)
	b.take(at, claim, err)
}

// each takes the elements of an array.
func (p *Parser) each(b *batch, at Place, text []byte) bool {
	s := rawjson.Scanner{In: text}
	s.Peek()
	return s.Array(0, func() error {
		s.Peek()
		element, err := s.Value(1)
		if err == nil {
			p.text(b, at, []byte(element))
		}
		return err
	}) == nil
}

// beside returns what stands beside a record in the same object.
func (o *object) beside() Beside {
	b := Beside{ID: o.text(wrapID), Organization: o.text(wrapOrganization), Replayed: o.text(wrapReplayed) == "true"}
	b.Number.Epoch, _ = o.number(wrapEpoch)
	b.Number.Sequence, _ = o.number(wrapSequence)
	return b
}

// headersOf reads Kafka's headers as an array of names and values, one behind the other.
func headersOf(text string) (b Beside, ok bool) {
	s := rawjson.Scanner{In: []byte(text)}
	var all []string
	if s.Peek() != '[' || s.Array(0, func() error {
		if s.Peek() != '"' {
			return s.Unexpected("header")
		}
		header, err := s.Quoted()
		all = append(all, header)
		return err
	}) != nil {
		return b, false
	}
	for ; len(all) > 1; all = all[2:] {
		b.header(all[0], all[1])
	}
	return b, true
}

// header takes a header of Kafka.
func (b *Beside) header(name, value string) {
	switch name {
	case "sluice-event-id":
		b.ID = value
	case "sluice-organization":
		b.Organization = value
	case "sluice-lane":
		b.Lane = value
	case "sluice-replayed":
		b.Replayed = value == "true"
	case "sluice-epoch":
		b.Number.Epoch, _ = strconv.ParseUint(value, 10, 63)
	case "sluice-sequence":
		b.Number.Sequence, _ = strconv.ParseUint(value, 10, 63)
	}
}

// headed cuts off what stands before a record in its line: the headers that a console
// consumer of Kafka prints, or those of syslog.
func headed(line []byte) (body []byte, beside Beside, ok bool) {
	if text := string(line[:min(len(line), 4096)]); strings.Contains(text, "sluice-event-id:") {
		if body, beside, ok = consumed(line); ok {
			return body, beside, true
		}
	}
	return syslogged(line)
}

// consumed reads a line of Kafka's console consumer: fields with a tab between, of which
// one has the headers and the last is the record.
func consumed(line []byte) (body []byte, beside Beside, ok bool) {
	for rest := line; ; {
		head, next, found := bytes.Cut(rest, []byte("\t"))
		if !found {
			return nil, beside, false
		}
		rest = next
		if bytes.HasPrefix(head, []byte("sluice-event-id:")) {
			for name, value := range printed(string(head)) {
				beside.header(name, value)
			}
			ok = true
		}
		if ok && (bytes.HasPrefix(rest, []byte("{")) || isLine(rest)) {
			return rest, beside, true
		}
	}
}

// printed returns headers as the console consumer prints them: name:value, with commas
// between. A value may have commas, too, but no name of ours.
func printed(text string) map[string]string {
	names := []string{"sluice-", "content-type:"}
	headers := map[string]string{}
	for len(text) > 0 {
		end := len(text)
		for _, name := range names {
			if i := strings.Index(text[1:], ","+name); i >= 0 {
				end = min(end, i+1)
			}
		}
		name, value, _ := strings.Cut(text[:end], ":")
		headers[name] = value
		text = strings.TrimPrefix(text[end:], ",")
	}
	return headers
}
