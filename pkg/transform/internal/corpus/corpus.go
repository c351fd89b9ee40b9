// Package corpus holds the one set of events with which the formats are tested, fuzzed
// and measured.
package corpus

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Case is an event with a name that says how it differs from an ordinary one.
type Case struct {
	Name  string // lower case with dashes, fit for a file name
	Event source.Event
}

// Organization is the organization of every event.
const Organization = "acme"

// Original is the raw event most cases are made from: 700 bytes or so, the size of an
// ordinary one.
const Original = `{"id":"q7x2mk9d0a4e","type":"AuditLogEvent","actor_id":"u1k9f3jd82ma","actor_type":"User",` +
	`"auditable_id":"d8s0k2lq91xz","auditable_type":"DeployRequest","target_id":"b5v7n1mc3p0w",` +
	`"target_type":"Database","location":"Chicago, IL","target_display_name":"orders-production",` +
	`"audit_action":"deploy_request.queued","action":"queued","actor_display_name":"ada.lovelace@example.com",` +
	`"auditable_display_name":"Deploy request #1842: add index on orders.customer_id","remote_ip":"203.0.113.77",` +
	`"created_at":"2026-03-14T15:09:26.535Z","updated_at":"2026-03-14T15:09:26.535Z",` +
	`"metadata":{"from":"add-customer-index","into":"main","number":1842,"approvals":["u0a7c5","u4d1b9"],"auto_cutover":true}}`

// Typical returns the ordinary event.
func Typical() source.Event { return decode(Original) }

// Cases returns all events of the corpus.
func Cases() []Case {
	var cases []Case
	for _, set := range [][]Case{shapes(), people(), addresses(), metadata(), times(), hostile(), broken()} {
		cases = append(cases, set...)
	}
	return cases
}

// with returns the ordinary event with members replaced. A value is JSON, so a case shows
// what the API sent.
func with(name string, members ...string) Case {
	raw := Original
	for i := 0; i < len(members); i += 2 {
		raw = replace(raw, members[i], members[i+1])
	}
	return Case{name, decode(raw)}
}

func replace(raw, key, value string) string {
	var members map[string]json.RawMessage
	must(json.Unmarshal([]byte(raw), &members))
	before := `"` + key + `":` + string(members[key])
	if members[key] == nil || strings.Count(raw, before) != 1 {
		panic(fmt.Sprintf("corpus: no single member %s in %s", key, raw))
	}
	return strings.Replace(raw, before, `"`+key+`":`+value, 1)
}

// wire is an event as the API documents it.
type wire struct {
	ID            string          `json:"id"`
	ActorID       string          `json:"actor_id"`
	ActorType     string          `json:"actor_type"`
	AuditableID   string          `json:"auditable_id"`
	AuditableType string          `json:"auditable_type"`
	TargetID      string          `json:"target_id"`
	TargetType    string          `json:"target_type"`
	Location      string          `json:"location"`
	TargetName    string          `json:"target_display_name"`
	AuditAction   string          `json:"audit_action"`
	Action        string          `json:"action"`
	ActorName     string          `json:"actor_display_name"`
	AuditableName string          `json:"auditable_display_name"`
	RemoteIP      string          `json:"remote_ip"`
	CreatedAt     string          `json:"created_at"`
	UpdatedAt     string          `json:"updated_at"`
	Metadata      json.RawMessage `json:"metadata"`
}

// decode reads a raw event in the slow and simple way. If its time cannot be read, it has
// its neighbour's time, as from a source.
func decode(raw string) source.Event {
	var w wire
	must(json.Unmarshal([]byte(raw), &w))
	created, err := time.Parse(time.RFC3339, w.CreatedAt)
	problem := ""
	if err != nil {
		created = neighbour
		problem = "created_at is not a time"
	}
	if string(w.Metadata) == "null" {
		w.Metadata = nil
	}
	return source.Event{
		ID: w.ID, Time: created, Read: neighbour.Add(2 * time.Second), Organization: Organization,
		Action: w.AuditAction, Verb: w.Action,
		Actor:    source.Party{ID: w.ActorID, Type: w.ActorType, Name: w.ActorName},
		Objects:  [2]source.Party{{ID: w.AuditableID, Type: w.AuditableType, Name: w.AuditableName}, {ID: w.TargetID, Type: w.TargetType, Name: w.TargetName}},
		RemoteIP: w.RemoteIP, Location: w.Location, Modified: w.UpdatedAt,
		Metadata: w.Metadata, Raw: []byte(raw), Problem: problem,
	}
}

var neighbour = time.Date(2026, 3, 14, 15, 9, 26, 535e6, time.UTC)

func must(err error) {
	if err != nil {
		panic("corpus: " + err.Error())
	}
}
