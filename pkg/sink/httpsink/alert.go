package httpsink

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// alert is what a person reads of an event: in a chat, or on the screen of a pager.
type alert struct {
	words    string // what happened, in a sentence
	severity int
	facts    []fact // in the order in which a person asks
}

// fact is a name and a value, such as Who and Ada Lovelace. Nobody but us chooses names.
type fact struct{ name, value string }

// document are the fields that an alert shows, of a record in the format ecs. The rest of
// it is under the name of the dataset.
type document struct {
	Message string `json:"message"`
	Event   struct {
		Dataset string `json:"dataset"`
	} `json:"event"`
	User   struct{ ID, Name string } `json:"user"`
	Source struct {
		Address string `json:"address"`
		Geo     struct {
			City    string `json:"city_name"`
			Country string `json:"country_name"`
		} `json:"geo"`
	} `json:"source"`
	Observer struct{ Name string } `json:"observer"`
}

// vendorPart is what a record in the format ecs says in the terms of its log.
type vendorPart struct {
	Actor, Object, Container struct{ Type, ID, Name string }
	Location                 string
}

// formatECS is the format whose fields an alert knows.
const formatECS = "ecs"

// longest bounds a text of an alert, in characters. Who writes a longer name has something
// in mind that is not a name.
const (
	longestWords = 500
	longestFact  = 200
)

const (
	// messagesPerPublish is how many messages a batch of alerts may need. Messages keep a
	// pace of about a second, and a lane that stops has 8 s (shutdown_timeout) for a batch.
	messagesPerPublish = 5
	// alertRecordBytes is the largest record of which an alert is made. Only its fields
	// are shown, so it may be much larger than a message.
	alertRecordBytes = 256 << 10
)

// alertOf returns what to show of a record. The record of any other format than ecs is
// shown as it is, in place of a sentence.
func alertOf(r *sink.Record) alert {
	a := alert{severity: r.Severity}
	var d document
	var part vendorPart
	if r.Format == formatECS && json.Unmarshal(r.Body, &d) == nil {
		part = d.part(r.Body)
		a.words = d.Message
	} else {
		a.words = string(r.Body)
	}
	if a.words = shown(a.words, longestWords); a.words == "" {
		a.words = shown(r.Action, longestWords)
	}
	a.add("Severity", severityWord(r.Severity))
	a.add("Action", r.Action)
	a.add("Who", called(d.User.Name, d.User.ID, part.Actor.Type))
	a.add("Target", called(part.Object.Name, part.Object.ID, part.Object.Type))
	a.add("In", called(part.Container.Name, part.Container.ID, part.Container.Type))
	a.add("Organization", r.Organization)
	a.add("From", strings.TrimSpace(d.Source.Address+" "+d.place(part.Location)))
	a.add("Time", r.Time.UTC().Format(time.DateTime+" UTC"))
	a.add("Id", r.ID)
	a.add("Note", notes(r))
	return a
}

// part decodes what is under the name of the dataset, such as acme.audit.
func (d *document) part(body []byte) (part vendorPart) {
	rest := json.RawMessage(body)
	for _, name := range strings.Split(d.Event.Dataset, ".") {
		var members map[string]json.RawMessage
		if json.Unmarshal(rest, &members) != nil {
			return vendorPart{}
		}
		rest = members[name]
	}
	if json.Unmarshal(rest, &part) != nil {
		return vendorPart{}
	}
	return part
}

func (d *document) place(location string) string {
	if geo := d.Source.Geo; geo.City != "" || geo.Country != "" {
		return strings.Trim(geo.City+", "+geo.Country, ", ")
	}
	return location
}

// add adds a fact that is known.
func (a *alert) add(name, value string) {
	if value = shown(value, longestFact); value != "" {
		a.facts = append(a.facts, fact{name, value})
	}
}

// fact returns the value of a fact; empty if it is not known.
func (a *alert) fact(name string) string {
	for _, f := range a.facts {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// called names somebody or something: by its name, with its type and its id.
func called(name, id, kind string) string {
	switch {
	case name == "" && id == "":
		return ""
	case name == "":
		name, id = id, ""
	}
	if detail := strings.TrimSpace(kind + " " + id); detail != "" && detail != name {
		return shown(name, longestFact/2) + " (" + detail + ")"
	}
	return name
}

func notes(r *sink.Record) string {
	var notes []string
	for _, n := range []struct {
		holds bool
		note  string
	}{
		{r.OwnToken, "about Sluice's own credential"}, {r.Late, "late"}, {r.Replayed, "replayed"},
		{r.Unmapped, "unknown action"}, {r.Truncated, "shortened"},
	} {
		if n.holds {
			notes = append(notes, n.note)
		}
	}
	return strings.Join(notes, ", ")
}

// severityWord is the word for a severity, by the bands that the formats have, too.
func severityWord(n int) string { return severityWords[band(n)] }

var severityWords = [...]string{"info", "low", "medium", "high", "critical"}

// band is the number of the word for a severity of 0 to 10.
func band(n int) int {
	switch {
	case n >= 9:
		return 4
	case n >= 7:
		return 3
	case n >= 4:
		return 2
	case n == 3:
		return 1
	}
	return 0
}

// signals show the severity where a message has no colors of its own.
var signals = [...]string{"⚪", "🔵", "🟡", "🟠", "🔴"}

// shown returns a text in one line, with at most that many characters. Whatever cannot be
// seen, or changes the direction of text, becomes a blank or U+FFFD, so that no name can
// look like another fact.
func shown(text string, most int) string {
	var out strings.Builder
	blank := true // so blanks at the start are left out
	joined := 0
	marks := 0
	for n := 0; len(text) > 0; {
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		if marks++; !unicode.IsMark(r) {
			marks = 0
		}
		switch {
		case unicode.IsSpace(r), isInvisible(r), isJoining(r) && (blank || joined == mostJoined):
			if blank {
				continue
			}
			r = ' '
		case !unicode.IsPrint(r) && r != joiner, marks > mostMarks:
			r = utf8.RuneError
		}
		if n++; n == most && text != "" {
			out.WriteString("…")
			break
		}
		blank = r == ' '
		if joined++; !isJoining(r) {
			joined = 0
		}
		out.WriteRune(r)
	}
	return strings.TrimRight(out.String(), " ")
}

// isInvisible reports whether a character looks like a blank, or like nothing, and is printable
// all the same: fillers of Hangul, the empty pattern of Braille, and what Unicode calls default
// ignorable (UAX #44).
func isInvisible(r rune) bool {
	return r == '\u2800' || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// isJoining reports whether a character belongs to the one before it, as in an emoji.
func isJoining(r rune) bool { return r == joiner || unicode.Is(unicode.Variation_Selector, r) }

// mostJoined is how many such characters an emoji has in a row: a selector and a joiner.
const mostJoined = 2

const (
	// joiner holds the parts of an emoji together.
	joiner = '\u200d'
	// mostMarks is how many marks a letter has in any language. A heap of them covers the
	// lines above and below.
	mostMarks = 3
)

// headline is what a notification says of the events of a message, most of which show
// nothing else.
func headline(records []sink.Record) string {
	worst := 0
	for i := range records {
		if records[i].Severity > records[worst].Severity {
			worst = i
		}
	}
	a := alertOf(&records[worst])
	text := signals[band(a.severity)] + " " + a.words
	if more := len(records) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}
