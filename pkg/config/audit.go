package config

import "time"

// leastAudit keeps audits from being most of what is requested.
const leastAudit = time.Hour

// audit returns the time between two audits; 0 if the file asks for none.
func (r *resolver) audit(e *auditEntry) time.Duration {
	switch {
	case e == nil:
		return 0
	case !r.report.given("audit.every"):
		return 24 * time.Hour
	}
	r.report.check(e.Every.Std() >= leastAudit, "audit.every", "is less than %s; write a duration such as 24h, or remove audit for no audits", leastAudit)
	return e.Every.Std()
}
