//go:build ignore

// Extract reads the directory enterprise-attack of a release of MITRE ATT&CK in STIX 2.0
// (github.com/mitre/cti, a file for each object) and prints what attack.json holds:
//
//	go run pkg/transform/testdata/extract.go 18.1 cti/enterprise-attack > pkg/transform/testdata/attack.json
//
// A technique is withdrawn if it is revoked, then with the id of what replaces it, or
// deprecated, then without one. The name of a sub-technique follows that of its technique.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

type object struct {
	Type       string
	ID         string
	Name       string
	Revoked    bool
	Deprecated bool `json:"x_mitre_deprecated"`
	References []struct {
		Source string `json:"source_name"`
		ID     string `json:"external_id"`
	} `json:"external_references"`

	Relationship string `json:"relationship_type"`
	From         string `json:"source_ref"`
	To           string `json:"target_ref"`
}

type attack struct {
	Version    string            `json:"version"`
	Source     string            `json:"source"`
	Techniques map[string]string `json:"techniques"`
	Withdrawn  map[string]string `json:"withdrawn"`
}

func main() {
	if err := extract(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "extract:", err)
		os.Exit(1)
	}
}

func extract(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want two arguments: the version, and the path of enterprise-attack")
	}
	patterns, err := read(filepath.Join(args[1], "attack-pattern"))
	if err != nil {
		return err
	}
	relations, err := read(filepath.Join(args[1], "relationship"))
	if err != nil {
		return err
	}
	ids := map[string]string{} // of techniques, by those of their objects
	for _, p := range patterns {
		ids[p.ID] = p.technique()
	}
	out := attack{
		Version: args[0], Source: "github.com/mitre/cti, enterprise-attack",
		Techniques: map[string]string{}, Withdrawn: map[string]string{},
	}
	for _, p := range patterns {
		if p.Revoked || p.Deprecated {
			out.Withdrawn[ids[p.ID]] = ""
		} else {
			out.Techniques[ids[p.ID]] = p.Name
		}
	}
	for _, r := range relations {
		if r.Relationship == "revoked-by" && ids[r.From] != "" {
			out.Withdrawn[ids[r.From]] = ids[r.To]
		}
	}
	out.lengthen()
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// lengthen puts the name of the technique before that of its sub-technique.
func (a *attack) lengthen() {
	long := map[string]string{}
	for id, name := range a.Techniques {
		if parent, _, isSub := strings.Cut(id, "."); isSub {
			name = a.Techniques[parent] + ": " + name
		}
		long[id] = name
	}
	a.Techniques = long
}

func (o *object) technique() string {
	for _, r := range o.References {
		if r.Source == "mitre-attack" {
			return r.ID
		}
	}
	return ""
}

// read returns the objects of all files in a directory.
func read(dir string) ([]object, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("%s: no files (%v)", dir, err)
	}
	var all []object
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var bundle struct{ Objects []object }
		if err := json.Unmarshal(data, &bundle); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, bundle.Objects...)
	}
	return all, nil
}
