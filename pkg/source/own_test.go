package source_test

import (
	"testing"

	"github.com/sluice-siem/sluice/pkg/source"
)

func TestRawOf(t *testing.T) {
	for words, c := range map[string]struct {
		members []source.Member
		want    string
	}{
		"none":                    {nil, `{}`},
		"in their order":          {[]source.Member{{"b", "1<"}, {"a", 2}}, `{"b":"1\u003c","a":2}`},
		"nested":                  {[]source.Member{{"e.id", "x"}, {"lane", "l"}, {"e.on.at", 1}}, `{"e":{"id":"x","on":{"at":1}},"lane":"l"}`},
		"without a key":           {[]source.Member{{"", "x"}, {"a", 1}}, `{"a":1}`},
		"a key twice":             {[]source.Member{{"a", 1}, {"a", 2}}, `{"a":1}`},
		"a value in place of one": {[]source.Member{{"a.b", 1}, {"a", 2}}, `{"a":{"b":1}}`},
		"an object in its place":  {[]source.Member{{"a", 1}, {"a.b", 2}}, `{"a":1}`},
	} {
		if got, err := source.RawOf(c.members...); err != nil || string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", words, got, err, c.want)
		}
	}
}
