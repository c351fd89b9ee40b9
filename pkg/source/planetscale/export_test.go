package planetscale

// HoldAtMost makes an answer of more bytes oversized, so that a test needs no
// answers of 16 MiB. It is for a source that was not used yet.
func (s *Source) HoldAtMost(bytes int64) { s.client.mostHeld = bytes }
