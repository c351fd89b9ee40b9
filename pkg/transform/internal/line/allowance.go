package line

import (
	"math"

	"github.com/sluice-siem/sluice/pkg/transform"
)

// Allowance is how much of an event goes into its record.
type Allowance struct {
	Metadata bool
	Longest  int // of a value, in bytes before escaping; for free text, not for the id
}

// allowances go from the whole event down to its identity. Metadata is the largest part,
// and is left out first.
var allowances = [...]Allowance{
	{Metadata: true, Longest: math.MaxInt},
	{Longest: math.MaxInt},
	{Longest: 255},
	{Longest: 63},
	{Longest: 15},
}

// Fit appends a record of at most limit bytes to dst. If a record exceeds the limit, Fit
// encodes it again with less of the event. whole is what encode returned for the record
// that fits. The error is transform.ErrTooLarge.
func Fit(dst []byte, limit int, encode func(dst []byte, a Allowance) (body []byte, whole bool)) (body []byte, whole bool, err error) {
	for _, a := range allowances {
		body, whole = encode(dst, a)
		if len(body)-len(dst) <= limit {
			return body, whole, nil
		}
	}
	return nil, false, transform.TooLarge(len(body)-len(dst), limit)
}
