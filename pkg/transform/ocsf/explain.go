package ocsf

import "github.com/sluice-siem/sluice/pkg/transform"

// The rules that several fields share.
const (
	fixed      = "the same in every record"
	captionOf  = "caption of the number beside it"
	forwarding = "of the machine and the build that forwards"
	classOf    = transform.ByCatalogue + "api, or iam if the sink's classes are iam and the event has what the class requires"
	whom       = "of the user among auditable and target, by their types; else of the actor who signs in, joins or leaves"
	ifEmail    = ", if the display name is an e-mail address"
	team       = "of the team among auditable and target, by their types"
	ofObject   = "of auditable or target, whichever has the type that the catalogue names as object, else the deeper one"
	resource   = "of auditable and target, the object of the action first"
	pointer    = "what can be searched for in the field of that name"
	located    = "place of remote_ip, by the sink's databases"
	network    = "network of remote_ip, by the sink's databases"
	inAccount  = "organization of the source in the configuration"
	technique  = transform.ByCatalogue + "technique"
	ours       = "mark of Sluice's: "
)

// rules say what makes each field.
var rules = map[string]string{
	"time":          "created_at; that of a neighbour where it cannot be used",
	"class_uid":     classOf,
	"class_name":    captionOf,
	"category_uid":  "that of the class",
	"category_name": captionOf,
	"activity_id":   classOf,
	"activity_name": captionOf + "; action where that is Other",
	"type_uid":      "class_uid and activity_id",
	"type_name":     captionOf,
	"severity_id":   transform.ByCatalogue + "severity",
	"severity":      captionOf,
	"status_id":     "success, for what was logged happened; none for types access and info",
	"status":        captionOf,
	"message":       transform.ByCatalogue + "title",

	"metadata.version":                       fixed,
	"metadata.product.name":                  fixed,
	"metadata.product.vendor_name":           fixed,
	"metadata.product.feature.name":          fixed,
	"metadata.loggers[].name":                fixed,
	"metadata.loggers[].uid":                 forwarding,
	"metadata.loggers[].product.name":        fixed,
	"metadata.loggers[].product.vendor_name": fixed,
	"metadata.loggers[].product.version":     forwarding,
	"metadata.profiles":                      "cloud, and security_control where the catalogue names a technique",
	"metadata.uid":                           "id; the hash of the raw event where it has none",
	"metadata.event_code":                    "audit_action",
	"metadata.tenant_uid":                    inAccount,
	"metadata.logged_time":                   "when Sluice first read the event",
	"metadata.modified_time":                 "updated_at, if it is a time",
	"metadata.is_truncated":                  ours + "something was left out or shortened to fit",
	"metadata.debug":                         ours + "what could not be read",

	"attacks[].technique.uid":      technique,
	"attacks[].technique.name":     technique,
	"attacks[].sub_technique.uid":  technique,
	"attacks[].sub_technique.name": technique,

	"actor.app_name":        "actor_display_name or actor_type; PlanetScale where nobody is named",
	"actor.user.uid":        "actor_id",
	"actor.user.name":       "actor_display_name",
	"actor.user.full_name":  "actor_display_name",
	"actor.user.email_addr": "actor_display_name" + ifEmail,
	"actor.user.type_id":    "actor_type",
	"actor.user.type":       captionOf,

	"src_endpoint.ip":                       "remote_ip, if it is an IP address",
	"src_endpoint.name":                     "remote_ip, if it is no IP address",
	"src_endpoint.svc_name":                 "PlanetScale, where remote_ip is empty",
	"src_endpoint.location.city":            located,
	"src_endpoint.location.region":          located,
	"src_endpoint.location.postal_code":     located,
	"src_endpoint.location.country":         located,
	"src_endpoint.location.continent":       located,
	"src_endpoint.location.lat":             located,
	"src_endpoint.location.long":            located,
	"src_endpoint.autonomous_system.number": network,
	"src_endpoint.autonomous_system.name":   network,

	"api.operation":      "audit_action",
	"api.service.name":   fixed,
	"cloud.provider":     fixed,
	"cloud.account.uid":  inAccount,
	"cloud.account.name": inAccount,
	"cloud.org.name":     inAccount,
	"service.name":       fixed,
	"is_remote":          "signing in to PlanetScale always is",

	"user.uid":        "id " + whom,
	"user.name":       "display name " + whom,
	"user.full_name":  "display name " + whom,
	"user.email_addr": "display name " + whom + ifEmail,
	"user.type_id":    "type " + whom,
	"user.type":       captionOf,
	"privileges":      "to in metadata, where the catalogue says that roles change; else member",
	"group.uid":       "id " + team,
	"group.name":      "display name " + team,
	"entity.uid":      "id " + ofObject,
	"entity.name":     "display name " + ofObject,
	"entity.type_id":  "type " + ofObject,
	"entity.type":     captionOf,

	"resources[].uid":       "id " + resource,
	"resources[].name":      "display name " + resource,
	"resources[].type":      "type " + resource,
	"resources[].role_id":   "Target of the object, Related of the other",
	"resources[].role":      captionOf,
	"observables[].name":    pointer,
	"observables[].type_id": pointer,
	"observables[].type":    captionOf,
	"observables[].value":   pointer,

	"raw_data":                   "the raw event, if the sink's original is true and it fits",
	"raw_data_hash.algorithm_id": fixed,
	"raw_data_hash.algorithm":    captionOf,
	"raw_data_hash.value":        "SHA-256 of the raw event",
	"raw_data_size":              "size of the raw event in bytes",

	"unmapped.action":                 "action",
	"unmapped.location":               "location",
	"unmapped.metadata":               "metadata, as a string that holds JSON",
	"unmapped.auditable_type":         "auditable_type of what has neither id nor name",
	"unmapped.target_type":            "target_type of what has neither id nor name",
	"unmapped.resources[].uid":        "id " + resource,
	"unmapped.resources[].name":       "display name " + resource,
	"unmapped.resources[].type":       "type " + resource,
	"unmapped.resources[].role_id":    "Target of the object, Related of the other",
	"unmapped.resources[].role":       captionOf,
	"unmapped.sluice.severity":        transform.ByCatalogue + "severity",
	"unmapped.sluice.late":            ours + "events with a later time were delivered before",
	"unmapped.sluice.gap":             ours + "events are missing",
	"unmapped.sluice.unmapped":        ours + "the catalogue has no entry for the action",
	"unmapped.sluice.original_base64": ours + "the raw event, which is not UTF-8",
	"unmapped.sluice.truncated":       ours + "what was left out or shortened to fit",
}
