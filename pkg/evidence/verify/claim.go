package verify

import (
	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Claim is what one record of an export states of itself. Nothing in it is believed.
type Claim struct {
	Place  Place
	Lane   string         // such as "acme/siem"; empty if the record does not say
	Number source.Number  // zero if the record has none
	Facts  evidence.Facts // what its leaf binds; of a raw event without an organization, if nothing beside it says which
	Note   string         // the signed note that the record carries; empty in all others

	// Others are further readings of a record that does not say whether it was decoded: a
	// raw event.
	Others []evidence.Facts

	// Replayed is the record's mark that a person had it sent again. Such records have no
	// number.
	Replayed bool

	// Contradiction says what in the record denies the rest of it: a hash that is not that
	// of the original event, a field that does not say what the original says, a key that
	// is there twice. It is empty if there is nothing.
	Contradiction string
}

// Place is where a record stands in an export.
type Place struct {
	Name string // of the file, or of the partition or object that was read; "-" is the standard input
	Line int64  // the line, or the offset
}
