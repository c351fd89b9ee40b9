package source

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// Member is a key of a raw event with its value. A key with dots leads through nested
// objects.
type Member struct {
	Key   string
	Value any // anything that package json can encode
}

// Own returns the keys for an event that Sluice adds to those of a log, such as a gap.
// They are those of the log's own events. The id, the time and the action, which every
// event of Sluice has, are "id", "time" and "action" where k does not name them.
func (k Keys) Own() Keys {
	return Keys{ID: cmp.Or(k.ID, "id"), Time: cmp.Or(k.Time, "time"), Action: cmp.Or(k.Action, "action"), Verb: k.Verb}
}

// RawOf returns a raw event with the members in their order. It leaves out a member
// without a key, and one whose place another one takes.
func RawOf(members ...Member) ([]byte, error) {
	var root object
	for _, m := range members {
		if m.Key != "" {
			root.set(strings.Split(m.Key, "."), m.Value)
		}
	}
	return json.Marshal(&root)
}

// object is a JSON object that keeps the order of its members.
type object []Member

func (o *object) set(path []string, value any) {
	i := slices.IndexFunc(*o, func(m Member) bool { return m.Key == path[0] })
	if i < 0 {
		i = len(*o)
		*o = append(*o, Member{path[0], value})
		if len(path) > 1 {
			(*o)[i].Value = &object{}
		}
	}
	if inner, ok := (*o)[i].Value.(*object); ok && len(path) > 1 {
		inner.set(path[1:], value)
	}
}

func (o *object) MarshalJSON() ([]byte, error) {
	text := []byte{'{'}
	for i, m := range *o {
		key, err := json.Marshal(m.Key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.Value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(append(text, key...), ':'), value...)
	}
	return append(text, '}'), nil
}
