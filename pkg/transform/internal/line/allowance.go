package line

import (
	"math"

	"github.com/sluice-siem/sluice/pkg/transform"
)

// Allowance is how much of an event goes into its record.
type Allowance struct {
	Metadata bool
	Longest  int // of a value, in bytes before escaping; of free text only, never of the id
}

// allowances go from all there is down to what identifies an event. Metadata,
// the largest, goes first.
var allowances = [...]Allowance{
	{Metadata: true, Longest: math.MaxInt},
	{Longest: math.MaxInt},
	{Longest: 255},
	{Longest: 63},
	{Longest: 15},
}

// Fit appends a record of at most limit bytes to dst. A record that exceeds it is
// encoded anew with less of the event. whole is what encode said of the one that
// fits; the error is transform.ErrTooLarge.
func Fit(dst []byte, limit int, encode func(dst []byte, a Allowance) (body []byte, whole bool)) (body []byte, whole bool, err error) {
	for _, a := range allowances {
		body, whole = encode(dst, a)
		if len(body)-len(dst) <= limit {
			return body, whole, nil
		}
	}
	return nil, false, transform.TooLarge(len(body)-len(dst), limit)
}
