package enrich

// Remembered is how many addresses have an answer that is kept.
func (r *Enricher) Remembered() int { return len(r.known) }
