package cef

import (
	"errors"
	"maps"
	"regexp"
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// headerFields are the names and rules of the fields between the pipes.
var headerFields = []transform.Field{
	{Name: "Version", Rule: fixed},
	{Name: "Device Vendor", Rule: fixed},
	{Name: "Device Product", Rule: fixed},
	{Name: "Device Version", Rule: fixed + ": the version of the API"},
	{Name: "Device Event Class ID", Rule: "{action}, with _ for every character outside [A-Za-z0-9._-]"},
	{Name: "Name", Rule: transform.ByCatalogue + "title"},
	{Name: "Severity", Rule: transform.ByCatalogue + "severity"},
}

// The rules that several pairs share.
const (
	fixed   = "the same in every record"
	label   = "label of the field with the same number"
	created = "{time} in milliseconds since 1970, or the time of a neighbouring event if it is unusable"
)

// rules are the rules of the pairs.
var rules = map[string]string{
	"rt":                        created,
	"start":                     created,
	"externalId":                "{id}, or the beginning of its hash if it is too long",
	"cat":                       transform.ByCatalogue + "categories",
	"act":                       "{action}",
	"outcome":                   "success, since the log records what happened; not set for the types access and info",
	"src":                       "{remote_ip}, if it is an IPv4 address; with ipv6_in_src also if it is an IPv6 address",
	"c6a2":                      "{remote_ip}, if it is an IPv6 address",
	"c6a2Label":                 label,
	"suid":                      "{actor.id}, unless {product} itself acted",
	"suser":                     "{actor.name}, unless {product} itself acted",
	"spriv":                     "{actor.type}; System if {product} itself acted",
	"duid":                      "id of the user among {objects}, found by type",
	"duser":                     "display name of the user among {objects}, found by type; else the e-mail address that a membership or invitation has as its display name",
	"dpriv":                     "{metadata}.to, if the catalogue says that the action changes roles",
	"sourceServiceName":         fixed,
	"destinationServiceName":    fixed,
	"deviceExternalId":          "organization of the source in the configuration",
	"dvchost":                   "name of the host that runs Sluice",
	"deviceFacility":            fixed,
	"cs1":                       "organization of the source in the configuration",
	"cs1Label":                  label,
	"cs2":                       "{first.type}",
	"cs2Label":                  label,
	"cs3":                       "{first.name}",
	"cs3Label":                  label,
	"cs4":                       "{second.type}",
	"cs4Label":                  label,
	"cs5":                       "{second.name}",
	"cs5Label":                  label,
	"cs6":                       "{metadata}; the raw event if it could not be decoded, or for a gap",
	"cs6Label":                  label,
	"flexString1":               "{first.id}",
	"flexString1Label":          label,
	"flexString2":               "{second.id}",
	"flexString2Label":          label,
	"reportedResourceID":        "id of the object, found by type",
	"reportedResourceName":      "display name of the object",
	"reportedResourceType":      "type of the object",
	"reportedResourceGroupName": "display name of the object's container",
	"frameworkName":             "the same in every record that has a threatAttackID",
	"threatAttackID":            transform.ByCatalogue + "technique",
	"reason":                    "what could not be read",
	"msg":                       transform.ByCatalogue + "title, and the display names of the actor and of the object, or else of {first} or {second}; the words of the event itself, if its log has any",
	"cn1":                       "set by Sluice: a value was shortened or left out to fit",
	"cn1Label":                  label,
	"cn2":                       "set by Sluice: events with a later time were delivered before this one",
	"cn2Label":                  label,
	"cn3":                       "set by Sluice: the event is about the token with which Sluice reads the log; the severity is at least 8",
	"cn3Label":                  label,
}

// rulesFor returns the rules of the pairs for a product, which is in the names of four keys.
func rulesFor(p *source.Product) map[string]string {
	all := maps.Clone(rules)
	all[strings.TrimSuffix(ownKey(p, "EventSHA256"), "=")] = "SHA-256 of the raw event"
	all[strings.TrimSuffix(ownKey(p, "Number"), "=")] = "set by Sluice: how often the lane was taken, and place of the record in its log, with evidence"
	all[strings.TrimSuffix(ownKey(p, "Note"), "=")] = transform.Note + ", in Base64"
	all[strings.TrimSuffix(ownKey(p, "Replayed"), "=")] = "set by Sluice: sluice replay sent the event again"
	return all
}

// key matches the start of a pair. An equals sign in a value has a backslash before it.
var key = regexp.MustCompile(`(?:^| )([A-Za-z0-9]+)=`)

// explain splits a record of this package. Its header has pipes only between its fields.
func explain(p *source.Product, body []byte) ([]transform.Field, error) {
	parts := strings.SplitN(string(body), "|", len(headerFields)+1)
	if len(parts) <= len(headerFields) {
		return nil, errors.New("not a record of CEF: the header is too short")
	}
	var fields []transform.Field
	words, rules := transform.Words(p), rulesFor(p)
	for i, f := range headerFields {
		f.Value, f.Rule = parts[i], words.Replace(f.Rule)
		fields = append(fields, f)
	}
	extension := parts[len(headerFields)]
	begins := key.FindAllStringSubmatchIndex(extension, -1)
	for i, at := range begins {
		end := len(extension)
		if i+1 < len(begins) {
			end = begins[i+1][0]
		}
		name := extension[at[2]:at[3]]
		fields = append(fields, transform.Field{Name: name, Value: extension[at[1]:end], Rule: words.Replace(rules[name])})
	}
	return fields, nil
}
