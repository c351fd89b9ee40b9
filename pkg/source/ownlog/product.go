package ownlog

import (
	_ "embed"

	"github.com/sluice-siem/sluice/pkg/source"
)

// product describes Sluice and the keys of its events.
var product = source.Product{
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

// catalogue describes the actions of the own log.
//
//go:embed catalogue.json
var catalogue []byte
