package posting

// Verdict is what the answer to a request means for its records.
type Verdict int

// Verdicts. The last three are no fault of the records.
const (
	Delivered    Verdict = iota
	Taken                // the server has them; the outcome is noted later, with Publication.Note
	Rejected             // one of them is bad
	Split                // together they are too large
	Retry                // try again; also if there was no answer
	Destination          // a person must repair the destination or the settings
	Unauthorized         // likewise: the server does not accept the credential
)

// Answer is what one attempt to send a request showed.
type Answer struct {
	Verdict Verdict
	Err     error // of every verdict but Delivered and Taken: what the records' errors say

	// Each is the outcome of each record, if the server says it: nil is delivered, an error
	// of sink.Permanent is rejected, and any other is retried. Verdict then only decides
	// whether requests that were not sent yet still are: not if it is no fault of records.
	Each []error

	// Bad is the range of records in which the bad one is, if the server says it. The
	// server read the records before, which Took confirms.
	Bad Range

	// Took notes that the server took records before Bad, and reports whether that is so;
	// nil: it is not. Records that were not taken are sent again.
	Took func(before Request) bool
}

// Range is a range of the records of a request: from From up to, but without, To. The zero
// Range says nothing, and neither does one that is not within its request.
type Range struct{ From, To int }

func (r Range) within(q Request) bool { return 0 <= r.From && r.From < r.To && r.To <= q.Len() }
