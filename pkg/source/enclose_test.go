package source_test

import (
	"errors"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source"
)

// A position in a position comes out as it went in, and what is no whole one is not usable.
func TestEnclosed(t *testing.T) {
	const own = `{"floor":"x","position":[1]}`
	beside := map[string]string{"text": `a","position":{}`}
	inner, err := source.Enclose("audit", 1, source.Position(own))
	if err != nil {
		t.Fatal(err)
	}
	outer, err := source.Enclose("evidence", beside, inner)
	if err != nil {
		t.Fatal(err)
	}
	value, pos, err := source.Enclosed("evidence", append(append(source.Position(" "), outer...), '\n'))
	if want := `{"text":"a\",\"position\":{}"}`; err != nil || string(value) != want || string(pos) != string(inner) {
		t.Errorf("got %s beside %s, %v, want %s beside %s", value, pos, err, want, inner)
	}
	if value, pos, err = source.Enclosed("audit", pos); err != nil || string(value) != "1" || string(pos) != own {
		t.Errorf("got %s beside %s, %v", value, pos, err)
	}
	for _, other := range []string{own, "", "null", "7", `{"evidences":1,"position":2}`, string(inner)} {
		if value, pos, err := source.Enclosed("evidence", source.Position(other)); value != nil || string(pos) != other || err != nil {
			t.Errorf("%s: got %s beside %s, %v", other, value, pos, err)
		}
	}
	for _, bad := range []string{`{"audit":`, `{"audit":1}`, `{"audit":1,"position":`, `{"audit":1,"position":}`, `{"audit":1,"position":2`, `{"audit":null,"position":2}`} {
		if value, _, err := source.Enclosed("audit", source.Position(bad)); !errors.Is(err, source.ErrUnusable) {
			t.Errorf("%s: got %s, %v, want ErrUnusable", bad, value, err)
		}
	}
}
