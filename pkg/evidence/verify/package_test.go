package verify

// SettleWithin makes the checker expect lanes that have at most so many records on their
// way, as those of tests have.
func (c *Checker) SettleWithin(records uint64) { c.settled = records }
