package redact

import (
	"strings"
)

// needle is a value that is searched for, and how it is redacted.
type needle struct {
	text string
	how  *rule
}

// minWithin is the least length in bytes of a value that is found in a longer text.
const minWithin = 4

// token returns the replacement of a whole value. It is empty if the value is removed.
func (r *Redactor) token(how *rule, text string) string {
	switch {
	case text == "" || how.how == byRemoval:
		return ""
	case how.how == byHash:
		return r.hasher.Load().token(text)
	}
	return masked
}

const (
	masked  = "[masked]"
	removed = "[removed]"
)

// within returns the replacement of a value in a longer text, where a removed value must
// leave a mark.
func (r *Redactor) within(n needle) string {
	if n.how.how == byRemoval {
		return removed
	}
	return r.token(n.how, n.text)
}

// text returns a text with the values in it redacted.
func (r *Redactor) text(text string) string {
	meant := clean(text)
	switch whole, part := r.search(meant); {
	case whole != nil:
		return r.token(whole.how, whole.text)
	case part:
		return string(r.parts(nil, meant))
	}
	return text
}

// parts appends text with the values in it redacted. If two values start at the same
// place, the longer one is redacted. Replacements are not searched.
func (r *Redactor) parts(dst []byte, text string) []byte {
	for {
		first, found := len(text), -1
		for i := range r.found {
			if len(r.found[i].text) < minWithin {
				break
			}
			if at := strings.Index(text, r.found[i].text); at >= 0 && at < first {
				first, found = at, i
			}
		}
		if found < 0 {
			return append(dst, text...)
		}
		dst = append(append(dst, text[:first]...), r.within(r.found[found])...)
		text = text[first+len(r.found[found].text):]
	}
}

// search looks for values in a text: one that is the whole text, or any inside it.
func (r *Redactor) search(text string) (whole *needle, part bool) {
	for i := range r.found {
		n := &r.found[i]
		switch {
		case len(n.text) > len(text):
		case len(n.text) == len(text):
			if n.text == text {
				return n, false
			}
		case len(n.text) >= minWithin && strings.Contains(text, n.text):
			return nil, true // A value as long as the text would have come before.
		}
	}
	return nil, false
}
