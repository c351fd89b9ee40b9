package ocsf_test

import (
	"encoding/json"
	"os"
	"regexp"
	"sync"
	"testing"
)

// facts is what the schema says about the classes and objects that the encoder writes;
// see testdata/extract.go.
type facts struct {
	Version string
	Classes map[string]thing
	Objects map[string]thing
	Types   map[string]*kind
}

// thing is a class or an object.
type thing struct {
	UID         int
	Attributes  map[string]attribute
	Constraints map[string][]string
}

type attribute struct {
	Type        string
	Object      string `json:"object_type"`
	Array       bool   `json:"is_array"`
	Requirement string
	Profile     string
	Profiles    []string
	Sibling     string
	Observable  int
	Deprecated  json.RawMessage `json:"@deprecated"`
	Enum        map[string]struct{ Caption string }
}

type kind struct {
	Base       string `json:"type"`
	Regex      string
	MaxLen     int `json:"max_len"`
	Observable int
	pattern    *regexp.Regexp
}

func readFacts(tb testing.TB) *facts {
	tb.Helper()
	f, err := schemaFacts()
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

var schemaFacts = sync.OnceValues(func() (*facts, error) {
	text, err := os.ReadFile("testdata/facts.json")
	if err != nil {
		return nil, err
	}
	f := &facts{}
	if err := json.Unmarshal(text, f); err != nil {
		return nil, err
	}
	for _, k := range f.Types {
		if k.Regex == "" {
			continue
		}
		if k.pattern, err = regexp.Compile(k.Regex); err != nil {
			return nil, err
		}
	}
	return f, nil
})
