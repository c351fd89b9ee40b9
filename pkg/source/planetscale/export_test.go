package planetscale

// HoldAtMost makes answers of more bytes oversized, so a test needs no answers of 16 MiB.
// Call it before the source is used.
func (s *Source) HoldAtMost(bytes int64) { s.client.mostHeld = bytes }
