package ocsf

import "github.com/sluice-siem/sluice/pkg/transform"

// The rules that several fields share.
const (
	fixed     = "the same in every record"
	captionOf = "caption of the number beside it"
	classOf   = transform.ByCatalogue + "api, or iam if the sink's classes are iam and the event has what the class requires"
	whom      = "of the user among {objects}, found by type; else of whom a membership or invitation names by e-mail address; else of the actor who signs in, joins or leaves"
	ifEmail   = ", if the display name is an e-mail address"
	team      = "of the team among {objects}, found by type"
	ofObject  = "of {first} or {second}: the one whose type the catalogue names as object, or else the deeper one"
	resource  = "of {objects}; the object of the action comes first"
	located   = "location of {remote_ip} in the sink's databases"
	network   = "network of {remote_ip} in the sink's databases"
	inAccount = "organization of the source in the configuration"
	technique = transform.ByCatalogue + "technique"
	ours      = "set by Sluice: "
)

// rules are the rules of the fields.
var rules = map[string]string{
	"time":          "{time}, or the time of a neighbouring event if it is unusable",
	"class_uid":     classOf,
	"class_name":    captionOf,
	"category_uid":  "category of the class",
	"category_name": captionOf,
	"activity_id":   classOf,
	"activity_name": captionOf + "; {verb} if that is Other",
	"type_uid":      "computed from class_uid and activity_id",
	"type_name":     captionOf,
	"severity_id":   transform.ByCatalogue + "severity",
	"severity":      captionOf,
	"status_id":     "success, since the log records what happened; not set for the types access and info",
	"status":        captionOf,
	"message":       transform.ByCatalogue + "title; the words of the event itself, if its log has any",

	"metadata.version":                       fixed,
	"metadata.product.name":                  fixed,
	"metadata.product.vendor_name":           fixed,
	"metadata.product.feature.name":          fixed,
	"metadata.loggers[].name":                fixed,
	"metadata.loggers[].uid":                 "name of the host that runs Sluice",
	"metadata.loggers[].product.name":        fixed,
	"metadata.loggers[].product.vendor_name": fixed,
	"metadata.loggers[].product.version":     "version of Sluice",
	"metadata.profiles":                      "cloud, and security_control if the catalogue names a technique",
	"metadata.sequence":                      transform.Sequence,
	"metadata.uid":                           "{id}, or the hash of the raw event if it has none",
	"metadata.event_code":                    "{action}",
	"metadata.tenant_uid":                    inAccount,
	"metadata.logged_time":                   "when Sluice first read the event",
	"metadata.modified_time":                 "{modified}, if it is a time",
	"metadata.is_truncated":                  ours + "something was left out or shortened to fit",
	"metadata.debug":                         ours + "what could not be read",

	"attacks[].technique.uid":      technique,
	"attacks[].technique.name":     technique,
	"attacks[].sub_technique.uid":  technique,
	"attacks[].sub_technique.name": technique,

	"actor.app_name":        "{actor.name}, or else {actor.type}, or else {product}",
	"actor.user.uid":        "{actor.id}",
	"actor.user.name":       "{actor.name}",
	"actor.user.full_name":  "{actor.name}",
	"actor.user.email_addr": "{actor.name}" + ifEmail,
	"actor.user.type_id":    "{actor.type}",
	"actor.user.type":       captionOf,

	"src_endpoint.ip":                       "{remote_ip}, if it is an IP address",
	"src_endpoint.name":                     "{remote_ip}, if it is not an IP address",
	"src_endpoint.svc_name":                 "{product}, if {remote_ip} is empty",
	"src_endpoint.location.city":            located,
	"src_endpoint.location.region":          located,
	"src_endpoint.location.postal_code":     located,
	"src_endpoint.location.country":         located,
	"src_endpoint.location.continent":       located,
	"src_endpoint.location.lat":             located,
	"src_endpoint.location.long":            located,
	"src_endpoint.autonomous_system.number": network,
	"src_endpoint.autonomous_system.name":   network,

	"api.operation":      "{action}",
	"api.service.name":   fixed,
	"cloud.provider":     fixed,
	"cloud.account.uid":  inAccount,
	"cloud.account.name": inAccount,
	"cloud.org.name":     inAccount,
	"service.name":       fixed,
	"is_remote":          "signing in to {product} is always remote",

	"user.uid":        "id " + whom,
	"user.name":       "display name " + whom,
	"user.full_name":  "display name " + whom,
	"user.email_addr": "display name " + whom + ifEmail,
	"user.type_id":    "type " + whom,
	"user.type":       captionOf,
	"privileges":      "{metadata}.to, the new role; {metadata}.from, the old one, if that is the stronger one",
	"group.uid":       "id " + team,
	"group.name":      "display name " + team,
	"entity.uid":      "id " + ofObject,
	"entity.name":     "display name " + ofObject,
	"entity.type_id":  "type " + ofObject,
	"entity.type":     captionOf,

	"entity.user.uid":        "id " + ofObject + ", if it is a user",
	"entity.user.name":       "display name " + ofObject + ", if it is a user",
	"entity.user.full_name":  "display name " + ofObject + ", if it is a user",
	"entity.user.email_addr": "display name " + ofObject + ", if it is a user and that is an e-mail address",
	"entity.user.type_id":    "type " + ofObject + ", if it is a user",
	"entity.user.type":       captionOf,

	"resources[].uid":       "id " + resource,
	"resources[].name":      "display name " + resource,
	"resources[].type":      "type " + resource,
	"resources[].role_id":   "Target for the object, Related for the other",
	"resources[].role":      captionOf,
	"observables[].name":    "name of the field that holds the value",
	"observables[].type_id": "type of the value",
	"observables[].type":    captionOf,
	"observables[].value":   "a value that is worth a search",

	"raw_data":                   "the raw event, if the sink's original is true and it fits",
	"raw_data_hash.algorithm_id": fixed,
	"raw_data_hash.algorithm":    captionOf,
	"raw_data_hash.value":        "SHA-256 of the raw event",
	"raw_data_size":              "size of the raw event in bytes",

	"unmapped.action":                 "{verb}",
	"unmapped.location":               "{location}",
	"unmapped.metadata":               "{metadata}, as a string that holds JSON",
	"unmapped.{first}_type":           "{first.type}, if {first} has neither id nor name",
	"unmapped.{second}_type":          "{second.type}, if {second} has neither id nor name",
	"unmapped.resources[].uid":        "id " + resource,
	"unmapped.resources[].name":       "display name " + resource,
	"unmapped.resources[].type":       "type " + resource,
	"unmapped.resources[].role_id":    "Target for the object, Related for the other",
	"unmapped.resources[].role":       captionOf,
	"unmapped.sluice.severity":        transform.ByCatalogue + "severity",
	"unmapped.sluice.epoch":           transform.Epoch,
	"unmapped.sluice.objects":         "{first.id} and {second.id}, if the record has a number and resources do not have them in this order",
	"unmapped.sluice.note":            transform.Note,
	"unmapped.sluice.late":            ours + "events with a later time were delivered before this one",
	"unmapped.sluice.replayed":        ours + "sluice replay sent the event again",
	"unmapped.sluice.own_token":       ours + "the event is about the token with which Sluice reads the log; the severity is at least 8",
	"unmapped.sluice.gap":             ours + "events are missing",
	"unmapped.sluice.unmapped":        ours + "the catalogue has no entry for the action",
	"unmapped.sluice.original_base64": ours + "the raw event, if it is not UTF-8",
	"unmapped.sluice.truncated":       ours + "what was left out or shortened to fit",
}
