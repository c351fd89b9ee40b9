// Package verify checks an export of a SIEM against the signed notes in it: which records
// are missing, altered, moved or forged. It shares no code with what wrote the records but
// the definitions of leaf and note in package evidence.
//
// A Parser turns what a destination has into a Claim. A Checker takes claims in any order
// and makes a Report:
//
//	p := verify.NewParser(types)
//	c, err := verify.New(keys, verify.Options{})
//	claim, err := p.Record(body, verify.Beside{…})
//	c.Add(claim)
//	report := c.Report()
//
// A record is right if a note has the beginning of its leaf (its tag) under its number.
// Most claims are settled in that way as they come, and only their leaves are kept until
// all records of a note are there, to compare them with the root of its tree. What no note
// explains is judged at the end, when all notes are known.
//
// # Files
//
// read reads a file of any shape: lines, document (JSON over lines) and csv. wrapped and
// syslog find the records in what destinations put around them. parser reads a record:
// fields and object for JSON, ecs (and echo: what it states twice), ocsf, lines (CEF and
// LEEF) and raw. remap and difference compare it with its original. claim is what it states.
//
// checker takes claims, with keyring for signatures, log for the notes of a log, and item
// for what waits for a note. judge, locate and explain judge what waited, chain the notes,
// missing what is not there, and once what is there under an earlier number. report is the
// result, which text and html show. listing compares claims with what the source lists, and
// listing_text shows that.
package verify
