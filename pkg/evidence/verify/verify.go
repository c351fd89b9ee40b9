// Package verify checks an export of a SIEM against the signed notes in it: which records
// are missing, altered, moved or forged. It shares no code with what wrote the records but
// the definitions of leaf and note in package evidence.
//
// A Parser turns what a destination has into a Claim. A Checker takes claims in any order
// and makes a Report:
//
//	p := verify.NewParser(products)
//	c, err := verify.New(keys, verify.Options{})
//	claim, err := p.Record(body, verify.Beside{…})
//	c.Add(claim)
//	report := c.Report()
package verify
