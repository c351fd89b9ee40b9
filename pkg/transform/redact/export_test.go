package redact

// Remembered is how many values have a token that is kept.
func (r *Redactor) Remembered() int { return len(r.hasher.Load().tokens) }
