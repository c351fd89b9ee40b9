package object

import (
	"math"

	"github.com/sluice-siem/sluice/pkg/transform"
)

// Unbounded is the longest value without a limit.
const Unbounded = math.MaxInt

// Allowance is how much of an event goes into its record.
type Allowance struct {
	Original bool
	Metadata bool
	Longest  int    // the longest value in bytes, before escaping; for free text, not for the id
	Mark     string // a JSON array that names what was left out; empty if nothing was
}

// Allowances returns allowances from the whole event down to its identity. The first parts
// to leave out are the largest, and those that the API still has. original and metadata
// are the names of these two in the record. original is empty if the record has no raw
// event.
func Allowances(original, metadata string) []Allowance {
	var all []Allowance
	shed := `"` + metadata + `"`
	if original == "" {
		all = append(all, Allowance{Metadata: true, Longest: Unbounded})
	} else {
		all = append(all,
			Allowance{Original: true, Metadata: true, Longest: Unbounded},
			Allowance{Metadata: true, Longest: Unbounded, Mark: `["` + original + `"]`})
		shed = `"` + original + `",` + shed
	}
	all = append(all, Allowance{Longest: Unbounded, Mark: "[" + shed + "]"})
	for _, longest := range []int{1024, 128, 32} {
		all = append(all, Allowance{Longest: longest, Mark: "[" + shed + `,"values"]`})
	}
	return all
}

// Fit appends a record of at most limit bytes to dst. If a record exceeds the limit, Fit
// encodes it again with less of the event. whole is false if something was left out. The
// error is transform.ErrTooLarge.
func Fit(dst []byte, limit int, allowances []Allowance, encode func(dst []byte, a *Allowance) []byte) (body []byte, whole bool, err error) {
	for i := range allowances {
		body = encode(dst, &allowances[i])
		if len(body)-len(dst) <= limit {
			return body, i == 0, nil
		}
	}
	return nil, false, transform.TooLarge(len(body)-len(dst), limit)
}
