package transform_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/transform/cef/ceftest"
	"github.com/sluice-siem/sluice/pkg/transform/leef/leeftest"
)

// stated is what a record says of itself. Raw has more than one reading.
type stated struct {
	epoch, sequence, note string // empty if it does not say
	readings              []evidence.Facts
}

// state returns what a record says. A value of JSON that is not there is nil.
func state(epoch, sequence any, note string, readings ...evidence.Facts) stated {
	text := func(v any) string {
		if v == nil {
			return ""
		}
		return fmt.Sprint(v)
	}
	return stated{text(epoch), text(sequence), note, readings}
}

// lineNote reads a note of a line.
func lineNote(text string) string {
	note, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return err.Error()
	}
	return string(note)
}

// readers read the facts of a record as the documentation of package evidence places them.
// They share no code with what writes records.
var readers = map[string]func(r *sink.Record) (stated, error){
	"ecs": readECS, "ocsf": readOCSF, "ocsf-iam": readOCSF, "cef": readCEF, "cef-1": readCEF, "cef-ipv6": readCEF,
	"leef": readLEEF, "leef-at": readLEEF, "raw": readRaw,
}

func at(o map[string]any, path ...string) any {
	var v any = o
	for _, key := range path {
		inner, _ := v.(map[string]any)
		v = inner[key]
	}
	return v
}

func textAt(o map[string]any, path ...string) string { s, _ := at(o, path...).(string); return s }

func decode(body []byte) (o map[string]any, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return o, d.Decode(&o)
}

func form(undecoded, shortened bool) evidence.Form {
	switch {
	case undecoded:
		return evidence.Undecoded
	case shortened:
		return evidence.Shortened
	}
	return evidence.Whole
}

func hashOf(text string) (sum [32]byte) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(sum) {
		return [32]byte{}
	}
	return [32]byte(b)
}

func readECS(r *sink.Record) (stated, error) {
	o, err := decode(r.Body)
	if err != nil {
		return stated{}, err
	}
	log := func(path ...string) string { return textAt(o, append([]string{"planetscale", "audit"}, path...)...) }
	when, err := time.Parse(time.RFC3339, textAt(o, "@timestamp"))
	return state(at(o, "planetscale", "audit", "epoch"), at(o, "event", "sequence"), log("note"), evidence.Facts{
		Form: form(textAt(o, "event", "kind") == "pipeline_error", at(o, "planetscale", "audit", "truncated") != nil),
		ID:   textAt(o, "event", "id"), Time: when, Action: textAt(o, "event", "action"), Actor: log("actor", "id"),
		Address: textAt(o, "source", "ip"), Object: log("auditable", "id"), Container: log("target", "id"),
		Organization: textAt(o, "organization", "name"), Hash: hashOf(textAt(o, "event", "hash")),
	}), err
}

func readOCSF(r *sink.Record) (stated, error) {
	o, err := decode(r.Body)
	if err != nil {
		return stated{}, err
	}
	resources, _ := at(o, "resources").([]any)
	if resources == nil {
		resources, _ = at(o, "unmapped", "resources").([]any)
	}
	var ids [2]string
	for i, resource := range resources {
		ids[i] = textAt(resource.(map[string]any), "uid")
	}
	if objects, is := at(o, "unmapped", "sluice", "objects").([]any); is {
		ids = [2]string{objects[0].(string), objects[1].(string)}
	}
	ms, err := o["time"].(json.Number).Int64()
	return state(at(o, "unmapped", "sluice", "epoch"), at(o, "metadata", "sequence"), textAt(o, "unmapped", "sluice", "note"), evidence.Facts{
		Form: form(at(o, "metadata", "debug") != nil, at(o, "metadata", "is_truncated") == true),
		ID:   textAt(o, "metadata", "uid"), Time: time.UnixMilli(ms), Action: textAt(o, "metadata", "event_code"),
		Actor: textAt(o, "actor", "user", "uid"), Address: textAt(o, "src_endpoint", "ip"), Object: ids[0], Container: ids[1],
		Organization: textAt(o, "metadata", "tenant_uid"), Hash: hashOf(textAt(o, "raw_data_hash", "value")),
	}), err
}

// ipv6InSrc is a pair that the strict parser refuses, since the standard does.
var ipv6InSrc = regexp.MustCompile(` src=[0-9a-f:]*:[0-9a-f:]* `)

func readCEF(r *sink.Record) (stated, error) {
	m, err := ceftest.Parse(ipv6InSrc.ReplaceAllString(string(r.Body), " "))
	if err != nil {
		return stated{}, err
	}
	x := m.Extension
	ms, err := strconv.ParseInt(x["rt"], 10, 64)
	address := x["src"]
	if address == "" {
		address = x["c6a2"]
	}
	epoch, sequence, _ := strings.Cut(x["PlanetScaleAuditLogNumber"], "/")
	return state(epoch, sequence, lineNote(x["PlanetScaleAuditLogNote"]), evidence.Facts{
		Form: form(x["reason"] != "", x["cn1"] == "1"), ID: x["externalId"], Time: time.UnixMilli(ms), Action: x["act"], Actor: x["suid"],
		Address: address, Object: x["flexString1"], Container: x["flexString2"], Organization: x["deviceExternalId"],
		Hash: hashOf(x["PlanetScaleAuditLogEventSHA256"]),
	}), err
}

func readLEEF(r *sink.Record) (stated, error) {
	m, err := leeftest.Parse(string(r.Body))
	if err != nil {
		return stated{}, err
	}
	a := m.Attributes
	object, container := a["resourceId"], a["containerId"]
	if a["firstId"] != "" || a["secondId"] != "" {
		object, container = a["firstId"], a["secondId"]
	}
	ms, err := strconv.ParseInt(a["devTime"], 10, 64)
	return state(a["epoch"], a["sequence"], lineNote(a["note"]), evidence.Facts{
		Form: form(a["problem"] != "", a["truncated"] != ""), ID: a["eventId"], Time: time.UnixMilli(ms), Action: a["action"], Actor: a["actorId"],
		Address: a["src"], Object: object, Container: container, Organization: a["accountName"], Hash: hashOf(a["rawSha256"]),
	}), err
}

// readRaw takes the number and the organization from beside the body, where a sink has them.
func readRaw(r *sink.Record) (stated, error) {
	body := r.Body
	o, _ := decode(body)
	if wrapped, is := o["original_base64"].(string); is && len(o) == 1 {
		var b []byte
		if err := json.Unmarshal([]byte(strconv.Quote(wrapped)), &b); err != nil {
			return stated{}, err
		}
		body = b
		o, _ = decode(body)
	}
	text := func(key string) string {
		switch v := o[key].(type) {
		case string:
			return v
		case json.Number, bool:
			return fmt.Sprint(v)
		}
		return ""
	}
	whole := evidence.Facts{
		Form: evidence.Whole, ID: text("id"), Action: text("audit_action"), Actor: text("actor_id"), Address: text("remote_ip"),
		Object: text("auditable_id"), Container: text("target_id"), Organization: r.Organization, Hash: sha256.Sum256(body),
	}
	whole.Time, _ = time.Parse(time.RFC3339, text("created_at"))
	undecoded, nameless := whole, whole
	undecoded.Form, nameless.Form = evidence.Undecoded, evidence.Undecoded
	nameless.ID = fmt.Sprintf("sha256:%x", whole.Hash)
	var epoch, sequence any
	if r.Epoch > 0 {
		epoch, sequence = r.Epoch, r.Sequence
	}
	return state(epoch, sequence, text("note"), whole, undecoded, nameless), nil
}
