package planetscale

import (
	_ "embed"

	"github.com/sluice-siem/sluice/pkg/source"
)

// product describes PlanetScale and the keys of its events.
var product = source.Product{
	Vendor:  "PlanetScale",
	Name:    "PlanetScale",
	Feature: "Audit Log",
	Version: "1.0", // of the API
	Dataset: "planetscale.audit",
	Objects: [2]string{"auditable", "target"},
	Keys: source.Keys{
		ID: "id", Time: "created_at", Modified: "updated_at",
		Action: "audit_action", Verb: "action",
		Actor: source.Party{ID: "actor_id", Type: "actor_type", Name: "actor_display_name"},
		Objects: [2]source.Party{
			{ID: "auditable_id", Type: "auditable_type", Name: "auditable_display_name"},
			{ID: "target_id", Type: "target_type", Name: "target_display_name"},
		},
		RemoteIP: "remote_ip", Location: "location", Metadata: "metadata",
		Kept: []string{"type"},
	},
}

// catalogue describes the documented actions, in both vocabularies of the API.
//
//go:embed catalogue.json
var catalogue []byte
