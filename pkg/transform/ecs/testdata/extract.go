//go:build ignore

// Extract reads the flat schema that a release of the Elastic Common Schema
// publishes (generated/ecs/ecs_flat.yml) and prints what facts.json holds:
//
//	go run pkg/transform/ecs/testdata/extract.go ecs_flat.yml > pkg/transform/ecs/testdata/facts.json
//
// Of the fields it keeps those that the encoder writes, listed below.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/goccy/go-yaml"
)

var written = []string{
	"@timestamp", "ecs.version", "message",
	"data_stream.type", "data_stream.dataset", "data_stream.namespace",
	"observer.vendor", "observer.product", "observer.type", "observer.name", "observer.version",
	"cloud.provider", "cloud.service.name", "cloud.account.id", "cloud.account.name",
	"organization.name",
	"event.kind", "event.category", "event.type", "event.action", "event.outcome", "event.id", "event.module",
	"event.provider", "event.dataset", "event.created", "event.hash", "event.original", "event.sequence",
	"user.id", "user.name", "user.full_name", "user.email",
	"user.target.id", "user.target.name", "user.target.full_name", "user.target.email",
	"user.target.group.id", "user.target.group.name", "user.target.roles", "user.changes.roles",
	"group.id", "group.name",
	"related.ip", "related.user",
	"source.address", "source.ip", "client.ip",
	"source.geo.continent_code", "source.geo.country_iso_code", "source.geo.country_name", "source.geo.region_iso_code",
	"source.geo.region_name", "source.geo.city_name", "source.geo.postal_code", "source.geo.timezone", "source.geo.location",
	"source.as.number", "source.as.organization.name",
	"threat.framework", "threat.technique.id", "threat.technique.name",
	"threat.technique.subtechnique.id", "threat.technique.subtechnique.name",
	"error.message",
}

type field struct {
	Type      string   `yaml:"type" json:"type"`
	Normalize []string `yaml:"normalize" json:"-"`
	Allowed   []value  `yaml:"allowed_values" json:"-"`
	Array     bool     `yaml:"-" json:"array,omitempty"`
	Values    []string `yaml:"-" json:"values,omitempty"`
}

type value struct {
	Name  string   `yaml:"name"`
	Types []string `yaml:"expected_event_types"`
}

type facts struct {
	Fields     map[string]field    `json:"fields"`
	Categories map[string][]string `json:"types_by_category"`
}

func main() {
	if err := extract(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "extract:", err)
		os.Exit(1)
	}
}

func extract(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument: the path of ecs_flat.yml")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var schema map[string]field
	if err := yaml.Unmarshal(text, &schema); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	f := facts{Fields: map[string]field{}, Categories: map[string][]string{}}
	for _, name := range written {
		known, ok := schema[name]
		if !ok {
			return fmt.Errorf("%s: the schema has no field %s", args[0], name)
		}
		known.Array = slices.Contains(known.Normalize, "array")
		for _, v := range known.Allowed {
			known.Values = append(known.Values, v.Name)
			if name == "event.category" {
				f.Categories[v.Name] = v.Types
			}
		}
		f.Fields[name] = known
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	return out.Encode(f)
}
