package enrich

// Remembered returns how many answers are kept.
func (r *Enricher) Remembered() int { return len(r.known) }
