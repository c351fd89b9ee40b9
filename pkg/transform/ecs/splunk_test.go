package ecs_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

// sent is the options of a lane to Splunk, which sends no original.
var sent = corpus.Options(transform.Options{Host: "forwarder-1", Version: "1.2.3"})

// everything returns the corpus, and the ordinary event with each action.
func everything() []corpus.Case {
	all := corpus.Cases()
	for _, action := range corpus.Actions() {
		e := corpus.Typical()
		_, e.Verb, _ = strings.Cut(action, ".")
		e.Action = action
		all = append(all, corpus.Case{Name: action, Event: e})
	}
	return all
}

func TestSplunkNamesOnlyFieldsThatAreWritten(t *testing.T) {
	written := map[string]bool{}
	for _, c := range everything() {
		for field := range extracted(parse(t, sent, c.Event)) {
			written[field] = true
		}
	}
	a := readAddon(t)
	if len(a.named) < 20 {
		t.Errorf("found only %d fields in the add-on, want more than 20", len(a.named))
	}
	for _, field := range a.named {
		if !written[field] {
			t.Errorf("the add-on reads %s, but no record has it", field)
		}
	}
}

// TestSplunkModel checks every event against the data models Change, Authentication and
// Alerts of the Common Information Model 8.5.0.
func TestSplunkModel(t *testing.T) {
	a := readAddon(t)
	changes, accounts, signIns, alerts := 0, 0, 0, 0
	for _, c := range everything() {
		d := parse(t, sent, c.Event)
		s := a.search(t, d)
		if slices.Contains(s.tags, "authentication") {
			signIns++
			holds(t, c.Name, s, "action", "app", "dest", "src", "user", "vendor_product")
		}
		if slices.Contains(s.tags, "alert") {
			alerts++
			holds(t, c.Name, s, "app", "description", "dest", "id", "mitre_technique_id", "severity_id", "signature", "user", "vendor_account")
			if s.value("severity") != "high" || s.value("type") != "alert" {
				t.Errorf("%s: severity %s, type %s; want high and alert", c.Name, s.value("severity"), s.value("type"))
			}
		}
		if want := strings.HasSuffix(c.Event.Action, "_leaked"); slices.Contains(s.tags, "alert") != want {
			t.Errorf("%s: tags %v, want alert: %v", c.Name, s.tags, want)
		}
		if slices.Contains(s.tags, "change") {
			changes++
			checkChange(t, c, d, s)
		} else if s.fields["change_type"] != nil {
			t.Errorf("%s: change_type is %s, but the event is not tagged as a change", c.Name, s.value("change_type"))
		}
		if slices.Contains(s.tags, "account") {
			accounts++
			holds(t, c.Name, s, "user", "src_user")
			checkAccount(t, c.Name, d, s)
		}
		// The model says: if(tag=="account" AND object_category=="user" OR tag!="account"
		// AND object_category!="user")
		if account, user := slices.Contains(s.tags, "account"), s.value("object_category") == "user"; account != user &&
			slices.Contains(s.tags, "change") {
			t.Errorf("%s: tags %v, object_category %s", c.Name, s.tags, s.value("object_category"))
		}
	}
	if changes < 80 || accounts < 10 || signIns < 2 || alerts < 3 {
		t.Errorf("got only %d changes, %d of accounts, %d sign-ins, %d alerts", changes, accounts, signIns, alerts)
	}
}

// checkAccount requires that the event itself names the account that was changed. The
// actor must not stand in for it.
func checkAccount(t *testing.T, name string, d document, s searched) {
	t.Helper()
	account := d.text("user.target.name")
	if account == "" {
		account = d.text("user.target.id")
	}
	if account == "" || s.value("user") != account || s.value("object") != account {
		t.Errorf("%s: user %s, object %s; want the account %q", name, s.value("user"), s.value("object"), account)
	}
}

func checkChange(t *testing.T, c corpus.Case, d document, s searched) {
	t.Helper()
	holds(t, c.Name, s, "action", "change_type", "dest", "dvc", "vendor_account", "vendor_product")
	for field, from := range map[string][]string{
		"command": {c.Event.Action},
		"src":     {c.Event.RemoteIP},
		"status":  {d.text("event.outcome")},
		"object":  {d.text("planetscale.audit.object.name"), d.text("planetscale.audit.object.id")},
		"user":    {c.Event.Actor.Name, c.Event.Actor.ID},
	} {
		if strings.Join(from, "") != "" {
			holds(t, c.Name, s, field)
		}
	}
	want := "unknown"
	for _, kind := range []string{"access", "change", "deletion", "creation"} {
		if slices.Contains(d.words("event.type"), kind) {
			want = map[string]string{"access": "read", "change": "modified", "deletion": "deleted", "creation": "created"}[kind]
		}
	}
	if got := s.value("action"); got != want {
		t.Errorf("%s: action is %s, want %s", c.Name, got, want)
	}
	if strings.Contains(s.value("object_attrs"), `"`) {
		t.Errorf("%s: object_attrs is %s, which the model treats as missing", c.Name, s.value("object_attrs"))
	}
}

func holds(t *testing.T, name string, s searched, fields ...string) {
	t.Helper()
	for _, field := range fields {
		if s.value(field) == "" {
			t.Errorf("%s: tags %v, and no %s", name, s.tags, field)
		}
	}
}

func TestSplunkFields(t *testing.T) {
	cases := map[string]source.Event{}
	for _, c := range everything() {
		cases[c.Name] = c.Event
	}
	type fields map[string]string
	for _, tt := range []struct {
		words, event string
		tags         []string
		want         fields
	}{
		{"a change of a database is by its actor", "ordinary", []string{"audit", "change"}, fields{
			"action": "modified", "change_type": "database", "command": "deploy_request.queued", "status": "success",
			"object": "Deploy request #1842: add index on orders.customer_id", "object_id": "d8s0k2lq91xz", "object_category": "DeployRequest",
			"user": "ada.lovelace@example.com", "user_type": "User", "src_user": "", "src": "203.0.113.77", "dvc": "forwarder-1",
			"dest": "acme", "vendor_account": "acme", "vendor_product": "PlanetScale",
		}},
		{"of an account change the user is the account", "user-is-target", []string{"account", "audit", "change"}, fields{
			"action": "modified", "change_type": "AAA", "object": "Grace Hopper", "object_id": "u77", "object_category": "user",
			"user": "Grace Hopper", "user_type": "User", "src_user": "ada.lovelace@example.com",
		}},
		{"a membership is of an account", "membership-changes-role", []string{"account", "audit", "change"}, fields{
			"user": "grace@example.com", "object": "grace@example.com", "object_id": "", "src_user": "ada.lovelace@example.com",
			"object_attrs": "role",
		}},
		{"without a known account it is no account change, and the actor is not the account", "membership-named-by-role", []string{"audit", "change"}, fields{
			"action": "created", "change_type": "AAA", "user": "ada.lovelace@example.com", "user_type": "User", "src_user": "",
			"object": "admin", "object_id": "m12", "object_category": "OrganizationMembership",
		}},
		{"who joins is both", "organization.joined", []string{"account", "audit", "change"}, fields{
			"user": "ada.lovelace@example.com", "src_user": "ada.lovelace@example.com", "object_id": "u1k9f3jd82ma",
		}},
		{"an invitation is no account yet", "organization_invitation.created", []string{"audit", "change"}, fields{
			"action": "created", "change_type": "AAA", "user": "ada.lovelace@example.com", "src_user": "",
		}},
		{"a token is an object", "token-created", []string{"audit", "change"}, fields{
			"action": "created", "change_type": "AAA", "object": "ci-deploy", "object_category": "ServiceToken",
		}},
		{"a token acts", "service-token", []string{"audit", "change"}, fields{"user": "ci-deploy", "user_type": "ServiceToken"}},
		{"the system acts", "system", []string{"audit", "change"}, fields{"user": "PlanetScale", "user_type": "System"}},
		{"the system without a name", "every-text-empty", []string{"audit", "change"}, fields{"user": "System", "src": ""}},
		{"what was deleted", "database.deleted", []string{"audit", "change"}, fields{"action": "deleted", "change_type": "database"}},
		{"a read", "read", []string{"audit", "change"}, fields{"action": "read", "status": ""}},
		{"what was changed of it", "database_branch.updated_cluster_size", []string{"audit", "change"}, fields{"object_attrs": "cluster_size"}},
		{"an unknown action may be a change", "unknown-action", []string{"audit", "change"}, fields{
			"action": "unknown", "change_type": "configuration",
		}},
		{"a leak is an alert", "token-leaked", []string{"alert"}, fields{
			"action": "", "change_type": "", "type": "alert", "severity": "high", "severity_id": "8", "signature": "service_token.token_leaked",
			"id": "q7x2mk9d0a4e", "mitre_technique_id": "T1552", "vendor_account": "acme",
			"description": "Service token leaked: Deploy request #1842: add index on orders.customer_id",
		}},
		{"other events have a severity, too", "database.deleted", []string{"audit", "change"}, fields{
			"severity": "high", "severity_id": "7", "type": "", "signature": "", "id": "", "mitre_technique_id": "T1485",
		}},
		{"a gap is none", "gap", nil, fields{"action": "", "change_type": ""}},
		{"signing in", "signed-in", []string{"authentication"}, fields{
			"action": "success", "app": "planetscale", "user": "ada.lovelace@example.com", "src_user": "", "change_type": "",
		}},
		{"what is no address is shown all the same", "no-address", []string{"audit", "change"}, fields{
			"src": "localhost src=10.0.0.1", "src_ip": "",
		}},
	} {
		t.Run(tt.words, func(t *testing.T) {
			e, ok := cases[tt.event]
			if !ok {
				t.Fatalf("the corpus has no event %s", tt.event)
			}
			s := readAddon(t).search(t, parse(t, sent, e))
			if diff := cmp.Diff(tt.tags, s.tags); diff != "" {
				t.Errorf("tags (-want +got):\n%s", diff)
			}
			for field, want := range tt.want {
				if got := s.value(field); got != want {
					t.Errorf("%s: got %q, want %q", field, got, want)
				}
			}
		})
	}
}

func TestSplunkTellsPartiesApart(t *testing.T) {
	invitation := corpus.Typical()
	invitation.Action = "organization_invitation.created"
	invitation.Actor.Type = "ServiceToken"
	invitation.Objects[0] = source.Party{Type: "OrganizationInvitation", ID: "i1", Name: "grace@example.com"}
	invitation.Objects[1] = source.Party{Type: "User", ID: "u77", Name: "Grace Hopper"}
	branch := corpus.Typical()
	branch.Action = "database_branch.created"
	branch.Objects[0] = source.Party{Type: "Organization", ID: "o1", Name: "acme"}
	branch.Objects[1] = source.Party{Type: "DatabaseBranch", ID: "b1", Name: "main"}
	for _, tt := range []struct {
		words string
		event source.Event
		want  map[string]string
	}{
		{"who is invited has no account yet", invitation, map[string]string{
			"user": "ada.lovelace@example.com", "user_type": "ServiceToken", "src_user": "",
			"object": "grace@example.com", "object_id": "i1", "object_category": "OrganizationInvitation",
		}},
		{"an organization contains the object", branch, map[string]string{
			"object": "main", "object_id": "b1", "object_category": "DatabaseBranch", "dest": "acme",
		}},
	} {
		t.Run(tt.words, func(t *testing.T) {
			s := readAddon(t).search(t, parse(t, sent, tt.event))
			for field, want := range tt.want {
				if got := s.value(field); got != want {
					t.Errorf("%s: got %q, want %q", field, got, want)
				}
			}
		})
	}
}

// TestSplunkReadsTimes tests records that Splunk reads from a file.
func TestSplunkReadsTimes(t *testing.T) {
	props := readConf(t, "default/props.conf")["planetscale:audit"]
	if got, want := props["TIME_FORMAT"], "%Y-%m-%dT%H:%M:%S.%3NZ"; got != want || props["TZ"] != "UTC" {
		t.Fatalf("TIME_FORMAT %s, TZ %s; want %s and UTC", got, props["TZ"], want)
	}
	prefix := regexp.MustCompile(props["TIME_PREFIX"])
	for _, c := range corpus.Cases() {
		r := encode(t, full, c.Event)
		at := prefix.FindIndex(r.Body)
		if at == nil {
			t.Fatalf("%s: TIME_PREFIX does not match %.40s", c.Name, r.Body)
		}
		text := string(r.Body[at[1] : at[1]+len("2006-01-02T15:04:05.000Z")])
		got, err := time.Parse("2006-01-02T15:04:05.000Z", text)
		if err != nil || !got.Equal(r.Time.Truncate(time.Millisecond)) {
			t.Errorf("%s: %q is read as %v (%v), want %v", c.Name, text, got, err, r.Time)
		}
	}
}

// TestSplunkHasNotes reads the note of each record as Splunk does, also behind the part of an
// event from which it extracts JSON. No event can forge one.
func TestSplunkHasNotes(t *testing.T) {
	pattern := regexp.MustCompile(readConf(t, "default/props.conf")["planetscale:audit"]["EXTRACT-sluice_note"])
	long := corpus.EvidenceCases()[len(corpus.EvidenceCases())-1]
	long.Event.Note = strings.Repeat(corpus.Note, 100)
	for _, c := range append(slices.Concat(corpus.Cases(), corpus.EvidenceCases()), long) {
		got := ""
		if m := pattern.FindSubmatch(encode(t, full, c.Event).Body); m != nil {
			if err := json.Unmarshal(fmt.Appendf(nil, `"%s"`, m[1]), &got); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
		if got != c.Event.Note {
			t.Errorf("%s: Splunk reads the note %q, want %q", c.Name, got, c.Event.Note)
		}
	}
}
