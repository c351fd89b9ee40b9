package prepare

// Watched returns the number of files that Watch reloads.
func (s *Stock) Watched() int { return len(s.files()) }
