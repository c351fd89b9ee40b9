package verify

import (
	"fmt"
	"strconv"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
)

// object is what matters of a JSON object.
type object struct {
	scan   rawjson.Scanner
	values [fieldCount]value
	twice  string // a key that is there more than once
}

// value is a member of a record. Its text is that of a string, and as it is written of
// anything else. It is empty if the member is missing or null.
type value struct {
	text   string
	there  bool
	quoted bool
}

// read reads an object that is all of a text.
func (o *object) read(text []byte, root *tree) error {
	o.scan = rawjson.Scanner{In: text}
	clear(o.values[:])
	o.twice = ""
	if o.scan.Peek() != '{' {
		return o.scan.Unexpected("object")
	}
	if err := o.members(root, 0); err != nil {
		return err
	}
	return o.scan.End()
}

func (o *object) members(at *tree, depth int) error {
	return o.scan.Object(depth, nil, func(key string) error {
		next := at.child(key)
		if next == nil {
			_, err := o.scan.Value(depth + 1)
			return err
		}
		return o.member(key, next, depth)
	})
}

func (o *object) member(key string, at *tree, depth int) error {
	switch c := o.scan.Peek(); {
	case c == '{' && !at.leaf:
		return o.members(at, depth+1)
	case !at.leaf:
		_, err := o.scan.Value(depth + 1)
		return err
	}
	v := value{there: true}
	var err error
	if o.scan.Peek() == '"' {
		v.quoted = true
		v.text, err = o.scan.Quoted()
	} else if v.text, err = o.scan.Value(depth + 1); v.text == "null" {
		v.text = ""
	}
	if err == nil && len(v.text) > 0 && v.text[0] == '[' && !v.quoted && single(at.field) {
		v = only(v)
	}
	if o.values[at.field].there {
		o.twice = key
	}
	o.values[at.field] = v
	return err
}

func (o *object) text(f field) string { return o.values[f].text }

// scalar is like text, but empty for an object or an array.
func (o *object) scalar(f field) string {
	v := o.values[f]
	if !v.quoted && v.text != "" && (v.text[0] == '{' || v.text[0] == '[') {
		return ""
	}
	return v.text
}

// number returns a whole number, which some destinations write as a text.
func (o *object) number(f field) (n uint64, err error) {
	if n, err = strconv.ParseUint(o.values[f].text, 10, 63); err != nil {
		return 0, fmt.Errorf("%q is no whole number", o.values[f].text)
	}
	return n, nil
}

// single reports whether a field has one value. Some destinations write each as an array.
func single(f field) bool {
	switch f {
	case ownTruncated, ocsfDebug, ocsfResources, ocsfOtherResources, ocsfObjects, ocsfLoggers, wrapResults, wrapHits, wrapHeaders:
		return false
	}
	return true
}

// only returns the value of an array whose elements are all the same, and the array if they
// are not.
func only(v value) value {
	s := rawjson.Scanner{In: []byte(v.text)}
	var first value
	n := 0
	same := true
	err := s.Array(0, func() (err error) {
		next := value{there: true, quoted: s.Peek() == '"'}
		if next.quoted {
			next.text, err = s.Quoted()
		} else {
			next.text, err = s.Value(1)
		}
		if n++; n == 1 {
			first = next
		}
		same = same && next == first
		return err
	})
	if err != nil || n == 0 || !same {
		return v
	}
	return first
}
