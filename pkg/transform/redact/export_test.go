package redact

// Remembered returns how many tokens are kept.
func (r *Redactor) Remembered() int { return len(r.hasher.Load().tokens) }
