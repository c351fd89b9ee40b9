package redact_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/redact"
)

const key = "0123456789abcdef0123456789abcdef"

// token returns the hash of a value. It uses only the standard library.
func token(key, value string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(value))
	return "hmac:" + hex.EncodeToString(mac.Sum(nil))[:32]
}

// open makes a redactor from pairs such as "actor.name", "hash".
func open(tb testing.TB, pairs ...string) *redact.Redactor {
	tb.Helper()
	s := redact.Settings{}
	for i := 0; i < len(pairs); i += 2 {
		s.Fields = append(s.Fields, redact.Field{Name: pairs[i], How: pairs[i+1]})
		if pairs[i+1] == "hash" {
			s.Key = setting.NewSecret(key)
		}
	}
	if errs := s.Validate(); len(errs) > 0 {
		tb.Fatal(errs)
	}
	r, err := redact.New(s, &corpus.Product)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// parse decodes a raw event as the source does.
func parse(tb testing.TB, raw string) source.Event {
	tb.Helper()
	events, err := planetscale.Parse([]byte(raw), corpus.Organization)
	if err != nil || len(events) != 1 {
		tb.Fatalf("%d events and error %v of %s", len(events), err, raw)
	}
	return events[0]
}

func TestAFieldIsRedactedWhereverItsValueIs(t *testing.T) {
	const id = `"id":"q7","created_at":"2026-03-14T15:09:26.535Z"`
	name := token(key, "Ada Lovelace")
	for _, tt := range []struct {
		words string
		rules []string
		in    string // the event after its id
		want  string
	}{
		{"hashed", []string{"actor.name", "hash"}, `"actor_display_name":"Ada Lovelace"`, `"actor_display_name":"` + name + `"`},
		{"masked", []string{"actor.name", "mask"}, `"actor_display_name":"Ada Lovelace"`, `"actor_display_name":"[masked]"`},
		{"removed", []string{"actor.name", "remove"}, `"actor_display_name":"Ada Lovelace"`, `"actor_display_name":null`},
		{"null and nothing stay", []string{"actor.name", "mask", "location", "mask"},
			`"actor_display_name":null,"location":""`, `"actor_display_name":null,"location":""`},
		{"every field", []string{"actor.id", "mask", "auditable.id", "mask", "auditable.name", "mask", "target.id", "mask", "target.name", "mask", "remote_ip", "mask", "location", "mask"},
			`"actor_id":"one1","auditable_id":"two2","auditable_display_name":"three","target_id":"four","target_display_name":"five","remote_ip":"six6","location":"seven"`,
			`"actor_id":"[masked]","auditable_id":"[masked]","auditable_display_name":"[masked]","target_id":"[masked]","target_display_name":"[masked]","remote_ip":"[masked]","location":"[masked]"`},
		{"a number as a name", []string{"actor.id", "hash"}, `"actor_id":42,"metadata":{"by":"42","n":42}`,
			`"actor_id":"` + token(key, "42") + `","metadata":{"by":"` + token(key, "42") + `","n":42}`},
		{"an object as a name", []string{"actor.name", "mask"}, `"actor_display_name":{"first":"Ada"}`, `"actor_display_name":"[masked]"`},
		{"a key that is given twice", []string{"actor.name", "mask"}, `"actor_display_name":"Grace","actor_display_name":"Ada Lovelace"`,
			`"actor_display_name":"[masked]","actor_display_name":"[masked]"`},
		{"a key with an escape", []string{"actor.name", "mask"}, `"actor_d\u0069splay_name":"Ada"`, `"actor_d\u0069splay_name":"[masked]"`},
		{"the same value in another field", []string{"actor.name", "hash"},
			`"actor_display_name":"Ada Lovelace","target_display_name":"Ada Lovelace","metadata":{"email":["Ada Lovelace"]}`,
			`"actor_display_name":"` + name + `","target_display_name":"` + name + `","metadata":{"email":["` + name + `"]}`},
		{"the same value within a text", []string{"actor.name", "hash", "remote_ip", "remove"},
			`"actor_display_name":"Ada Lovelace","remote_ip":"203.0.113.7","location":"at Ada Lovelace's (203.0.113.7)"`,
			`"actor_display_name":"` + name + `","remote_ip":null,"location":"at ` + name + `'s ([removed])"`},
		{"the same value written otherwise", []string{"actor.name", "mask"},
			`"actor_display_name":"R\u00e9n\"e","location":"by Rén\u0022e\t","metadata":{"Rén\"e":1}`,
			`"actor_display_name":"[masked]","location":"by [masked]\t","metadata":{"[masked]":1}`},
		{"in a key that nobody knows", []string{"actor.name", "remove"}, `"actor_display_name":"Ada Lovelace","nickname":{"Ada Lovelace":"Ada Lovelace!"}`,
			`"actor_display_name":null,"nickname":{"[removed]":"[removed]!"}`},
		{"a short value is all of a text or none", []string{"actor.name", "mask"}, `"actor_display_name":"Ada","location":"Adams","metadata":["Ada","by Ada"]`,
			`"actor_display_name":"[masked]","location":"Adams","metadata":["[masked]","by Ada"]`},
		{"a text without a value stays to the byte", []string{"actor.name", "mask"}, `"actor_display_name":"Ada","location":"Ad\u0061ms"`,
			`"actor_display_name":"[masked]","location":"Ad\u0061ms"`},
		{"a name that is a key of the API", []string{"actor.name", "mask"}, `"actor_display_name":"location","location":"x","metadata":{"location":1}`,
			`"actor_display_name":"[masked]","location":"x","metadata":{"[masked]":1}`},
		{"of two values the longer one", []string{"actor.name", "mask", "target.name", "hash"},
			`"actor_display_name":"Ada Lovelace","target_display_name":"Lovelace","location":"Ada Lovelace, Lovelace"`,
			`"actor_display_name":"[masked]","target_display_name":"` + token(key, "Lovelace") + `","location":"[masked], ` + token(key, "Lovelace") + `"`},
		{"of two that begin alike, too", []string{"actor.name", "mask", "target.name", "hash"},
			`"actor_display_name":"Lovelace","target_display_name":"Lovelace, Ada","location":"Lovelace, Ada!","metadata":["Lovelace","by Lovelace, Ad"]`,
			`"actor_display_name":"[masked]","target_display_name":"` + token(key, "Lovelace, Ada") + `","location":"` + token(key, "Lovelace, Ada") + `!","metadata":["[masked]","by [masked], Ad"]`},
		{"what stands for a value is not searched", []string{"actor.name", "mask", "target.name", "mask"},
			`"actor_display_name":"masked","target_display_name":"four","location":"four masked"`,
			`"actor_display_name":"[masked]","target_display_name":"[masked]","location":"[masked] [masked]"`},
		{"what says which event it is stays", []string{"actor.name", "mask", "target.name", "mask"},
			`"type":"AuditLogEvent","actor_type":"User","actor_display_name":"User","target_display_name":"deploy","audit_action":"deploy_request.queued","action":"queued"`,
			`"type":"AuditLogEvent","actor_type":"User","actor_display_name":"[masked]","target_display_name":"[masked]","audit_action":"deploy_request.queued","action":"queued"`},
		{"a member of metadata", []string{"metadata.user.email", "hash"}, `"location":"a@b.example","metadata":{"user":{"email":"a@b.example","id":1},"email":"c@d.example"}`,
			`"location":"` + token(key, "a@b.example") + `","metadata":{"user":{"email":"` + token(key, "a@b.example") + `","id":1},"email":"c@d.example"}`},
		{"members of a list in metadata", []string{"metadata.users.email", "mask"}, `"metadata":{"users":[{"email":"a@b.example"},{"email":"c@d.example"},[]],"to":"c@d.example"}`,
			`"metadata":{"users":[{"email":"[masked]"},{"email":"[masked]"},[]],"to":"[masked]"}`},
		{"what is true in a list in metadata", []string{"metadata.users.sso", "mask"}, `"metadata":{"users":[{"sso":true},{"sso":false}],"sso":true}`,
			`"metadata":{"users":[{"sso":"[masked]"},{"sso":"[masked]"}],"sso":true}`},
		{"an object in metadata", []string{"metadata.user", "remove"}, `"metadata":{"user":{"email":"a@b.example"},"by":"a@b.example"}`, `"metadata":{"user":null,"by":"a@b.example"}`},
		{"all of metadata", []string{"metadata", "hash"}, `"metadata": {"a":[1]} `, `"metadata": "` + token(key, `{"a":[1]}`) + `" `},
		{"all of metadata, removed", []string{"metadata", "remove"}, `"metadata":{"a":[1]}`, `"metadata":null`},
		{"a short number is not sought", []string{"metadata.n", "mask"}, `"location":"5","metadata":{"n":5,"m":5}`, `"location":"5","metadata":{"n":"[masked]","m":5}`},
		{"true as an address is not sought among what is true", []string{"remote_ip", "mask"}, `"remote_ip":true,"metadata":[true]`, `"remote_ip":"[masked]","metadata":[true]`},
		{"a number in metadata", []string{"metadata.number", "mask"}, `"location":"#1842","metadata":{"number":1842,"other":1842,"n":18420}`,
			`"location":"#[masked]","metadata":{"number":"[masked]","other":"[masked]","n":18420}`},
		{"true in metadata is not sought", []string{"metadata.sso", "mask"}, `"location":"true","metadata":{"sso":true,"x":true}`,
			`"location":"true","metadata":{"sso":"[masked]","x":true}`},
		{"a name of metadata is none elsewhere", []string{"metadata.email", "mask"}, `"email":"a@b.example","metadata":{"deep":{"email":"c@d.example"}}`,
			`"email":"a@b.example","metadata":{"deep":{"email":"c@d.example"}}`},
		{"white space stays", []string{"actor.name", "mask"}, "\"actor_display_name\" :\n\t\"Ada\" , \"metadata\" : [ ] ",
			"\"actor_display_name\" :\n\t\"[masked]\" , \"metadata\" : [ ] "},
	} {
		t.Run(tt.words, func(t *testing.T) {
			e := parse(t, "{"+id+","+tt.in+"}")
			got := open(t, tt.rules...).Redact(&e)
			if want := "{" + id + "," + tt.want + "}"; string(got.Raw) != want {
				t.Errorf("got  %s\nwant %s", got.Raw, want)
			}
			if !strings.HasSuffix(e.Problem, "is not a string") { // The value is not in a field, but under a key.
				checkDecoded(t, got)
			}
		})
	}
}

// checkDecoded compares the fields of a redacted event with those that the source would
// decode from its redacted raw event.
func checkDecoded(tb testing.TB, got *source.Event) {
	tb.Helper()
	want := parse(tb, string(got.Raw))
	want.Read, want.Time, want.Late, want.Origin = got.Read, got.Time, got.Late, got.Origin
	// Redaction keeps the problem of the event, although it may remove the cause.
	want.Problem = got.Problem
	if diff := cmp.Diff(&want, got); diff != "" {
		tb.Errorf("the fields of the event are not those of its raw copy (-):\n%s", diff)
	}
}

func TestWhatCannotBeReadIsWithheld(t *testing.T) {
	r := open(t, "actor.name", "mask")
	for _, c := range corpus.Cases() {
		if c.Event.Problem == "" || c.Event.Action != "" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			got := r.Redact(&c.Event)
			want := `{"id":"` + c.Event.ID + `","withheld":"The event could not be read, so nothing in it could be redacted."}`
			if string(got.Raw) != want || got.Metadata != nil {
				t.Errorf("got %s and metadata %s, want %s", got.Raw, got.Metadata, want)
			}
		})
	}
	t.Run("but not if it could be read in part", func(t *testing.T) {
		e := parse(t, `{"id":"q7","created_at":"yesterday at Ada's","actor_display_name":"Ada's"}`)
		got := r.Redact(&e)
		if want := `{"id":"q7","created_at":"yesterday at Ada's","actor_display_name":"[masked]"}`; string(got.Raw) != want {
			t.Errorf("got %s, want %s", got.Raw, want)
		}
		if want := `created_at "yesterday at [masked]" is not a time`; got.Problem != want {
			t.Errorf("got %s, want %s", got.Problem, want)
		}
	})
	t.Run("an event without an id of its own", func(t *testing.T) {
		e := parse(t, `{"actor_display_name":"Ada"}`)
		if got, want := string(r.Redact(&e).Raw), `{"actor_display_name":"[masked]"}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// TestBytesThatAreNoText uses names that are not UTF-8, which only a custom source can
// return, and the same bytes in the raw event.
func TestBytesThatAreNoText(t *testing.T) {
	e := parse(t, "{\"id\":\"q7\",\"nickname\":\"Ren\xe9e\",\"metadata\":[\"by Ren\xe9e\"]}")
	e.Actor.Name, e.Objects[1].Name, e.Location = "Ren\xe9e", "Ren\xe9e", "Ren\xe9e's"
	got := open(t, "actor.name", "mask").Redact(&e)
	if got.Objects[1].Name != "[masked]" || got.Location != "[masked]'s" {
		t.Errorf("got target %q and location %q", got.Objects[1].Name, got.Location)
	}
	if want := `{"id":"q7","nickname":"[masked]","metadata":["by [masked]"]}`; string(got.Raw) != want {
		t.Errorf("got %s, want %s", got.Raw, want)
	}
}

func TestAGapStaysAsItIs(t *testing.T) {
	for _, c := range corpus.Cases() {
		if c.Event.Gap {
			want := c.Event
			if diff := cmp.Diff(&want, open(t, "actor.name", "mask", "metadata", "remove").Redact(&c.Event)); diff != "" {
				t.Error(diff)
			}
			return
		}
	}
	t.Fatal("the corpus has no gap")
}

func TestWhatEnrichmentFoundIsSearchedToo(t *testing.T) {
	e := parse(t, `{"id":"q7","location":"Linköping"}`)
	e.Origin = &source.Origin{City: "Linköping", RegionName: "Östergötland", SystemHolder: "Linköping University", Country: "SE"}
	want := source.Origin{City: "[masked]", RegionName: "Östergötland", SystemHolder: "[masked] University", Country: "SE"}
	before := *e.Origin
	got := open(t, "location", "mask").Redact(&e)
	if diff := cmp.Diff(&want, got.Origin); diff != "" {
		t.Errorf("got (+):\n%s", diff)
	}
	if diff := cmp.Diff(&before, e.Origin); diff != "" {
		t.Errorf("the event that other lanes share was changed:\n%s", diff)
	}
}

// Each text of enrichment is searched. Codes stay, because a text of the event cannot
// hold the value that they came from.
func TestEachTextOfEnrichmentIsSearched(t *testing.T) {
	const found = "SE"
	texts := map[string]func(*source.Origin) *string{
		"city":           func(o *source.Origin) *string { return &o.City },
		"region":         func(o *source.Origin) *string { return &o.RegionName },
		"country":        func(o *source.Origin) *string { return &o.CountryName },
		"postal code":    func(o *source.Origin) *string { return &o.Postal },
		"holder":         func(o *source.Origin) *string { return &o.SystemHolder },
		"code, which is": nil,
	}
	for words, text := range texts {
		t.Run(words, func(t *testing.T) {
			e := parse(t, `{"id":"q7","location":"`+found+`"}`)
			e.Origin = &source.Origin{Country: found}
			want := source.Origin{Country: found}
			if text != nil {
				*text(e.Origin), *text(&want) = found, "[masked]"
			}
			if diff := cmp.Diff(&want, open(t, "location", "mask").Redact(&e).Origin); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

func TestEventsAreSharedAndStayAsTheyAre(t *testing.T) {
	r := open(t, everything("hash")...)
	for _, c := range corpus.Cases() {
		before, raw, metadata := c.Event, string(c.Event.Raw), string(c.Event.Metadata)
		got := r.Redact(&c.Event)
		if diff := cmp.Diff(before, c.Event); diff != "" || string(before.Raw) != raw || string(before.Metadata) != metadata {
			t.Errorf("%s: the event was changed:\n%s", c.Name, diff)
		}
		if got.ID != before.ID || got.Action != before.Action || got.Time != before.Time || got.Late != before.Late ||
			got.Replayed != before.Replayed || got.OwnToken != before.OwnToken {
			t.Errorf("%s: id, action, time or a mark changed: %+v", c.Name, got)
		}
		if !json.Valid(got.Raw) {
			t.Errorf("%s: not JSON: %s", c.Name, got.Raw)
		}
	}
}

// With the hash of the whole event somebody could test guesses at what was withheld.
func TestTheHashIsOfTheCopy(t *testing.T) {
	e := parse(t, `{"id":"e1","created_at":"2026-03-14T15:09:26.535Z","audit_action":"branch.created","actor_display_name":"Ann"}`)
	e.Hash = e.Sum()
	got := open(t, "actor.name", "hash").Redact(&e)
	if want := sha256.Sum256(got.Raw); string(got.Raw) == string(e.Raw) || got.Sum() != want {
		t.Errorf("the hash of %s is %x, want %x", got.Raw, got.Sum(), want)
	}
}

// TestCopiesOfManyEvents keeps the copies of all events, and at the end appends to each.
// Some copies are many times as large as their events.
func TestCopiesOfManyEvents(t *testing.T) {
	r := open(t, "actor.name", "hash")
	var copies, metadata [][]byte
	var want []string
	for i := range 600 {
		list := strings.TrimSuffix(strings.Repeat(`"u",`, i%300), ",")
		e := parse(t, fmt.Sprintf(`{"id":"%d","actor_display_name":"u","metadata":[%s]}`, i, list))
		got := r.Redact(&e)
		copies, metadata = append(copies, got.Raw), append(metadata, got.Metadata)
		want = append(want, strings.ReplaceAll(string(e.Raw), `"u"`, `"`+token(key, "u")+`"`))
	}
	for i := range copies {
		_, _ = append(copies[i], '!'), append(metadata[i], '!')
	}
	for i := range copies {
		if string(copies[i]) != want[i] {
			t.Fatalf("got %s, want %s", copies[i], want[i])
		}
	}
}

// TestCopiesAreIndependent reads the copies of two events only after both were made, as a
// dead letter store does.
func TestCopiesAreIndependent(t *testing.T) {
	r := open(t, "actor.name", "hash")
	one, two := parse(t, `{"id":"1","actor_display_name":"Ada"}`), parse(t, `{"id":"2","actor_display_name":"Bob","metadata":[2]}`)
	first := r.Redact(&one).Raw
	second := r.Redact(&two)
	if got, want := string(first), `{"id":"1","actor_display_name":"`+token(key, "Ada")+`"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if string(second.Metadata) != "[2]" {
		t.Errorf("got metadata %s, want [2]", second.Metadata)
	}
}

func TestTheKeyIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(key + "\n")
	r, err := redact.New(redact.Settings{Key: setting.SecretFile(file), Fields: []redact.Field{{Name: "actor.name", How: "hash"}}}, &corpus.Product)
	if err != nil {
		t.Fatal(err)
	}
	e := parse(t, `{"id":"q7","actor_display_name":"Ada"}`)
	for _, tt := range []struct {
		words, file, want string
		changed, fails    bool
	}{
		{"the same", key, key, false, false},
		{"another", strings.Repeat("k", 32), strings.Repeat("k", 32), true, false},
		{"one that is too short", "short", strings.Repeat("k", 32), false, true},
		{"none", "", strings.Repeat("k", 32), false, true},
		{"the first again", key, key, true, false},
	} {
		write(tt.file)
		if changed, err := r.Refresh(); changed != tt.changed || (err != nil) != tt.fails || err != nil && tt.file != "" && strings.Contains(err.Error(), tt.file) {
			t.Errorf("%s: got %t and error %v, want %t and an error: %t", tt.words, changed, err, tt.changed, tt.fails)
		}
		if got, want := r.Redact(&e).Actor.Name, token(tt.want, "Ada"); got != want {
			t.Errorf("%s: got %s, want %s", tt.words, got, want)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := redact.New(redact.Settings{Key: setting.SecretFile(file), Fields: []redact.Field{{Name: "actor.name", How: "hash"}}}, &corpus.Product); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "redact.key: ") {
		t.Errorf("got %v, want redact.key: and an error that the file does not exist", err)
	}
}

// TestTokensAreBounded hashes more values than the redactor remembers.
func TestTokensAreBounded(t *testing.T) {
	r := open(t, "actor.name", "hash")
	check := func(name string) {
		t.Helper()
		e := source.Event{ID: "q7", Raw: []byte(`{}`), Actor: source.Party{Name: name}}
		if got, want := r.Redact(&e).Actor.Name, token(key, name); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	for i := range 10_000 {
		check(fmt.Sprint("user ", i))
	}
	before := r.Remembered()
	if before < 1 || before > 4096 {
		t.Errorf("%d values are remembered, want at most 4096", before)
	}
	check(strings.Repeat("x", 1<<20))
	if got := r.Remembered(); got != before {
		t.Error("a value of a megabyte is remembered")
	}
}

func TestAllocations(t *testing.T) {
	r := open(t, "actor.name", "hash", "remote_ip", "hash", "metadata.from", "mask")
	e := corpus.Typical()
	if got := testing.AllocsPerRun(100, func() { r.Redact(&e) }); got > 2 {
		t.Errorf("%v allocations an event, want at most 2", got)
	}
}

func BenchmarkRedact(b *testing.B) {
	for _, bb := range []struct {
		words string
		rules []string
	}{
		{"one field", []string{"actor.name", "hash"}},
		{"three fields", []string{"actor.name", "hash", "remote_ip", "hash", "metadata.from", "mask"}},
		{"all fields", everything("hash")},
	} {
		b.Run(bb.words, func(b *testing.B) {
			r := open(b, bb.rules...)
			e := corpus.Typical()
			b.ReportAllocs()
			for b.Loop() {
				r.Redact(&e)
			}
		})
	}
}

// names lists all fields that can be redacted.
var names = []string{
	"actor.id", "actor.name", "auditable.id", "auditable.name", "target.id", "target.name", "remote_ip", "location", "metadata.secret",
}

func everything(how string) []string {
	var pairs []string
	for _, name := range names {
		pairs = append(pairs, name, how)
	}
	return pairs
}

// TestTheWordsOfAnEvent requires that a person who is redacted is redacted in the words with
// which an event tells itself, too.
func TestTheWordsOfAnEvent(t *testing.T) {
	e := parse(t, `{"id":"q7","actor_display_name":"Ada Lovelace"}`)
	e.Text = "Ada Lovelace paused a lane."
	if got, want := open(t, "actor.name", "mask").Redact(&e).Text, "[masked] paused a lane."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAGapIsHandedOn(t *testing.T) {
	e := parse(t, `{"id":"q7","location":"Linköping"}`)
	e.Gap = true
	if got := open(t, "location", "mask").Redact(&e); got != &e {
		t.Errorf("got %+v, want the gap itself", got)
	}
}
