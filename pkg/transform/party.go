package transform

import (
	"net/netip"
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
)

// SystemActor is the type shown for an event without an actor: PlanetScale
// itself acted. The API sends null there.
const SystemActor = "System"

// ActorType is the type of the actor of e, SystemActor where there is none. It
// is empty where the actor is not known: in an event that could not be decoded,
// and in one of Sluice's own.
func ActorType(e *source.Event) string {
	if e.Actor.Type != "" || e.Actor.ID != "" {
		return e.Actor.Type
	}
	if e.Gap || e.Action == "" {
		return ""
	}
	return SystemActor
}

// Acted reports whether a person or a token is known to have acted.
func Acted(e *source.Event) bool { return e.Actor.ID != "" || e.Actor.Type != "" }

// affected finds the user and the team an event was done to. Which of
// auditable and target is the object and which its container differs from
// action to action, so the types decide; of two users the target is taken.
// A membership names its user but has an id of its own, which is left out; it is
// taken where no user is.
func affected(e *source.Event) (user, team source.Party) {
	for _, p := range [...]*source.Party{&e.Target, &e.Auditable} {
		switch {
		case p.Type == "User" && user.Type != "User":
			user = *p
		case strings.HasSuffix(p.Type, "Membership") && user.Type == "":
			user = source.Party{Type: p.Type, Name: p.Name}
		case (p.Type == "Team" || p.Type == "OrganizationTeam") && team.Type == "":
			team = *p
		}
	}
	return user, team
}

// Address reads an IP address as destinations with a type for addresses accept
// it: without a zone, and an IPv4 address in its own notation even where it was
// sent within an IPv6 one. The result is not valid if text is something else.
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

// plausibleAddress spares most text that is no address the cost of an error.
// The longest address is an IPv6 one that ends in an IPv4 one (RFC 4291,
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
