package simulator

import (
	"fmt"
	"strconv"
	"strings"
)

// cast holds the actors and objects of a log, rendered to JSON once.
type cast struct {
	actors  []actor
	actions []action
	objects [kinds][]object
}

// actor is a person, a service token, or the system.
type actor struct {
	head  string // `"actor_id":…,"actor_type":…`
	name  string
	seats []seat
}

// seat is an address and location that an actor uses.
type seat struct{ address, location string }

// object is something that an action concerns. All fields are JSON.
type object struct{ id, kind, name string }

// action is an entry of the vocabulary with the kinds of object it concerns.
type action struct {
	name, verb        string
	auditable, target kind
}

const objectsOfAKind = 24

func newCast(seed uint64, tame bool) *cast {
	ids := newIdentity(mix(seed, 0xca57))
	next := int64(0)
	newID := func() string {
		next++
		text := ids.of(next)
		return strconv.Quote(string(text[:]))
	}
	c := &cast{actions: vocabulary()}
	for k := range c.objects {
		c.objects[k] = newObjects(kind(k), newID)
	}
	d := draw{mix(seed, 0xac708)}
	for i := range people {
		c.actors = append(c.actors, newActor(c.objects[kindUser][i], "User", &d))
	}
	for i := range 6 {
		c.actors = append(c.actors, newActor(c.objects[kindServiceToken][i], "ServiceToken", &d))
	}
	if !tame {
		for i := 0; i < len(hostileTexts); i += 7 {
			o := object{id: newID(), name: hostileTexts[i]}
			c.actors = append(c.actors, newActor(o, "User", &d))
		}
	}
	system := actor{
		head:  `"actor_id":null,"actor_type":null`,
		name:  `"PlanetScale"`,
		seats: []seat{{"null", "null"}},
	}
	c.actors = append(c.actors, system, system)
	return c
}

func newActor(o object, kind string, d *draw) actor {
	a := actor{
		head: fmt.Sprintf(`"actor_id":%s,"actor_type":%q`, o.id, kind),
		name: o.name,
	}
	for range 2 {
		a.seats = append(a.seats, newSeat(d))
	}
	return a
}

// newSeat uses addresses of the blocks for documentation (RFC 5737, RFC 3849). Some
// addresses have no known location.
func newSeat(d *draw) seat {
	s := seat{location: "null"}
	switch d.below(8) {
	case 0, 1, 2:
		s.address = fmt.Sprintf(`"2001:db8:%x:%x::%x"`, d.below(1<<16), d.below(1<<16), 1+d.below(1<<16))
	case 3:
		s.address = fmt.Sprintf(`"198.51.100.%d"`, 1+d.below(254))
	default:
		s.address = fmt.Sprintf(`"203.0.113.%d"`, 1+d.below(254))
	}
	if !d.oneIn(6) {
		s.location = strconv.Quote(cities[d.below(len(cities))])
	}
	return s
}

func newObjects(k kind, newID func() string) []object {
	if k == kindNone {
		return []object{{"null", "null", "null"}}
	}
	count := objectsOfAKind
	if k == kindOrganization {
		count = 1
	}
	objects := make([]object, count)
	for i := range objects {
		objects[i] = object{id: newID(), kind: strconv.Quote(kindNames[k]), name: strconv.Quote(objectName(k, i))}
	}
	return objects
}

func objectName(k kind, i int) string {
	first, second := i%len(adjectives), (i*5+int(k))%len(nouns)
	switch k {
	case kindOrganization:
		return "Acme Corporation"
	case kindUser:
		return people[i%len(people)]
	case kindDeployRequest:
		return "#" + strconv.Itoa(100+i*7)
	case kindServiceToken:
		return "ci-" + nouns[second]
	case kindBranch:
		return adjectives[first] + "-" + nouns[second] + "-" + strconv.Itoa(i)
	}
	return nouns[second] + "-" + strings.ToLower(kindNames[k]) + "-" + strconv.Itoa(i)
}

// object draws one of a kind.
func (c *cast) object(k kind, d *draw) *object {
	return &c.objects[k][d.below(len(c.objects[k]))]
}

var (
	people = []string{
		"Ada Moreno", "Bilal Haddad", "Chiara Conti", "Daniel O'Brien", "Esra Yıldız",
		"Fatima Zahra El Amrani", "Gustav Lindqvist", "Hana Kobayashi", "Ikaika Kahale",
		"José Ángel Núñez", "Katarzyna Wójcik", "Liam Murphy", "Mai Nguyễn", "Noor van Dijk",
		"Olu Adeyemi", "Priya Raman", "Quentin Lefèvre", "Rosa Jiménez", "Søren Ødegård",
		"Tomáš Dvořák", "Uma Krishnan", "Vera Petrova", "Wei Zhang", "Zoë Müller",
	}
	cities = []string{
		"Chicago, IL", "San Francisco, CA", "Austin, TX", "Toronto, ON", "São Paulo, Brazil",
		"London, United Kingdom", "Zürich, Switzerland", "Warsaw, Poland", "Lagos, Nigeria",
		"Bengaluru, India", "Tokyo, Japan", "Sydney, Australia",
	}
	adjectives = []string{"add", "fix", "drop", "rename", "split", "widen", "backfill", "index"}
	nouns      = []string{
		"orders", "billing", "sessions", "inventory", "customers", "ledger", "search", "payments",
		"audit", "shipping", "profiles",
	}
)
