package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/timestamp"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Mapping says how records are made of events. A record that has its original is compared
// with what that gives today.
type Mapping struct {
	Formats []transform.Format // those of JSON are used
	Version string             // of this Sluice. Records of another one may be of another catalogue, so less of them is compared

	// Catalogues are what the lanes knew of actions, by dataset. Where there is none it is
	// the one of the type of source.
	Catalogues map[string]*transform.Catalogue
}

// MapAgain lets the parser compare the fields of records with their originals.
func (p *Parser) MapAgain(m Mapping) error {
	again := &remap{version: m.Version, types: p.types, catalogues: map[string]*transform.Catalogue{}, formats: map[string]transform.Format{}}
	for dataset, t := range p.types {
		if c := m.Catalogues[dataset]; c != nil {
			again.catalogues[dataset] = c
			continue
		}
		c, err := transform.ParseCatalogue(t.Catalogue)
		if err != nil {
			return fmt.Errorf("catalogue of %s: %w", t.Name, err)
		}
		again.catalogues[dataset] = c
	}
	for _, f := range m.Formats {
		again.formats[f.Name] = f
	}
	p.again = again
	return nil
}

// remap maps originals again. It is safe for concurrent use.
type remap struct {
	version    string
	types      map[string]*source.Type
	catalogues map[string]*transform.Catalogue
	formats    map[string]transform.Format
	encoders   encoders
	buffers    sync.Pool
}

// stated is what a record says of how it was made, and of what its original does not say.
type stated struct {
	format, dataset string
	host, version   string
	read            time.Time
	late, ownToken  bool
}

// own begins the actions of events that Sluice adds to a log. Their originals are its own,
// and a source need not read them.
const ownAction = "sluice."

// compare compares a record with its original, whose hash is right. It returns what they
// differ in, and nothing if they do not.
func (r *remap) compare(body []byte, original string, c *Claim, s *stated) string {
	if strings.HasPrefix(c.Facts.Action, ownAction) {
		return ""
	}
	encoder, err := r.encoders.of(r, s)
	if err != nil {
		return ""
	}
	events, err := r.types[s.dataset].Parse([]byte(original), c.Facts.Organization)
	if err != nil || len(events) != 1 || events[0].Problem != "" {
		return "its original is no event"
	}
	e := &events[0]
	e.Number, e.Hash, e.Replayed, e.Read, e.Late, e.OwnToken = c.Number, c.Facts.Hash, c.Replayed, s.read, s.late, s.ownToken
	buffer, _ := r.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer r.buffers.Put(buffer)
	made, err := encoder.Transform((*buffer)[:0], e)
	if err != nil {
		return ""
	}
	*buffer = made.Body
	if bytes.Equal(made.Body, body) { // A destination that keeps records as they are is the usual case.
		return ""
	}
	return r.difference(made.Body, body, s)
}

// encoders are the transformers for records of some machines and versions.
type encoders struct {
	mu  sync.RWMutex
	all map[stated]transform.Transformer
}

// mostEncoders is how many are kept. Who writes records may invent names of machines.
const mostEncoders = 256

func (c *encoders) of(r *remap, s *stated) (transform.Transformer, error) {
	key := stated{format: s.format, dataset: s.dataset, host: s.host, version: s.version}
	c.mu.RLock()
	t := c.all[key]
	c.mu.RUnlock()
	if t != nil {
		return t, nil
	}
	key.host, key.version, key.dataset = strings.Clone(key.host), strings.Clone(key.version), strings.Clone(key.dataset)
	format, known := r.formats[key.format]
	if !known || r.types[key.dataset] == nil {
		return nil, fmt.Errorf("no format %s of %s", key.format, key.dataset)
	}
	o := transform.Options{
		Original: true, Host: key.host, Version: key.version, MaxBytes: longestLine,
		Product: r.types[key.dataset].Product, Catalogue: r.catalogues[key.dataset],
	}
	t, err := format.New(o)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil || len(c.all) >= mostEncoders {
		c.all = map[stated]transform.Transformer{}
	}
	c.all[key] = t
	return t, nil
}

// stated returns what a record of ECS or OCSF says of how it was made.
func (p *Parser) stated(o *object) *stated {
	if !o.isOCSF() {
		read, _ := timestamp.Parse(o.text(ecsCreated))
		return &stated{
			format: "ecs", dataset: o.text(ecsDataset), host: o.text(ecsHost), version: o.text(ecsBuild), read: read,
			late: o.text(ownLate) == "true", ownToken: o.text(ownToken) == "true",
		}
	}
	s := &stated{format: "ocsf", late: o.text(ocsfLate) == "true", ownToken: o.text(ocsfToken) == "true"}
	if ms, err := strconv.ParseInt(o.text(ocsfLogged), 10, 64); err == nil {
		s.read = time.UnixMilli(ms)
	}
	vendor, product, feature := o.text(ocsfVendor), o.text(ocsfProduct), o.text(ocsfFeature)
	for dataset, t := range p.types {
		if t.Product.Vendor == vendor && t.Product.Name == product && t.Product.Feature == feature {
			s.dataset = dataset
		}
	}
	var loggers []struct {
		UID     string `json:"uid"`
		Product struct {
			Version string `json:"version"`
		} `json:"product"`
	}
	if json.Unmarshal([]byte(o.text(ocsfLoggers)), &loggers) == nil && len(loggers) > 0 {
		s.host, s.version = loggers[0].UID, loggers[0].Product.Version
	}
	return s
}
