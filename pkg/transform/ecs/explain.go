package ecs

import "github.com/sluice-siem/sluice/pkg/transform"

// The rules that several fields share.
const (
	fixed        = "the same in every document"
	ofTheSink    = "of the machine and the build that forwards"
	actorID      = "actor_id, unless PlanetScale itself acted"
	actorName    = "actor_display_name, unless PlanetScale itself acted"
	affectedID   = "id of the user among auditable and target, by their types"
	affectedName = "display name of the user, or of the membership, among auditable and target, by their types"
	teamID       = "id of the team among auditable and target, by their types"
	teamName     = "display name of the team among auditable and target, by their types"
	ofObject     = "auditable or target, whichever has the type that the catalogue names as object, else the deeper one"
	container    = "auditable or target, whichever the object lies in"
	ifEmail      = ", if it is an e-mail address"
	address      = "remote_ip, if it is an IP address"
	located      = "place of remote_ip, by the sink's databases"
	network      = "network of remote_ip, by the sink's databases"
	organization = "organization of the source in the configuration"
	ours         = "mark of Sluice's: "
)

// rules say what makes each field.
var rules = map[string]string{
	"@timestamp":            "created_at; that of a neighbour where it cannot be used",
	"ecs.version":           fixed,
	"data_stream.type":      fixed,
	"data_stream.dataset":   fixed,
	"data_stream.namespace": fixed,
	"observer.vendor":       fixed,
	"observer.product":      fixed,
	"observer.type":         fixed,
	"observer.name":         ofTheSink,
	"observer.version":      ofTheSink,
	"cloud.provider":        fixed,
	"cloud.service.name":    fixed,
	"cloud.account.id":      organization,
	"cloud.account.name":    organization,
	"organization.name":     organization,

	"event.kind":     "event; pipeline_error if something could not be read",
	"event.category": transform.ByCatalogue + "categories",
	"event.type":     transform.ByCatalogue + "types",
	"event.action":   "audit_action",
	"event.outcome":  "success, for what was logged happened; none for types access and info",
	"event.id":       "id; the hash of the raw event where it has none",
	"event.module":   fixed,
	"event.provider": fixed,
	"event.dataset":  fixed,
	"event.created":  "when Sluice first read the event",
	"event.hash":     "SHA-256 of the raw event",
	"event.original": "the raw event, if the sink's original is true and it fits",
	"error.message":  "what could not be read",

	"user.id":                actorID,
	"user.name":              actorName,
	"user.full_name":         actorName,
	"user.email":             actorName + ifEmail,
	"user.target.id":         affectedID,
	"user.target.name":       affectedName,
	"user.target.full_name":  affectedName,
	"user.target.email":      affectedName + ifEmail,
	"user.target.roles":      "from in metadata, where the catalogue says that roles change",
	"user.changes.roles":     "to in metadata, where the catalogue says that roles change",
	"user.target.group.id":   teamID,
	"user.target.group.name": teamName,
	"group.id":               teamID,
	"group.name":             teamName,
	"related.ip":             address,
	"related.user":           "ids and names of user and user.target",

	"source.address":              "remote_ip, whatever it holds",
	"source.ip":                   address,
	"client.ip":                   address,
	"source.geo.continent_code":   located,
	"source.geo.country_iso_code": located,
	"source.geo.country_name":     located,
	"source.geo.region_iso_code":  located,
	"source.geo.region_name":      located,
	"source.geo.city_name":        located,
	"source.geo.postal_code":      located,
	"source.geo.timezone":         located,
	"source.geo.location.lat":     located,
	"source.geo.location.lon":     located,
	"source.as.number":            network,
	"source.as.organization.name": network,

	"threat.framework":                   "MITRE ATT&CK, where the catalogue names a technique",
	"threat.technique.id":                transform.ByCatalogue + "technique",
	"threat.technique.name":              transform.ByCatalogue + "technique",
	"threat.technique.subtechnique.id":   transform.ByCatalogue + "technique",
	"threat.technique.subtechnique.name": transform.ByCatalogue + "technique",

	"planetscale.audit.id":              "id; the hash of the raw event where it has none",
	"planetscale.audit.action":          "action",
	"planetscale.audit.actor.type":      "actor_type; System if PlanetScale itself acted",
	"planetscale.audit.actor.id":        "actor_id",
	"planetscale.audit.actor.name":      "actor_display_name",
	"planetscale.audit.auditable.type":  "auditable_type",
	"planetscale.audit.auditable.id":    "auditable_id",
	"planetscale.audit.auditable.name":  "auditable_display_name",
	"planetscale.audit.target.type":     "target_type",
	"planetscale.audit.target.id":       "target_id",
	"planetscale.audit.target.name":     "target_display_name",
	"planetscale.audit.object.type":     ofObject,
	"planetscale.audit.object.id":       ofObject,
	"planetscale.audit.object.name":     ofObject,
	"planetscale.audit.container.type":  container,
	"planetscale.audit.container.id":    container,
	"planetscale.audit.container.name":  container,
	"planetscale.audit.location":        "location",
	"planetscale.audit.metadata":        "metadata, as a string that holds JSON",
	"planetscale.audit.updated_at":      "updated_at, if it is a time",
	"planetscale.audit.severity":        transform.ByCatalogue + "severity",
	"planetscale.audit.late":            ours + "events with a later time were delivered before",
	"planetscale.audit.gap":             ours + "events are missing",
	"planetscale.audit.unmapped":        ours + "the catalogue has no entry for the action",
	"planetscale.audit.problem":         ours + "what could not be read",
	"planetscale.audit.original_base64": ours + "the raw event, which is not UTF-8",
	"planetscale.audit.truncated":       ours + "what was left out or shortened to fit",
}
