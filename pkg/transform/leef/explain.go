package leef

import (
	"errors"
	"strings"

	"github.com/sluice-siem/sluice/pkg/transform"
)

const fixed = "the same in every record"

// headerFields are the names and rules of what stands between the pipes.
var headerFields = []transform.Field{
	{Name: "LEEF Version", Rule: fixed},
	{Name: "Vendor", Rule: fixed},
	{Name: "Product", Rule: fixed},
	{Name: "Product Version", Rule: fixed + ": that of the API"},
	{Name: "Event ID", Rule: "audit_action, with _ in place of other characters than [A-Za-z0-9._-]"},
	{Name: "Delimiter", Rule: "delimiter of the format's settings"},
}

// rules say what makes each attribute.
var rules = map[string]string{
	"devTime":       "created_at in milliseconds since 1970; that of a neighbour where it cannot be used",
	"sev":           transform.ByCatalogue + "severity",
	"cat":           transform.ByCatalogue + "categories",
	"eventId":       "id",
	"action":        "audit_action",
	"title":         transform.ByCatalogue + "title",
	"outcome":       "success, for what was logged happened; none for types access and info",
	"isLoginEvent":  transform.ByCatalogue + "types",
	"isLogoutEvent": transform.ByCatalogue + "types",
	"src":           "remote_ip, if it is an address",
	"usrName":       "actor_display_name, unless PlanetScale itself acted",
	"actorId":       "actor_id, unless PlanetScale itself acted",
	"actorType":     "actor_type; System if PlanetScale itself acted",
	"accountName":   "organization of the source in the configuration",
	"targetUser":    "display name of the user, or of the membership, among auditable and target, by their types",
	"targetUserId":  "id of the user among auditable and target, by their types",
	"targetRole":    "role after the change, by the catalogue's changes and from metadata.to",
	"groupID":       "id of the team among auditable and target, by their types",
	"resource":      "display name of the object, told from its container by their types",
	"resourceId":    "id of the object",
	"resourceType":  "type of the object",
	"container":     "display name of what the object lies in",
	"containerId":   "id of what the object lies in",
	"containerType": "type of what the object lies in",
	"other":         "display name of the one of auditable and target that is neither the object, nor its container, nor the user",
	"otherId":       "id of that one",
	"otherType":     "type of that one",
	"forwarder":     "name of the machine that forwards",
	"location":      "location",
	"metadata":      "metadata",
	"original":      "the raw event where it could not be decoded, and in a gap",
	"problem":       "what could not be read",
	"late":          "mark of Sluice's: events with a later time were delivered before",
	"gap":           "mark of Sluice's: events are missing",
	"unmapped":      "mark of Sluice's: the catalogue has no entry for the action",
	"truncated":     "mark of Sluice's: a value was shortened or left out to fit",
}

// explain takes a record of this package's apart. Its values hold neither pipe
// nor delimiter.
func explain(body []byte) ([]transform.Field, error) {
	parts := strings.SplitN(string(body), "|", len(headerFields)+1)
	if len(parts) <= len(headerFields) {
		return nil, errors.New("not a record of LEEF: the header is too short")
	}
	var fields []transform.Field
	for i, f := range headerFields {
		f.Value = parts[i]
		fields = append(fields, f)
	}
	s := Settings{Delimiter: parts[len(headerFields)-1]}
	delimiter, err := s.delimiter()
	if err != nil {
		return nil, err
	}
	for attribute := range strings.SplitSeq(parts[len(headerFields)], string(delimiter)) {
		name, value, _ := strings.Cut(attribute, "=")
		fields = append(fields, transform.Field{Name: name, Value: value, Rule: rules[name]})
	}
	return fields, nil
}
