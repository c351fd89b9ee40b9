package app

import (
	"context"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// parts returns all mappings of a reference by what they are.
func parts(ref config.Reference) map[string]config.Setting {
	all := map[string]config.Setting{"configuration": ref.Top}
	for what, parts := range map[string][]config.Part{"state": ref.States, "source": ref.Sources, "sink": ref.Sinks, "format": ref.Formats} {
		for _, p := range parts {
			all[what+" "+p.Name] = p.Settings
		}
	}
	return all
}

// TestEveryKeyIsDocumented requires of each key of Sluice what documentation needs.
func TestEveryKeyIsDocumented(t *testing.T) {
	_, ref := Documentation()
	if err := ref.Validate(); err != nil {
		t.Error(err)
	}
	keys := 0
	var visit func(path string, s config.Setting)
	visit = func(path string, s config.Setting) {
		for _, k := range s.Keys {
			keys++
			judgeKey(t, path+"."+k.Key, k)
			visit(path+"."+k.Key, k)
		}
		if s.Item != nil {
			visit(path+"[]", *s.Item)
		}
	}
	for what, s := range parts(ref) {
		visit(what, s)
	}
	if keys < 100 {
		t.Errorf("found only %d keys", keys)
	}
}

func judgeKey(t *testing.T, path string, k config.Setting) {
	t.Helper()
	if !strings.HasSuffix(k.Doc, ".") || strings.Contains(k.Doc, "`") {
		t.Errorf("%s: got the doc %q, want whole sentences in plain text", path, k.Doc)
	}
	if len(k.Form.Values) > 0 && k.Default != "" && !slices.Contains(k.Form.Values, k.Default) {
		t.Errorf("%s: the default %s is not one of %q", path, k.Default, k.Form.Values)
	}
	if k.Default != "" && !regexp.MustCompile(k.Form.Pattern).MatchString(k.Default) {
		t.Errorf("%s: the default %s does not match %s", path, k.Default, k.Form.Pattern)
	}
	if strings.HasSuffix(k.InWords, ".") {
		t.Errorf("%s: got the default %q, want words without a full stop", path, k.InWords)
	}
}

// wrong has a mistake in the tags of each key.
type wrong struct {
	Pattern  string   `yaml:"pattern" pattern:"(" doc:"A."`
	Items    []string `yaml:"items" pattern:"[" doc:"A."`
	Least    int      `yaml:"least" least:"few" doc:"A."`
	Values   int      `yaml:"values" values:"0|one" doc:"A."`
	Required string   `yaml:"required" required:"always" doc:"A."`
	With     string   `yaml:"with" required:"with nobody" doc:"A."`
	If       string   `yaml:"if" required:"if pattern" doc:"A."`
}

// The author of a sink learns of a wrong tag, and no command breaks off.
func TestWrongTagsAreReported(t *testing.T) {
	_, ref := Documentation(WithSink(sink.NewType("wrong", wrong{}, func(context.Context, sink.Env, wrong) (sink.Sink, error) { return nil, errors.ErrUnsupported })))
	_, err := ref.Schema(false)
	if err == nil {
		t.Fatal("got a schema, want an error")
	}
	for i := range reflect.TypeFor[wrong]().NumField() {
		key := reflect.TypeFor[wrong]().Field(i).Tag.Get("yaml")
		if !strings.Contains(err.Error(), "the tags of wrong."+key+": ") {
			t.Errorf("got %v, want an error about %s", err, key)
		}
	}
}
