package leef_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/leef"
	"github.com/sluice-siem/sluice/pkg/transform/leef/leeftest"
)

var usual = corpus.Options(transform.Options{Host: "forwarder-1", Version: "1.2.3"})

// parting returns options with the given delimiter.
func parting(delimiter string) transform.Options {
	o := usual
	o.Settings = &leef.Settings{Delimiter: delimiter}
	return o
}

func encode(tb testing.TB, o transform.Options, e source.Event) sink.Record {
	tb.Helper()
	return corpus.Encode(tb, leef.Format, o, e)
}

func parse(tb testing.TB, o transform.Options, e source.Event) leeftest.Message {
	tb.Helper()
	r := encode(tb, o, e)
	m, err := leeftest.Parse(string(r.Body))
	if err != nil {
		tb.Fatalf("%v\n%q", err, r.Body)
	}
	checkCopies(tb, e, m)
	if got, want := m.Attributes["truncated"] == "true", r.Truncated; got != want {
		tb.Errorf("truncated: the attribute says %t, the record %t", got, want)
	}
	return m
}

// clean applies the rules of the package's documentation to a text in the slow and simple
// way.
func clean(s string, delimiter rune) string {
	blank := func(r rune) bool { return strings.ContainsRune(" \t\v\f\u0085\u2028\u2029", r) }
	var b strings.Builder
	for _, r := range strings.TrimFunc(s, blank) {
		switch {
		case blank(r) || strings.ContainsRune("\r\n|", r) || r == delimiter:
			r = ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			r = '\ufffd'
		}
		if b.Len()+utf8.RuneLen(r) > 4000 {
			break
		}
		b.WriteRune(r)
	}
	return strings.Trim(b.String(), " ")
}

// order is the one order of the attributes, so an attribute that a text forged would
// show.
const order = "devTime sev cat eventId action title outcome isLoginEvent isLogoutEvent src usrName actorId actorType accountName " +
	"targetUser targetUserId targetRole groupID resource resourceId resourceType container containerId containerType " +
	"other otherId otherType firstId secondId forwarder location " +
	"metadata original rawSha256 epoch sequence note problem late replayed ownToken gap unmapped truncated"

// checkKeys requires that order.
func checkKeys(tb testing.TB, m leeftest.Message) {
	tb.Helper()
	rest := strings.Fields(order)
	for _, key := range m.Keys {
		i := slices.Index(rest, key)
		if i < 0 {
			tb.Errorf("key %s is unknown or out of order in %v", key, m.Keys)
			return
		}
		rest = rest[i+1:]
	}
	if m.Vendor != "PlanetScale" || m.Product != "Audit Log" || m.Version != "1.0" {
		tb.Errorf("header: %+v", m)
	}
}

// checkParties requires that the record has all of auditable and target, in any of its
// parts.
func checkParties(tb testing.TB, e source.Event, m leeftest.Message) {
	tb.Helper()
	a := m.Attributes
	parts := []source.Party{
		{ID: a["resourceId"], Type: a["resourceType"], Name: a["resource"]},
		{ID: a["containerId"], Type: a["containerType"], Name: a["container"]},
		{ID: a["otherId"], Type: a["otherType"], Name: a["other"]},
		{ID: a["targetUserId"], Type: "User", Name: a["targetUser"]},
	}
	for _, p := range []source.Party{e.Objects[0], e.Objects[1]} {
		p = source.Party{ID: clean(p.ID, m.Delimiter), Type: clean(p.Type, m.Delimiter), Name: clean(p.Name, m.Delimiter)}
		if p != (source.Party{}) && !slices.Contains(parts, p) {
			tb.Errorf("%+v is not one of %+v", p, parts)
		}
	}
}

// checkEvidence requires that a record has the event's number and note, and no other.
func checkEvidence(tb testing.TB, e source.Event, m leeftest.Message) {
	tb.Helper()
	epoch, sequence := corpus.Number(&e)
	got := [...]string{m.Attributes["epoch"], m.Attributes["sequence"], m.Attributes["note"]}
	if want := [...]string{epoch, sequence, base64.RawURLEncoding.EncodeToString([]byte(e.Note))}; got != want {
		tb.Errorf("epoch, sequence and note are %q, want %q", got, want)
	}
}

// checkCopies requires that the attributes which copy the event equal its text.
func checkCopies(tb testing.TB, e source.Event, m leeftest.Message) {
	tb.Helper()
	checkKeys(tb, m)
	got, whole := m.Attributes["rawSha256"], m.Attributes["truncated"] == ""
	if want := fmt.Sprintf("%x", sha256.Sum256(e.Raw)); got != want && (whole || got != "" || e.Number.Given()) {
		tb.Errorf("the hash of the raw event is %s, want %s", got, want)
	}
	checkEvidence(tb, e, m)
	if m.Attributes["truncated"] != "" {
		return
	}
	checkParties(tb, e, m)
	want := map[string]string{
		"action": e.Action, "accountName": e.Organization, "location": e.Location, "problem": corpus.Problem(&e),
		"metadata": string(e.Metadata), "usrName": e.Actor.Name, "actorId": e.Actor.ID, "original": "",
	}
	if !transform.Acted(&e) {
		want["usrName"], want["actorId"] = "", ""
	}
	if e.Gap || e.Action == "" {
		want["metadata"], want["original"] = "", string(e.Raw)
	}
	for key, value := range want {
		if got, want := m.Attributes[key], clean(value, m.Delimiter); got != want {
			tb.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}

func TestGolden(t *testing.T) {
	for _, c := range slices.Concat(corpus.Cases(), corpus.EvidenceCases()) {
		t.Run(c.Name, func(t *testing.T) {
			parse(t, usual, c.Event)
			golden.Check(t, "golden/"+c.Name+".leef", string(encode(t, usual, c.Event).Body)+"\n")
		})
	}
}

// TestOwnLog requires that the events of Sluice's own log are records of LEEF.
func TestOwnLog(t *testing.T) {
	o := corpus.OwnOptions(usual)
	for _, c := range corpus.OwnCases() {
		t.Run(c.Name, func(t *testing.T) {
			body := string(corpus.Encode(t, leef.Format, o, c.Event).Body)
			m, err := leeftest.Parse(body)
			if err != nil {
				t.Fatalf("%v\n%q", err, body)
			}
			if a := m.Attributes; a["action"] != c.Event.Action || a["resource"] != clean(c.Event.Objects[0].Name, m.Delimiter) {
				t.Errorf("action %q and resource %q", a["action"], a["resource"])
			}
			golden.Check(t, "golden/"+c.Name+".leef", body+"\n")
		})
	}
}

func TestRecord(t *testing.T) {
	corpus.CheckRecord(t, leef.Format, usual, sink.Record{Format: "leef", MediaType: "text/plain; charset=utf-8"})
}

func TestAttributes(t *testing.T) {
	cases := map[string]source.Event{}
	for _, c := range corpus.Cases() {
		cases[c.Name] = c.Event
	}
	for _, tt := range []struct {
		words, event string
		want         map[string]string // empty: the key is absent
	}{
		{"time, severity and categories", "ordinary", map[string]string{"devTime": "1773500966535", "sev": "3", "cat": "configuration,database"}},
		{"what it was done to, and what that lies in", "ordinary", map[string]string{
			"resourceType": "DeployRequest", "resourceId": "d8s0k2lq91xz", "container": "orders-production", "containerType": "Database"}},
		{"an IPv6 address", "ipv6", map[string]string{"src": "2001:db8::7"}},
		{"text that is no address is left out", "no-address", map[string]string{"src": ""}},
		{"a sign-in", "signed-in", map[string]string{"isLoginEvent": "true", "isLogoutEvent": "", "cat": "authentication"}},
		{"a role that was given", "membership-changes-role", map[string]string{"targetUser": "grace@example.com", "targetRole": "admin", "role": ""}},
		{"a member of a team", "member-of-team", map[string]string{"groupID": "t9", "targetUser": "Grace Hopper", "targetUserId": "u77"}},
		{"a null actor is the system", "system", map[string]string{"usrName": "", "actorId": "", "actorType": "System"}},
		{"a name cannot forge an attribute", "line-ends", map[string]string{"usrName": "one two  three four five six seven end"}},
		{"an unknown action passes, marked", "unknown-action", map[string]string{"unmapped": "true", "title": "", "action": "shard balancer rébalanced=1"}},
		{"an event that could not be decoded", "undecodable-number", map[string]string{
			"original": "42", "metadata": "", "action": "", "problem": "event is not a JSON object: invalid character '\\n' = bad"}},
		{"a gap", "gap", map[string]string{"gap": "true", "action": "sluice.gap"}},
		{"a late event", "late", map[string]string{"late": "true"}},
		{"a replayed event", "replayed", map[string]string{"replayed": "true", "ownToken": ""}},
		{"an event about Sluice's own token", "own-token", map[string]string{"ownToken": "true", "replayed": "", "sev": "8"}},
	} {
		t.Run(tt.words, func(t *testing.T) {
			m := parse(t, usual, cases[tt.event])
			for key, want := range tt.want {
				if got := m.Attributes[key]; got != want {
					t.Errorf("%s: got %q, want %q", key, got, want)
				}
			}
		})
	}
	t.Run("there is no severity of zero", func(t *testing.T) {
		o := usual
		o.Catalogue = corpus.Catalogue().With(&transform.Entries{Actions: map[string]transform.Entry{
			"deploy_request.queued": {Rule: transform.Rule{Severity: new(int), Reason: "not worth a look"}},
		}}, "mine.yaml")
		if got := parse(t, o, corpus.Typical()).Attributes["sev"]; got != "1" {
			t.Errorf("got %s, want 1", got)
		}
	})
}

func TestNothingOfAuditableAndTargetIsLost(t *testing.T) {
	for _, c := range corpus.ActionCases() {
		t.Run(c.Name, func(t *testing.T) { parse(t, usual, c.Event) })
	}
	t.Run("an object without a role is the other", func(t *testing.T) {
		e := corpus.Typical()
		e.Action = "database.updated_default_branch"
		e.Objects[0] = source.Party{ID: "d1", Type: "Database", Name: "orders"}
		e.Objects[1] = source.Party{ID: "b1", Type: "DatabaseBranch", Name: "main"}
		a := parse(t, usual, e).Attributes
		if a["resource"] != "orders" || a["other"] != "main" || a["otherId"] != "b1" || a["otherType"] != "DatabaseBranch" {
			t.Errorf("got %v", a)
		}
	})
	t.Run("a name alone does not make a user", func(t *testing.T) {
		e := corpus.Typical()
		e.Action = "database.deleted"
		e.Objects[0] = source.Party{Type: "OrganizationMembership", Name: "Grace Hopper"}
		e.Objects[1] = source.Party{ID: "d1", Type: "Database", Name: "orders"}
		if got, want := parse(t, usual, e).Attributes["otherType"], "OrganizationMembership"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestLongNames(t *testing.T) {
	e := corpus.Typical()
	e.Actor.Name, e.Organization = strings.Repeat("n", 254)+"€", strings.Repeat("o", 256)
	a := parse(t, usual, e).Attributes
	if got, want := a["usrName"], strings.Repeat("n", 254); got != want {
		t.Errorf("usrName has %d bytes, want %d", len(got), len(want))
	}
	if got, want := a["accountName"], strings.Repeat("o", 255); got != want {
		t.Errorf("accountName has %d bytes, want %d", len(got), len(want))
	}
	if a["truncated"] != "true" {
		t.Error("the record is not marked as truncated")
	}
}

func TestEventID(t *testing.T) {
	for action, want := range map[string]string{
		"deploy_request.queued":  "deploy_request.queued",
		"a|b\\c=d\te f":          "a_b_c_d_e_f",
		"":                       "unreadable",
		strings.Repeat("x", 300): strings.Repeat("x", 255),
	} {
		e := corpus.Typical()
		e.Action = action
		if got := parse(t, usual, e).EventID; got != want {
			t.Errorf("%q: got %q, want %q", action, got, want)
		}
	}
}

func TestTheIDOfAnEventStaysItsOwn(t *testing.T) {
	hash := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	seen := map[string]string{}
	for _, id := range []string{"q7x2mk9d0a4e", hash, strings.Repeat("i", 255), "a|b", "a b", "a\tb"} {
		e := corpus.Typical()
		e.ID = id
		o := usual
		o.MaxBytes = 1200
		got := parse(t, o, e).Attributes["eventId"]
		if plain := !strings.ContainsAny(id, "| \t"); plain != (got == id) {
			t.Errorf("%q: got %q", id, got)
		}
		if other, twice := seen[got]; twice {
			t.Errorf("%q and %q have the same name", id, other)
		}
		seen[got] = id
	}
}

func TestDelimiter(t *testing.T) {
	e := corpus.Typical()
	e.Actor.Name = "a^b\tc|d;e"
	for _, tt := range []struct{ setting, shown, name string }{
		{"x09", "x09", "a^b c d;e"},
		{"0x09", "x09", "a^b c d;e"},
		{"\t", "x09", "a^b c d;e"},
		{"^", "^", "a b c d;e"},
		{"0x5E", "^", "a b c d;e"},
		{"x3b", ";", "a^b c d e"},
	} {
		body := string(encode(t, parting(tt.setting), e).Body)
		if want := "|deploy_request.queued|" + tt.shown + "|"; !strings.Contains(body, want) {
			t.Errorf("%q: no %s in %q", tt.setting, want, body)
		}
		if got := parse(t, parting(tt.setting), e).Attributes["usrName"]; got != tt.name {
			t.Errorf("%q: got %q, want %q", tt.setting, got, tt.name)
		}
	}
	for _, bad := range []string{"", " ", "|", "=", "a", "7", "_", "-", ".", ":", ",", "[", "]", "x", "x0a", "x20", "x7c", "x263a", "x00009", "^^", "é"} {
		if errs := (&leef.Settings{Delimiter: bad}).Validate(); len(errs) != 1 || !strings.Contains(errs[0].Error(), "write") {
			t.Errorf("%q: got %v, want a problem with what to write", bad, errs)
		}
		if _, err := leef.Format.New(parting(bad)); err == nil || !strings.HasPrefix(err.Error(), "leef: delimiter: ") {
			t.Errorf("%q: got %v, want an error about the delimiter", bad, err)
		}
	}
}

// Every record can be read with every delimiter that is accepted.
func TestEveryDelimiter(t *testing.T) {
	accepted := 0
	for c := range 0x100 {
		o := parting(fmt.Sprintf("x%02x", c))
		if len(o.Settings.(*leef.Settings).Validate()) > 0 {
			continue
		}
		accepted++
		letters := corpus.EvidenceCases()[len(corpus.EvidenceCases())-1]
		letters.Event.Note = "every letter of Base64: \xfb\xef\xbe\xff\xff\xff>>>???"
		for _, k := range append(slices.Concat(corpus.Cases(), corpus.EvidenceCases()), letters) {
			if parse(t, o, k.Event); t.Failed() {
				t.Fatalf("delimiter %q, event %s", rune(c), k.Name)
			}
		}
	}
	if accepted < 10 {
		t.Errorf("only %d delimiters are accepted", accepted)
	}
}

func TestLimit(t *testing.T) {
	e := corpus.Typical()
	e.Objects[0].Name = strings.Repeat("|€", 300)
	whole := len(encode(t, usual, e).Body)
	for _, tt := range []struct {
		words    string
		limit    int
		metadata bool
		longest  int // of resource
	}{
		{"what fits is whole", whole, true, 1200},
		{"metadata goes first", whole - 1, false, 1200},
		{"then long values are shortened", 1100, false, 255},
		{"and shortened more", 750, false, 63},
		{"and more", 540, false, 15},
	} {
		t.Run(tt.words, func(t *testing.T) {
			o := usual
			o.MaxBytes = tt.limit
			r := encode(t, o, e)
			if got := len(r.Body); got > tt.limit {
				t.Errorf("%d bytes, limit %d", got, tt.limit)
			}
			m := parse(t, o, e)
			if got := m.Attributes["metadata"] != ""; got != tt.metadata || r.Truncated == tt.metadata {
				t.Errorf("has metadata: %t, truncated: %t", got, r.Truncated)
			}
			got := m.Attributes["resource"]
			if !strings.HasPrefix(clean(e.Objects[0].Name, '\t'), got) || len(got) > tt.longest || len(got) < tt.longest-4 {
				t.Errorf("resource has %d bytes, want about %d", len(got), tt.longest)
			}
			if m.Attributes["eventId"] != e.ID || m.EventID != e.Action {
				t.Errorf("the record no longer says what happened: %+v", m)
			}
		})
	}
	t.Run("what cannot fit is an error", func(t *testing.T) {
		o := usual
		o.MaxBytes = 200
		tr, err := leef.Format.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Transform(nil, &e); !errors.Is(err, transform.ErrTooLarge) || !strings.Contains(err.Error(), e.ID) {
			t.Errorf("got error %v, want ErrTooLarge that names the event", err)
		}
	})
}

func TestAppendsToTheBufferItIsGiven(t *testing.T) { corpus.CheckAppends(t, leef.Format, usual) }

func TestAllocations(t *testing.T) { corpus.CheckAllocations(t, leef.Format, usual, 1) }

func FuzzLEEF(f *testing.F) {
	settings := []any{nil, parting("^").Settings, parting(";").Settings}
	corpus.Fuzz(f, leef.Format, settings, func(t *testing.T, o transform.Options, e source.Event, body []byte) {
		m, err := leeftest.Parse(string(body))
		if err != nil {
			t.Fatalf("%v\n%q", err, body)
		}
		checkCopies(t, e, m)
	})
}

func BenchmarkTransform(b *testing.B) {
	tr, err := leef.Format.New(usual)
	if err != nil {
		b.Fatal(err)
	}
	e := corpus.Typical()
	dst := make([]byte, 0, 8192)
	b.SetBytes(int64(len(e.Raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tr.Transform(dst, &e); err != nil {
			b.Fatal(err)
		}
	}
}
