//go:build ignore

// Extract reads a compiled schema of the Open Cybersecurity Schema Framework, which the
// project's ocsf-schema-compiler makes of a release. It prints what facts.json holds:
//
//	go run pkg/transform/ocsf/testdata/extract.go schema.json > pkg/transform/ocsf/testdata/facts.json
//
// Of each class and object it keeps the attributes that the encoder writes,
// listed below, and those that the schema requires besides.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// common lists the attributes of every class.
const common = "activity_id activity_name actor api attacks category_name category_uid class_name class_uid cloud message metadata " +
	"observables raw_data raw_data_hash raw_data_size severity severity_id src_endpoint status status_id time type_name " +
	"type_uid unmapped"

var classes = map[string]string{
	"account_change":    common + " user",
	"api_activity":      common + " resources",
	"authentication":    common + " is_remote service user",
	"entity_management": common + " entity",
	"group_management":  common + " group user",
	"user_access":       common + " privileges resources user",
}

var objects = map[string]string{
	"account":           "name uid",
	"actor":             "app_name user",
	"api":               "operation service",
	"attack":            "sub_technique technique",
	"autonomous_system": "name number",
	"cloud":             "account org provider",
	"feature":           "name",
	"fingerprint":       "algorithm algorithm_id value",
	"group":             "name type uid",
	"location":          "city continent country lat long postal_code region",
	"logger":            "name product uid",
	"managed_entity":    "name type type_id uid user",
	"metadata": "debug event_code is_truncated logged_time loggers modified_time product profiles sequence tenant_uid " +
		"uid version",
	"network_endpoint": "autonomous_system ip location name svc_name",
	"object":           "",
	"observable":       "name type type_id value",
	"organization":     "name",
	"product":          "feature name vendor_name version",
	"resource_details": "name role role_id type uid",
	"service":          "name",
	"sub_technique":    "name uid",
	"technique":        "name uid",
	"user":             "email_addr full_name groups name type type_id uid",
}

// schema is the part of a compiled schema that matters here.
type schema struct {
	Version    string           `json:"version"`
	Classes    map[string]thing `json:"classes"`
	Objects    map[string]thing `json:"objects"`
	Dictionary struct {
		Types struct {
			Attributes map[string]kind `json:"attributes"`
		} `json:"types"`
	} `json:"dictionary"`
}

// thing is a class or an object.
type thing struct {
	UID         int                  `json:"uid,omitempty"`
	Attributes  map[string]attribute `json:"attributes,omitempty"`
	Constraints map[string][]string  `json:"constraints,omitempty"`
}

type attribute struct {
	Type        string          `json:"type"`
	Object      string          `json:"object_type,omitempty"`
	Array       bool            `json:"is_array,omitempty"`
	Requirement string          `json:"requirement"`
	Profile     string          `json:"profile,omitempty"`
	Profiles    []string        `json:"profiles,omitempty"`
	Sibling     string          `json:"sibling,omitempty"`
	Observable  int             `json:"observable,omitempty"`
	Deprecated  json.RawMessage `json:"@deprecated,omitempty"`
	Enum        map[string]enum `json:"enum,omitempty"`
}

type enum struct {
	Caption string `json:"caption"`
}

// kind is a type of values.
type kind struct {
	Base       string `json:"type,omitempty"`
	Regex      string `json:"regex,omitempty"`
	MaxLen     int    `json:"max_len,omitempty"`
	Observable int    `json:"observable,omitempty"`
}

type facts struct {
	Version string           `json:"version"`
	Classes map[string]thing `json:"classes"`
	Objects map[string]thing `json:"objects"`
	Types   map[string]kind  `json:"types"`
}

func main() {
	if err := extract(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "extract:", err)
		os.Exit(1)
	}
}

func extract(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument: the path of a compiled schema")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	f := facts{Version: s.Version, Types: map[string]kind{}}
	if f.Classes, err = keep(s.Classes, classes); err != nil {
		return fmt.Errorf("%s: class %w", args[0], err)
	}
	if f.Objects, err = keep(s.Objects, objects); err != nil {
		return fmt.Errorf("%s: object %w", args[0], err)
	}
	for _, things := range []map[string]thing{f.Classes, f.Objects} {
		for _, t := range things {
			for _, a := range t.Attributes {
				f.Types[a.Type] = s.Dictionary.Types.Attributes[a.Type]
			}
		}
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	return out.Encode(f)
}

// keep selects things by name, and of each the attributes that the encoder writes or the
// schema requires.
func keep(all map[string]thing, written map[string]string) (map[string]thing, error) {
	kept := map[string]thing{}
	for name, list := range written {
		whole, ok := all[name]
		if !ok {
			return nil, fmt.Errorf("%s: the schema has none", name)
		}
		t := thing{UID: whole.UID, Attributes: map[string]attribute{}, Constraints: whole.Constraints}
		names := strings.Fields(list)
		for _, n := range names {
			if _, ok := whole.Attributes[n]; !ok {
				return nil, fmt.Errorf("%s: the schema gives it no attribute %s", name, n)
			}
		}
		for n, a := range whole.Attributes {
			if slices.Contains(names, n) || a.Requirement == "required" {
				t.Attributes[n] = a
			}
		}
		kept[name] = t
	}
	return kept, nil
}
