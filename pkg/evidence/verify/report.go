package verify

// Report is what a Checker found.
type Report struct {
	Records int64 `json:"records"` // all that were read, notes and duplicates too
}
