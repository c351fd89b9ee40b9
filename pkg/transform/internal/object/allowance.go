package object

import (
	"math"

	"github.com/sluice-siem/sluice/pkg/transform"
)

// Unbounded is the longest value where there is no limit.
const Unbounded = math.MaxInt

// Allowance is how much of an event goes into its record.
type Allowance struct {
	Original bool
	Metadata bool
	Longest  int    // the longest value in bytes, before escaping; of free text only, never of the id
	Mark     string // an array that names what was left out, as JSON; empty if nothing was
}

// Allowances go from all there is down to what identifies an event. What is shed
// first is what the API can be asked for again, and what is largest. original
// and metadata name these two in the record; original is empty where it carries no
// raw event anyway.
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

// Fit appends a record of at most limit bytes to dst. A record that exceeds it is
// encoded anew with less of the event. whole is false if something was left out;
// the error is transform.ErrTooLarge.
func Fit(dst []byte, limit int, allowances []Allowance, encode func(dst []byte, a *Allowance) []byte) (body []byte, whole bool, err error) {
	for i := range allowances {
		body = encode(dst, &allowances[i])
		if len(body)-len(dst) <= limit {
			return body, i == 0, nil
		}
	}
	return nil, false, transform.TooLarge(len(body)-len(dst), limit)
}
