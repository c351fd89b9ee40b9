package transform

import (
	"net/netip"
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
)

// SystemActor is the actor's type in an event without an actor: the product itself
// acted.
const SystemActor = "System"

// ActorType returns the type of the actor of e, or SystemActor if it has none. It is empty
// if the actor is unknown: in an event that could not be decoded, and in Sluice's own.
func ActorType(e *source.Event) string {
	if e.Actor.Type != "" || e.Actor.ID != "" {
		return e.Actor.Type
	}
	if OwnEvent(e) || e.Action == "" {
		return ""
	}
	return SystemActor
}

// OwnEvent reports whether Sluice added e to the source's log: a gap, a note, or what an
// audit found.
func OwnEvent(e *source.Event) bool { return e.Gap || e.Note != "" || e.Audit }

// Acted reports whether a person or a token is known to have acted.
func Acted(e *source.Event) bool { return e.Actor.ID != "" || e.Actor.Type != "" }

// affected returns the user and the team among Objects, found by type, since their order
// differs between actions. If both are users, it returns the second. Without a user it
// returns the person whom a membership or an invitation names.
func affected(e *source.Event) (user, team source.Party) {
	for i := range e.Objects {
		p := &e.Objects[len(e.Objects)-1-i]
		switch {
		case p.Type == "User" && user.Type != "User":
			user = *p
		case user.Type == "" && namesPerson(p):
			user = source.Party{Type: p.Type, Name: p.Name}
		case (p.Type == "Team" || p.Type == "OrganizationTeam") && team.Type == "":
			team = *p
		}
	}
	return user, team
}

// namesPerson reports whether the display name of a membership or an invitation is a
// person's e-mail address. Any other display name of theirs may be that of a role, such as
// "admin". Their ids are never those of users.
func namesPerson(p *source.Party) bool {
	return (strings.HasSuffix(p.Type, "Membership") || strings.HasSuffix(p.Type, "Invitation")) && IsEmail(p.Name)
}

// Address parses an IP address in the form that destinations with a type for addresses
// accept: without a zone, and an IPv4 address that was sent as IPv6 in its own notation.
// The result is not valid if text is anything else.
func Address(text string) netip.Addr {
	if !plausibleAddress(text) {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}
	}
	return addr.Unmap()
}

// plausibleAddress rejects most text that is not an address without the cost of an error.
// The longest address is an IPv6 address that ends in an IPv4 address (RFC 4291,
// section 2.2).
func plausibleAddress(text string) bool {
	const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
	return len(text) >= len("::") && len(text) <= longest && strings.ContainsAny(text, ".:")
}

// IsEmail reports whether text is an e-mail address in the plain form that
// people have: the dot-atom of RFC 5322, section 3.4.1, at a name with a dot.
func IsEmail(text string) bool {
	local, domain, found := strings.Cut(text, "@")
	return found && len(text) <= 254 && isDotAtom(local) && isDotAtom(domain) && strings.Contains(domain, ".")
}

func isDotAtom(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		if !atoms[s[i]] && s[i] != '.' {
			return false
		}
	}
	return true
}

// atoms are the characters of an atom of RFC 5322, section 3.2.3.
var atoms = func() (table [256]bool) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, c := range []byte(letters + "0123456789!#$%&'*+-/=?^_`{|}~") {
		table[c] = true
	}
	return table
}()
