package source

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Product describes the product whose log the sources of a Type read. Records, conditions
// and redaction use its names.
type Product struct {
	Vendor  string    // its maker, such as "Acme"
	Name    string    // what its vendor calls it, such as "Acme Vault"; often the same as Vendor
	Feature string    // which of its logs this is, such as "Audit Log"
	Version string    // of the API that is read, such as "1.0"
	Dataset string    // two words of a-z, 0-9 and _, at most 24 each, with a dot between, such as "acme.audit": ECS's module, and its dataset
	Objects [2]string // what the source calls Event.Objects, as words of a-z, 0-9 and _; empty where it has no word, or fewer
	Keys    Keys
}

// Keys locate the fields of an Event in its raw bytes. Each is a key of the raw object, or
// several joined by dots for nested objects. It is empty for a field that the raw event
// does not have. Redaction depends on them: it refuses to redact a field that Parse fills
// but that has no key here.
type Keys struct {
	ID, Time, Modified string
	Action, Verb       string
	Actor              Party // the keys of its parts, as those of Objects
	Objects            [2]Party
	RemoteIP, Location string
	Metadata           string
	Kept               []string // other keys that name the kind of entry: they are never redacted
}

// Module returns the first word of Dataset: the product in ECS and other formats.
func (p *Product) Module() string {
	module, _, _ := strings.Cut(p.Dataset, ".")
	return module
}

// ObjectNames returns the names of the objects in records, also where the source has no
// word for one.
func (p *Product) ObjectNames() [2]string {
	return [2]string{cmp.Or(p.Objects[0], "first"), cmp.Or(p.Objects[1], "second")}
}

var (
	goodDataset = regexp.MustCompile(`^[a-z][a-z0-9_]{0,23}\.[a-z][a-z0-9_]{0,23}$`)
	goodObject  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// taken are names that records and conditions use for something else.
var taken = []string{
	"id", "time", "organization", "action", "verb", "category", "type", "severity", "actor", "object", "container",
	"remote_ip", "location", "metadata", "updated_at", "late", "replayed", "own_token", "gap", "unmapped", "problem", "original_base64", "truncated",
	"epoch", "note",
}

// Validate reports every mistake that the author of a Type made.
func (p *Product) Validate() error {
	var errs []error
	for _, field := range []struct{ name, text string }{{"Vendor", p.Vendor}, {"Name", p.Name}, {"Feature", p.Feature}, {"Version", p.Version}} {
		if field.text == "" {
			errs = append(errs, fmt.Errorf("the field Product.%s is empty", field.name))
		}
	}
	if p.Keys.ID == "" {
		errs = append(errs, errors.New(`Product.Keys.ID is empty; write the key of an event's id in its raw bytes, or "id" if events have none`))
	}
	if !goodDataset.MatchString(p.Dataset) {
		errs = append(errs, fmt.Errorf("the field Product.Dataset %q is not two words of a-z, 0-9 and _ with a dot between, such as acme.audit", p.Dataset))
	}
	for _, name := range p.Objects {
		switch {
		case name == "":
		case !goodObject.MatchString(name):
			errs = append(errs, fmt.Errorf("the field Product.Objects: %q is not a word of a-z, 0-9 and _ that begins with a letter", name))
		case slices.Contains(taken, name):
			errs = append(errs, fmt.Errorf("the field Product.Objects: %q is taken: records and conditions have a field of that name; choose another word", name))
		}
	}
	if p.Objects[0] == p.Objects[1] && p.Objects[0] != "" {
		errs = append(errs, fmt.Errorf("the field Product.Objects: both are called %q; choose another word for one", p.Objects[0]))
	}
	return errors.Join(errs...)
}
