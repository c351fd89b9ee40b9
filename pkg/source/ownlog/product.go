package ownlog

import (
	_ "embed"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Product describes Sluice, and the keys of the events that it writes of itself.
func Product() source.Product {
	return source.Product{
		Vendor:  "Sluice",
		Name:    "Sluice",
		Feature: "Own Log",
		Version: "1.0", // of the form of an Event
		Dataset: "sluice.own",
		Objects: [2]string{"subject"},
		Keys: source.Keys{
			ID: "id", Time: "time", Action: "action",
			Actor:    source.Party{ID: "actor.id", Type: "actor.type", Name: "actor.name"},
			Objects:  [2]source.Party{{ID: "subject.id", Type: "subject.type", Name: "subject.name"}},
			Metadata: "details",
		},
	}
}

// Catalogue describes the actions of the own log.
//
//go:embed catalogue.json
var Catalogue []byte
