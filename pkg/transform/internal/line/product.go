package line

import "github.com/sluice-siem/sluice/pkg/source"

// Device returns the product's name for the header of a record, which also has the vendor:
// the name of its log, after the product's own name if that differs from the vendor's.
func Device(p *source.Product) string {
	if p.Name == p.Vendor {
		return p.Feature
	}
	return p.Name + " " + p.Feature
}

// Constant returns a text that is the same in every record, written by the rules of values.
func (r *Rules) Constant(text string) string {
	w := Writer{Rules: r}
	w.Value(text, len(text))
	return string(w.Buf)
}
