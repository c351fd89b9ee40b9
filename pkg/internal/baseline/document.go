package baseline

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// event is an event of the API. A key that is null leaves its string empty.
type event struct {
	ID            string    `json:"id"`
	Action        string    `json:"audit_action"`
	Verb          string    `json:"action"`
	ActorID       string    `json:"actor_id"`
	ActorType     string    `json:"actor_type"`
	ActorName     string    `json:"actor_display_name"`
	AuditableID   string    `json:"auditable_id"`
	AuditableType string    `json:"auditable_type"`
	AuditableName string    `json:"auditable_display_name"`
	TargetID      string    `json:"target_id"`
	TargetType    string    `json:"target_type"`
	TargetName    string    `json:"target_display_name"`
	RemoteIP      string    `json:"remote_ip"`
	Location      string    `json:"location"`
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`
	Metadata      any       `json:"metadata"`
}

// object is a JSON object.
type object = map[string]any

// write appends the documents of a page to out.
func (s *Script) write(out *bufio.Writer, body []byte) (answer, error) {
	var page answer
	if err := json.Unmarshal(body, &page); err != nil {
		return page, fmt.Errorf("page: %w", err)
	}
	read := time.Now()
	for _, raw := range page.Data {
		var e event
		if err := json.Unmarshal(raw, &e); err != nil {
			return page, fmt.Errorf("event: %w", err)
		}
		metadata, err := json.Marshal(e.Metadata)
		if err != nil {
			return page, fmt.Errorf("metadata: %w", err)
		}
		document, err := json.Marshal(s.document(&e, metadata, raw, read))
		if err != nil {
			return page, fmt.Errorf("document: %w", err)
		}
		if _, err := out.Write(append(document, '\n')); err != nil {
			return page, err
		}
	}
	return page, nil
}

// catalogue is the one of package planetscale.
var catalogue = sync.OnceValue(func() *transform.Catalogue {
	c, err := transform.ParseCatalogue(planetscale.Type().Catalogue)
	if err != nil {
		panic(err)
	}
	return c
})

// document returns the event in the Elastic Common Schema, as package ecs does and with
// the same catalogue.
func (s *Script) document(e *event, metadata, raw []byte, read time.Time) object {
	action := catalogue().Lookup(e.Action)
	parts := &source.Event{
		Action:   e.Action,
		Actor:    source.Party{ID: e.ActorID, Type: e.ActorType, Name: e.ActorName},
		Objects:  [2]source.Party{{ID: e.AuditableID, Type: e.AuditableType, Name: e.AuditableName}, {ID: e.TargetID, Type: e.TargetType, Name: e.TargetName}},
		Metadata: metadata,
	}
	roles := catalogue().Resolve(parts, action)
	d := object{
		"@timestamp":   stamp(e.CreatedAt),
		"ecs":          object{"version": "9.4.0"},
		"data_stream":  object{"type": "logs", "dataset": "planetscale.audit", "namespace": "default"},
		"observer":     object{"vendor": "Sluice", "product": "Sluice", "type": "forwarder"},
		"organization": object{"name": s.Organization},
		"cloud": object{
			"provider": "planetscale", "service": object{"name": "PlanetScale"},
			"account": object{"id": s.Organization, "name": s.Organization},
		},
		"event":   facts(e, action, raw, read),
		"message": string(transform.AppendSummary(nil, parts, action, &roles)),
	}
	team := party(source.Party{ID: roles.Team.ID, Name: roles.Team.Name})
	who, affected, changes := person(roles.Actor), person(roles.User), object{}
	set(affected, "roles", distinct(roles.Before))
	if roles.User.Type != "" {
		set(affected, "group", team)
	}
	set(changes, "roles", distinct(roles.After))
	set(who, "target", affected)
	set(who, "changes", changes)
	set(d, "user", who)
	set(d, "group", team)
	set(d, "threat", threat(action.Technique))
	related, from, client := object{}, object{}, object{}
	set(related, "user", distinct(roles.Actor.ID, roles.Actor.Name, roles.User.ID, roles.User.Name))
	set(from, "address", e.RemoteIP)
	if ip, err := netip.ParseAddr(e.RemoteIP); err == nil {
		from["ip"], client["ip"], related["ip"] = ip.String(), ip.String(), []string{ip.String()}
	}
	set(d, "related", related)
	set(d, "source", from)
	set(d, "client", client)
	d["planetscale"] = object{"audit": audit(e, parts, &roles, action)}
	return d
}

func threat(t transform.Technique) object {
	if t.ID == "" {
		return nil
	}
	id, _, isSub := strings.Cut(t.ID, ".")
	name, sub, _ := strings.Cut(t.Name, ": ")
	technique := object{"id": []string{id}, "name": []string{name}}
	if isSub {
		technique["subtechnique"] = object{"id": []string{t.ID}, "name": []string{sub}}
	}
	return object{"framework": "MITRE ATT&CK", "technique": technique}
}

func facts(e *event, action *transform.Action, raw []byte, read time.Time) object {
	sum := sha256.Sum256(raw)
	o := object{
		"kind": "event", "category": action.Categories, "type": action.Types, "action": e.Action, "id": e.ID,
		"module": "planetscale", "provider": "planetscale", "dataset": "planetscale.audit",
		"created": stamp(read), "hash": hex.EncodeToString(sum[:]), "original": string(raw),
	}
	set(o, "outcome", action.Outcome())
	return o
}

func audit(e *event, parts *source.Event, roles *transform.Roles, action *transform.Action) object {
	actor := parts.Actor
	actor.Type = roles.ActorType
	o := object{"id": e.ID, "action": e.Verb, "updated_at": stamp(e.UpdatedAt), "severity": action.Severity}
	set(o, "actor", party(actor))
	set(o, "auditable", party(parts.Objects[0]))
	set(o, "target", party(parts.Objects[1]))
	set(o, "object", party(roles.Object))
	set(o, "container", party(roles.Container))
	set(o, "location", e.Location)
	if e.Metadata != nil {
		set(o, "metadata", string(parts.Metadata))
	}
	if !action.Mapped {
		o["unmapped"] = true
	}
	return o
}

func person(p source.Party) object {
	o := object{}
	set(o, "id", p.ID)
	set(o, "name", p.Name)
	set(o, "full_name", p.Name)
	if strings.Contains(p.Name, "@") {
		o["email"] = p.Name
	}
	return o
}

func party(p source.Party) object {
	o := object{}
	set(o, "type", p.Type)
	set(o, "id", p.ID)
	set(o, "name", p.Name)
	return o
}

// set sets a key unless the value is empty.
func set[T string | object | []string](o object, key string, value T) {
	if len(value) > 0 {
		o[key] = value
	}
}

func distinct(texts ...string) []string {
	var list []string
	for _, text := range texts {
		if text != "" && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
