package cef

import (
	"errors"
	"regexp"
	"strings"

	"github.com/sluice-siem/sluice/pkg/transform"
)

// headerFields are the names and rules of what stands between the pipes.
var headerFields = []transform.Field{
	{Name: "Version", Rule: fixed},
	{Name: "Device Vendor", Rule: fixed},
	{Name: "Device Product", Rule: fixed},
	{Name: "Device Version", Rule: fixed + ": that of the API"},
	{Name: "Device Event Class ID", Rule: "audit_action, with _ in place of other characters than [A-Za-z0-9._-]"},
	{Name: "Name", Rule: transform.ByCatalogue + "title"},
	{Name: "Severity", Rule: transform.ByCatalogue + "severity"},
}

// The rules that several pairs share.
const (
	fixed   = "the same in every record"
	label   = "says what the value of the same number is"
	created = "created_at in milliseconds since 1970; that of a neighbour where it cannot be used"
)

// rules say what makes each pair.
var rules = map[string]string{
	"rt":                        created,
	"start":                     created,
	"externalId":                "id, or the beginning of its hash if it is too long",
	"cat":                       transform.ByCatalogue + "categories",
	"act":                       "audit_action",
	"outcome":                   "success, for what was logged happened; none for types access and info",
	"src":                       "remote_ip, if it is an IPv4 address",
	"c6a2":                      "remote_ip, if it is an IPv6 address",
	"c6a2Label":                 label,
	"suid":                      "actor_id, unless PlanetScale itself acted",
	"suser":                     "actor_display_name, unless PlanetScale itself acted",
	"spriv":                     "actor_type; System if PlanetScale itself acted",
	"duid":                      "id of the user among auditable and target, by their types",
	"duser":                     "display name of the user, or of the membership, among auditable and target, by their types",
	"dpriv":                     "role after the change, by the catalogue's changes and from metadata.to",
	"sourceServiceName":         fixed,
	"destinationServiceName":    fixed,
	"deviceExternalId":          "organization of the source in the configuration",
	"dvchost":                   "name of the machine that forwards",
	"deviceFacility":            fixed,
	"cs1":                       "organization of the source in the configuration",
	"cs1Label":                  label,
	"cs2":                       "auditable_type",
	"cs2Label":                  label,
	"cs3":                       "auditable_display_name",
	"cs3Label":                  label,
	"cs4":                       "target_type",
	"cs4Label":                  label,
	"cs5":                       "target_display_name",
	"cs5Label":                  label,
	"cs6":                       "metadata; the raw event where that could not be decoded, and in a gap",
	"cs6Label":                  label,
	"flexString1":               "auditable_id",
	"flexString1Label":          label,
	"flexString2":               "target_id",
	"flexString2Label":          label,
	"reportedResourceID":        "id of the object, told from its container by their types",
	"reportedResourceName":      "display name of the object",
	"reportedResourceType":      "type of the object",
	"reportedResourceGroupName": "display name of what the object lies in",
	"frameworkName":             "the same in every record that has a threatAttackID",
	"threatAttackID":            transform.ByCatalogue + "technique",
	"reason":                    "what could not be read",
	"msg":                       "actor_display_name, the action in words, and the display name of the object, else of auditable or target",
	"cn1":                       "mark of Sluice's: a value was shortened or left out to fit",
	"cn1Label":                  label,
	"cn2":                       "mark of Sluice's: events with a later time were delivered before",
	"cn2Label":                  label,
}

// key is where a pair begins: in a value the equals sign has a backslash before it.
var key = regexp.MustCompile(`(?:^| )([A-Za-z0-9]+)=`)

// explain takes a record of this package's apart. Its header holds no pipe but
// those between its fields.
func explain(body []byte) ([]transform.Field, error) {
	parts := strings.SplitN(string(body), "|", len(headerFields)+1)
	if len(parts) <= len(headerFields) {
		return nil, errors.New("not a record of CEF: the header is too short")
	}
	var fields []transform.Field
	for i, f := range headerFields {
		f.Value = parts[i]
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
		fields = append(fields, transform.Field{Name: name, Value: extension[at[1]:end], Rule: rules[name]})
	}
	return fields, nil
}
