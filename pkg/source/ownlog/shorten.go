package ownlog

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// encode returns an event as a line. One that is too large is shortened until it fits: each
// text is cut, and each list and each object in the details has only its first elements.
// Then the details say so in "shortened". What does not fit even so loses its details.
func encode(e Event) ([]byte, error) {
	line, err := json.Marshal(e)
	for most := 4 << 10; err == nil && len(line) > mostLine && most >= 64; most /= 4 {
		if e, err = shortened(e, most); err == nil {
			line, err = json.Marshal(e)
		}
	}
	if err == nil && len(line) > mostLine {
		e.Details = map[string]any{shortenedKey: true}
		line, err = json.Marshal(e)
	}
	return line, err
}

// shortenedKey is the key in the details of an event that was shortened.
const shortenedKey = "shortened"

// bytesAnElement is how many bytes of the bound on a text stand for an element of a list.
const bytesAnElement = 64

// shortened returns e with texts of at most so many bytes.
func shortened(e Event, most int) (Event, error) {
	text, err := json.Marshal(e.Details)
	if err != nil {
		return e, err
	}
	var details map[string]any
	if err := json.Unmarshal(text, &details); err != nil {
		return e, err
	}
	e.Details = map[string]any{shortenedKey: true}
	for key, value := range shortenedObject(details, most) {
		e.Details[key] = value
	}
	e.Text, e.Subject = Cut(e.Text, most), shortenedParty(e.Subject, most)
	if e.Actor != nil {
		actor := shortenedParty(*e.Actor, most)
		e.Actor = &actor
	}
	return e, nil
}

func shortenedParty(p Party, most int) Party {
	return Party{ID: Cut(p.ID, most), Type: Cut(p.Type, most), Name: Cut(p.Name, most)}
}

func shortenedValue(value any, most int) any {
	switch v := value.(type) {
	case string:
		return Cut(v, most)
	case []any:
		v = v[:min(len(v), most/bytesAnElement)]
		for i := range v {
			v[i] = shortenedValue(v[i], most)
		}
		return v
	case map[string]any:
		return shortenedObject(v, most)
	}
	return value
}

// shortenedObject keeps the first keys in their order.
func shortenedObject(o map[string]any, most int) map[string]any {
	kept := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(o))[:min(len(o), most/bytesAnElement)] {
		kept[Cut(key, most)] = shortenedValue(o[key], most)
	}
	return kept
}

// Cut shortens a text to so many bytes, and shows that it did.
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return strings.TrimSpace(text[:most]) + " …"
}
