package simulator

import (
	"fmt"
	"slices"
	"strings"
)

// Order is how the log is listed.
type Order int

const (
	// NewestFirst is the order that PlanetScale seems to use.
	NewestFirst Order = iota
	// OldestFirst lists the log from its beginning.
	OldestFirst
)

// SortKey is what the log is ordered by.
type SortKey int

const (
	// ByCreatedAt puts a late event among its contemporaries.
	ByCreatedAt SortKey = iota
	// ByInsertion puts a late event where the newest event is at that time.
	ByInsertion
)

// EndingBefore is which page ending_before selects.
type EndingBefore int

const (
	// Adjacent is the page that ends just before the cursor.
	Adjacent EndingBefore = iota
	// Naive is the first page of what comes before the cursor.
	Naive
)

// Purged is the answer to a cursor that is not in the log.
type Purged int

const (
	// NotFound404 is a 404 with {"code":"not_found"}.
	NotFound404 Purged = iota
	// BadRequest400 is a 400.
	BadRequest400
	// Unprocessable422 is a 422.
	Unprocessable422
	// EmptyPage is a 200 with no event and null cursors.
	EmptyPage
	// FirstPage is the page that a request without a cursor gets.
	FirstPage
)

// Access is what accepted credentials may do.
type Access int

const (
	// Granted credentials may read the audit log.
	Granted Access = iota
	// Forbidden403 credentials lack read_audit_logs and get a 403.
	Forbidden403
	// Hidden404 credentials lack read_audit_logs and get a 404, as if the organization did
	// not exist.
	Hidden404
)

var (
	orderNames        = []string{"newest-first", "oldest-first"}
	sortKeyNames      = []string{"created-at", "insertion"}
	endingBeforeNames = []string{"adjacent", "naive"}
	purgedNames       = []string{"404", "400", "422", "empty-page", "first-page"}
	accessNames       = []string{"granted", "403", "404"}
)

func (o Order) String() string        { return switchName(orderNames, o) }
func (k SortKey) String() string      { return switchName(sortKeyNames, k) }
func (e EndingBefore) String() string { return switchName(endingBeforeNames, e) }
func (p Purged) String() string       { return switchName(purgedNames, p) }
func (a Access) String() string       { return switchName(accessNames, a) }

// MarshalText writes the name that UnmarshalText reads.
func (o Order) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// MarshalText writes the name that UnmarshalText reads.
func (k SortKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// MarshalText writes the name that UnmarshalText reads.
func (e EndingBefore) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// MarshalText writes the name that UnmarshalText reads.
func (p Purged) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// MarshalText writes the name that UnmarshalText reads.
func (a Access) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads "newest-first" or "oldest-first".
func (o *Order) UnmarshalText(text []byte) error { return setSwitch(o, "order", orderNames, text) }

// UnmarshalText reads "created-at" or "insertion".
func (k *SortKey) UnmarshalText(text []byte) error {
	return setSwitch(k, "sort key", sortKeyNames, text)
}

// UnmarshalText reads "adjacent" or "naive".
func (e *EndingBefore) UnmarshalText(text []byte) error {
	return setSwitch(e, "page for ending_before", endingBeforeNames, text)
}

// UnmarshalText reads "404", "400", "422", "empty-page" or "first-page".
func (p *Purged) UnmarshalText(text []byte) error {
	return setSwitch(p, "answer to a purged cursor", purgedNames, text)
}

// UnmarshalText reads "granted", "403" or "404".
func (a *Access) UnmarshalText(text []byte) error { return setSwitch(a, "access", accessNames, text) }

func switchName[T ~int](names []string, value T) string {
	if value < 0 || int(value) >= len(names) {
		return fmt.Sprintf("unknown (%d)", int(value))
	}
	return names[value]
}

func setSwitch[T ~int](value *T, what string, names []string, text []byte) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		return fmt.Errorf("unknown %s %q: want one of %s", what, text, strings.Join(names, ", "))
	}
	*value = T(i)
	return nil
}
