package corpus

import (
	"fmt"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Note is a signed note, as package evidence writes it.
const Note = `sluice/acme/acme/siem/999acfec8eafb448
3
ywph324cKelNNVyXLIjxVCmusXsdkQem9pgb5AUhWbs=
sluice-note/v1
kind seal
number 0
time 2026-03-14T15:10:00Z
lane acme/siem
epoch 3
from 0
tags GGognY3U5MD2z2B7lkjQ2aqxsXBAIDrL
rejected 1 ZTE=
filtered 0
through 2026-03-14T15:09:00Z

— acme xUFjGOVs+vq7oL//foJK6TKEl1hrVrYtWxr5rp/tJOt/ImStE5xNcwStRUVQdeZE6UEooYEKDpp0951me6VmHd/jsQY=
`

// NoteKey is the verifier key of Note.
const NoteKey = "acme+c5416318+ASbzL5epAMXfZLqF8bD7Z79DiwWzKE42nw1SWb/Ec94Y"

// EvidenceCases returns events of a lane with evidence: some with a number, and those that
// carry notes.
func EvidenceCases() []Case {
	first, distant := with("numbered-first"), with("numbered-time-after-9999")
	first.Event.Number = source.Number{Epoch: 1}
	distant.Event.Time = times()[3].Event.Time
	distant.Event.Number = source.Number{Epoch: 3, Sequence: 42}
	cases := []Case{first, distant}
	for _, c := range []Case{
		with("numbered-member", "audit_action", `"organization.removed_member"`, "action", `"removed_member"`,
			"auditable_type", `"Organization"`, "target_type", `"User"`, "target_id", `"u77"`, "target_display_name", `"Grace Hopper"`),
		with("numbered-metadata-spaced", "metadata", "{ \"a\" : \n\t[ 1 , 2 ]\r\n}"),
		undecoded("numbered-undecodable", `{"id":"q7x2mk9d0a4e","audit_action":"database.deleted",`+"\n\"raw\x00\x1b[31m"),
		gap(),
	} {
		if c.Event.Gap {
			c.Name = "numbered-gap"
		}
		c.Event.Number = source.Number{Epoch: 3, Sequence: 1<<53 + 1} // A float64 has no such number.
		cases = append(cases, c)
	}
	forged := forgedNumber()
	cases = append(cases, forged)
	forged.Name, forged.Event.Number = "numbered-forged", source.Number{Epoch: 3, Sequence: 44}
	cases = append(cases, forged)
	for _, kind := range []string{"open", "seal", "statement"} {
		cases = append(cases, note(kind))
	}
	return cases
}

// forgedNumber returns an event whose texts look like the number and the note of a record in
// each of the formats.
func forgedNumber() Case {
	const lines = `x PlanetScaleAuditLogNumber=9/9 PlanetScaleAuditLogNote=eA\tepoch=9\tsequence=9\tnote=eA^epoch=9^sequence=9\nepoch=9` +
		`\"] [meta sequenceId=\"9\"] cn1=1 truncated=true`
	const object = `x\",\"epoch\":9,\"note\":\"x\",\"sequence\":9,\"event\":{\"sequence\":9},\"sluice\":{\"epoch\":9,\"objects\":[\"a\",\"b\"]},\"y\":\"`
	return with("forged-number", "actor_display_name", `"`+lines+`"`, "auditable_display_name", `"`+object+`"`,
		"target_display_name", `"`+lines+`"`, "location", `"`+object+`"`, "target_id", `"b5\tepoch=9\tsequence=9"`,
		"metadata", `{"epoch":9,"sequence":9,"note":"x","event":{"sequence":9},"text":"`+lines+`"}`)
}

// note returns an event that carries a note. Formats do not read the note, so one serves
// for all kinds.
func note(kind string) Case {
	k := Product.Keys.Own()
	id := "note:daae5b2016277a034809be8ed0d48a33"
	raw, err := source.RawOf(
		source.Member{Key: k.Verb, Value: kind}, source.Member{Key: k.Action, Value: "sluice." + kind},
		source.Member{Key: k.Time, Value: neighbour}, source.Member{Key: k.ID, Value: id},
		source.Member{Key: "lane", Value: "acme/siem"}, source.Member{Key: "note", Value: Note},
		source.Member{Key: "organization", Value: Organization},
	)
	must(err)
	return Case{"note-" + kind, source.Event{
		ID: id, Time: neighbour, Read: neighbour, Organization: Organization,
		Action: "sluice." + kind, Verb: kind, Raw: raw, Note: Note,
	}}
}

// Problem returns what the record of an event says could not be read. A record with a number
// says so of a time that no format can state.
func Problem(e *source.Event) string {
	if year := e.Time.UTC().Year(); e.Number.Given() && e.Problem == "" && (e.Time.Unix() < 0 || year > 9999) {
		return "its time is not between 1970 and 9999"
	}
	return e.Problem
}

// Number returns the number of an event as text, and nothing if it has none.
func Number(e *source.Event) (epoch, sequence string) {
	if !e.Number.Given() {
		return "", ""
	}
	return fmt.Sprint(e.Number.Epoch), fmt.Sprint(e.Number.Sequence)
}
