package leef

import (
	"errors"
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

const fixed = "the same in every record"

// headerFields are the names and rules of the fields between the pipes.
var headerFields = []transform.Field{
	{Name: "LEEF Version", Rule: fixed},
	{Name: "Vendor", Rule: fixed},
	{Name: "Product", Rule: fixed},
	{Name: "Product Version", Rule: fixed + ": the version of the API"},
	{Name: "Event ID", Rule: "{action}, with _ for every character outside [A-Za-z0-9._-]"},
	{Name: "Delimiter", Rule: "delimiter of the format's settings"},
}

// rules are the rules of the attributes.
var rules = map[string]string{
	"devTime":       "{time} in milliseconds since 1970, or the time of a neighbouring event if it is unusable",
	"sev":           transform.ByCatalogue + "severity",
	"cat":           transform.ByCatalogue + "categories",
	"eventId":       "{id}",
	"action":        "{action}",
	"title":         transform.ByCatalogue + "title",
	"outcome":       "success, since the log records what happened; not set for the types access and info",
	"isLoginEvent":  transform.ByCatalogue + "types",
	"isLogoutEvent": transform.ByCatalogue + "types",
	"src":           "{remote_ip}, if it is an IP address",
	"usrName":       "{actor.name}, unless {product} itself acted",
	"actorId":       "{actor.id}, unless {product} itself acted",
	"actorType":     "{actor.type}; System if {product} itself acted",
	"accountName":   "organization of the source in the configuration",
	"targetUser":    "display name of the user among {objects}, found by type; else the e-mail address that a membership or invitation has as its display name",
	"targetUserId":  "id of the user among {objects}, found by type",
	"targetRole":    "{metadata}.to, if the catalogue says that the action changes roles",
	"groupID":       "id of the team among {objects}, found by type",
	"resource":      "display name of the object, found by type",
	"resourceId":    "id of the object",
	"resourceType":  "type of the object",
	"container":     "display name of the object's container",
	"containerId":   "id of the object's container",
	"containerType": "type of the object's container",
	"other":         "display name of the one among {objects} that is neither the object, nor its container, nor the user",
	"otherId":       "id of that one",
	"otherType":     "type of that one",
	"forwarder":     "name of the host that runs Sluice",
	"location":      "{location}",
	"metadata":      "{metadata}",
	"original":      "the raw event if it could not be decoded, or for a gap",
	"rawSha256":     "SHA-256 of the raw event",
	"firstId":       "{first.id}, if the record has a number and resourceId is not that",
	"secondId":      "{second.id}, if the record has a number and containerId is not that",
	"epoch":         transform.Epoch,
	"sequence":      transform.Sequence,
	"note":          transform.Note + ", in Base64",
	"problem":       "what could not be read",
	"late":          "set by Sluice: events with a later time were delivered before this one",
	"replayed":      "set by Sluice: sluice replay sent the event again",
	"ownToken":      "set by Sluice: the event is about the token with which Sluice reads the log; the severity is at least 8",
	"gap":           "set by Sluice: events are missing",
	"unmapped":      "set by Sluice: the catalogue has no entry for the action",
	"truncated":     "set by Sluice: a value was shortened or left out to fit",
}

// explain splits a record of this package. Its values have neither pipe nor delimiter.
func explain(p *source.Product, body []byte) ([]transform.Field, error) {
	parts := strings.SplitN(string(body), "|", len(headerFields)+1)
	if len(parts) <= len(headerFields) {
		return nil, errors.New("not a record of LEEF: the header is too short")
	}
	var fields []transform.Field
	words := transform.Words(p)
	for i, f := range headerFields {
		f.Value, f.Rule = parts[i], words.Replace(f.Rule)
		fields = append(fields, f)
	}
	s := Settings{Delimiter: parts[len(headerFields)-1]}
	delimiter, err := s.delimiter()
	if err != nil {
		return nil, err
	}
	for attribute := range strings.SplitSeq(parts[len(headerFields)], string(delimiter)) {
		name, value, _ := strings.Cut(attribute, "=")
		fields = append(fields, transform.Field{Name: name, Value: value, Rule: words.Replace(rules[name])})
	}
	return fields, nil
}
