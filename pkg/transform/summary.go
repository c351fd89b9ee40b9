package transform

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
)

// MaxSummary is the most bytes that AppendSummary appends.
const MaxSummary = 3*maxPart + len(" by ") + len(": ")

// maxPart is the most bytes of each part of a summary. Other fields have the whole text.
const maxPart = 250

// AppendSummary appends an event in words, for people: what happened, who did it and to
// what, as in "Deploy request queued by Ada: Deploy request #7". A part that is unknown is
// left out. The texts are those of the event, so the caller must escape them. It appends
// nothing for an event whose action is unknown. An event that tells itself in words is left
// to its own.
func AppendSummary(dst []byte, e *source.Event, a *Action, r *Roles) []byte {
	if e.Text != "" {
		return append(dst, Cut(e.Text, MaxSummary)...)
	}
	if e.Action == "" {
		return dst
	}
	if a.Title != "" {
		dst = append(dst, Cut(a.Title, maxPart)...)
	} else {
		dst = AppendTitle(dst, Cut(e.Action, maxPart))
	}
	who, what := strings.TrimSpace(cmp.Or(r.Actor.Name, r.Actor.ID)), strings.TrimSpace(r.what(e))
	if who != "" {
		dst = append(append(dst, " by "...), Cut(who, maxPart)...)
	}
	if what != "" && what != who {
		dst = append(append(dst, ": "...), Cut(what, maxPart)...)
	}
	return dst
}

// what returns the name of what the action was done to: of the person, if that is a
// member, since a membership may be named by its role.
func (r *Roles) what(e *source.Event) string {
	if strings.HasSuffix(r.Object.Type, "Membership") && r.User.Name != "" {
		return r.User.Name
	}
	return cmp.Or(r.Object.Name, e.Objects[0].Name, e.Objects[1].Name)
}

// Title returns what an action is in words. a is what Lookup returns for it.
func Title(action string, a *Action) string {
	if a.Title != "" {
		return a.Title
	}
	return string(AppendTitle(nil, action))
}

// Called returns what people call a party: its name, or else its type and id. kind is the
// type to show.
func Called(p source.Party, kind string) string {
	if p.Name != "" {
		return p.Name
	}
	return strings.TrimSpace(kind + " " + p.ID)
}

// AppendTitle appends the name of an action in words, "Deploy request queued", in ASCII.
func AppendTitle(dst []byte, action string) []byte {
	begin := len(dst)
	for i := range len(action) {
		c := action[i]
		if c != '-' && !isAlphanumeric(c) {
			c = ' '
		}
		dst = append(dst, c)
	}
	title := bytes.Trim(dst[begin:], " ")
	if len(title) == 0 {
		return append(dst[:begin], "Unnamed action"...)
	}
	if title[0] >= 'a' && title[0] <= 'z' {
		title[0] -= 'a' - 'A'
	}
	return append(dst[:begin], title...)
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
