package ecs

import "github.com/sluice-siem/sluice/pkg/transform"

// The rules that several fields share.
const (
	fixed        = "the same in every document"
	actorID      = "{actor.id}, unless {product} itself acted"
	actorName    = "{actor.name}, unless {product} itself acted"
	affectedID   = "id of the user among {objects}, found by type"
	affectedName = "display name of the user among {objects}, found by type; else the e-mail address that a membership or invitation has as its display name"
	teamID       = "id of the team among {objects}, found by type"
	teamName     = "display name of the team among {objects}, found by type"
	ofObject     = "{first} or {second}: the one whose type the catalogue names as object, or else the deeper one"
	container    = "{first} or {second}: the one that contains the object"
	ifEmail      = ", if it is an e-mail address"
	address      = "{remote_ip}, if it is an IP address"
	located      = "location of {remote_ip} in the sink's databases"
	network      = "network of {remote_ip} in the sink's databases"
	organization = "organization of the source in the configuration"
	ours         = "set by Sluice: "
)

// rules are the rules of the fields.
var rules = map[string]string{
	"@timestamp":            "{time}, or the time of a neighbouring event if it is unusable",
	"ecs.version":           fixed,
	"data_stream.type":      fixed,
	"data_stream.dataset":   fixed,
	"data_stream.namespace": fixed,
	"observer.vendor":       fixed,
	"observer.product":      fixed,
	"observer.type":         fixed,
	"observer.name":         "name of the host that runs Sluice",
	"observer.version":      "version of Sluice",
	"cloud.provider":        fixed,
	"cloud.service.name":    fixed,
	"cloud.account.id":      organization,
	"cloud.account.name":    organization,
	"organization.name":     organization,

	"message":        transform.ByCatalogue + "title, and the display names of the actor and of the object, or else of {first} or {second}; the words of the event itself, if its log has any",
	"event.kind":     "event; pipeline_error if something could not be read",
	"event.category": transform.ByCatalogue + "categories",
	"event.type":     transform.ByCatalogue + "types",
	"event.action":   "{action}",
	"event.outcome":  "success, since the log records what happened; not set for the types access and info",
	"event.id":       "{id}, or the hash of the raw event if it has none",
	"event.sequence": transform.Sequence,
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
	"user.target.roles":      "{metadata}.from, if the catalogue says that the action changes roles",
	"user.changes.roles":     "{metadata}.to, if the catalogue says that the action changes roles",
	"user.target.group.id":   teamID,
	"user.target.group.name": teamName,
	"group.id":               teamID,
	"group.name":             teamName,
	"related.ip":             address,
	"related.user":           "ids and names of user and user.target",

	"source.address":              "{remote_ip}, even if it is not an IP address",
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

	"threat.framework":                   "MITRE ATT&CK, if the catalogue names a technique",
	"threat.technique.id":                transform.ByCatalogue + "technique",
	"threat.technique.name":              transform.ByCatalogue + "technique",
	"threat.technique.subtechnique.id":   transform.ByCatalogue + "technique",
	"threat.technique.subtechnique.name": transform.ByCatalogue + "technique",

	"{dataset}.id":              "{id}, or the hash of the raw event if it has none",
	"{dataset}.action":          "{verb}",
	"{dataset}.actor.type":      "{actor.type}; System if {product} itself acted",
	"{dataset}.actor.id":        "{actor.id}",
	"{dataset}.actor.name":      "{actor.name}",
	"{dataset}.{first}.type":    "{first.type}",
	"{dataset}.{first}.id":      "{first.id}",
	"{dataset}.{first}.name":    "{first.name}",
	"{dataset}.{second}.type":   "{second.type}",
	"{dataset}.{second}.id":     "{second.id}",
	"{dataset}.{second}.name":   "{second.name}",
	"{dataset}.object.type":     ofObject,
	"{dataset}.object.id":       ofObject,
	"{dataset}.object.name":     ofObject,
	"{dataset}.container.type":  container,
	"{dataset}.container.id":    container,
	"{dataset}.container.name":  container,
	"{dataset}.location":        "{location}",
	"{dataset}.metadata":        "{metadata}, as a string that holds JSON",
	"{dataset}.updated_at":      "{modified}, if it is a time",
	"{dataset}.severity":        transform.ByCatalogue + "severity",
	"{dataset}.epoch":           transform.Epoch,
	"{dataset}.note":            transform.Note,
	"{dataset}.late":            ours + "events with a later time were delivered before this one",
	"{dataset}.replayed":        ours + "sluice replay sent the event again",
	"{dataset}.own_token":       ours + "the event is about the token with which Sluice reads the log; the severity is at least 8",
	"{dataset}.gap":             ours + "events are missing",
	"{dataset}.unmapped":        ours + "the catalogue has no entry for the action",
	"{dataset}.problem":         ours + "what could not be read",
	"{dataset}.original_base64": ours + "the raw event, if it is not UTF-8",
	"{dataset}.truncated":       ours + "what was left out or shortened to fit",
}
