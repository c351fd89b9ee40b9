package cef_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/cef"
	"github.com/sluice-siem/sluice/pkg/transform/cef/ceftest"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

var (
	usual    = corpus.Options(transform.Options{Host: "forwarder-1", Version: "1.2.3"})
	version1 = corpus.Options(transform.Options{Host: "forwarder-1", Version: "1.2.3", Settings: &cef.Settings{Version: 1}})
)

func open(tb testing.TB, o transform.Options) transform.Transformer {
	tb.Helper()
	return corpus.Open(tb, cef.Format, o)
}

func encode(tb testing.TB, o transform.Options, e source.Event) sink.Record {
	tb.Helper()
	return corpus.Encode(tb, cef.Format, o, e)
}

func parse(tb testing.TB, o transform.Options, e source.Event) ceftest.Message {
	tb.Helper()
	r := encode(tb, o, e)
	m, err := ceftest.Parse(string(r.Body))
	if err != nil {
		tb.Fatalf("%v\n%s", err, r.Body)
	}
	checkCopies(tb, e, m)
	return m
}

// clean applies the rules of the package's documentation to a text in the slow and simple
// way.
func clean(s string, longest int) string {
	blank := func(r rune) bool { return strings.ContainsRune(" \t\v\f\u0085\u2028\u2029", r) }
	var b strings.Builder
	for _, r := range strings.TrimFunc(s, blank) {
		switch {
		case r == '\n' || r == '\r':
		case blank(r):
			r = ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			r = '\ufffd'
		}
		if b.Len()+utf8.RuneLen(r) > longest {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimRight(b.String(), " ")
}

// checkCopies requires that the pairs which copy the event equal its text, and that each
// other pair is known.
func checkCopies(tb testing.TB, e source.Event, m ceftest.Message) {
	tb.Helper()
	checkKeys(tb, m)
	got, whole := m.Extension["PlanetScaleAuditLogEventSHA256"], m.Extension["cn1"] == ""
	if want := fmt.Sprintf("%x", sha256.Sum256(e.Raw)); got != want && (whole || got != "" || e.Number.Given()) {
		tb.Errorf("the hash of the raw event is %s, want %s", got, want)
	}
	checkEvidence(tb, e, m)
	if m.Extension["cn1"] != "" {
		return
	}
	want := map[string]string{
		"act":               clean(e.Action, 63),
		"reason":            clean(corpus.Problem(&e), 1023),
		"deviceExternalId":  clean(e.Organization, 255),
		"cs1":               clean(e.Organization, 4000),
		"cs2":               clean(e.Objects[0].Type, 4000),
		"cs3":               clean(e.Objects[0].Name, 4000),
		"cs4":               clean(e.Objects[1].Type, 4000),
		"cs5":               clean(e.Objects[1].Name, 4000),
		"cs6":               clean(string(e.Metadata), 4000),
		"flexString1":       clean(e.Objects[0].ID, 1023),
		"flexString2":       clean(e.Objects[1].ID, 1023),
		"suid":              clean(e.Actor.ID, 1023),
		"suser":             clean(e.Actor.Name, 1023),
		"sourceServiceName": "PlanetScale",
		"deviceFacility":    "audit",
	}
	if !transform.Acted(&e) {
		want["suid"], want["suser"] = "", ""
	}
	if e.Gap || e.Action == "" {
		want["cs6"] = clean(string(e.Raw), 4000)
	}
	for key, value := range want {
		if got := m.Extension[key]; got != value {
			tb.Errorf("%s: got %q, want %q", key, got, value)
		}
	}
}

// checkEvidence requires that a record has the event's number and note, and no other.
func checkEvidence(tb testing.TB, e source.Event, m ceftest.Message) {
	tb.Helper()
	number, note := "", ""
	if epoch, sequence := corpus.Number(&e); epoch != "" {
		number = epoch + "/" + sequence
	}
	if e.Note != "" {
		note = base64.RawURLEncoding.EncodeToString([]byte(e.Note))
	}
	if got := [...]string{m.Extension["PlanetScaleAuditLogNumber"], m.Extension["PlanetScaleAuditLogNote"]}; got != [...]string{number, note} {
		tb.Errorf("number and note are %q, want %q and %q", got, number, note)
	}
}

// checkKeys requires the one order of the keys, so a pair that a text forged would show.
func checkKeys(tb testing.TB, m ceftest.Message) {
	tb.Helper()
	const order = "rt start externalId cat act outcome src c6a2 c6a2Label suid suser spriv duid duser dpriv sourceServiceName " +
		"destinationServiceName deviceExternalId dvchost deviceFacility cs1 cs1Label cs2 cs2Label cs3 cs3Label cs4 cs4Label " +
		"cs5 cs5Label flexString1 flexString1Label flexString2 flexString2Label " +
		"reportedResourceID reportedResourceName reportedResourceType reportedResourceGroupName frameworkName threatAttackID " +
		"cs6 cs6Label PlanetScaleAuditLogEventSHA256 PlanetScaleAuditLogNumber PlanetScaleAuditLogNote reason msg cn1 cn1Label cn2 cn2Label cn3 cn3Label PlanetScaleAuditLogReplayed"
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

func TestGolden(t *testing.T) {
	for _, c := range slices.Concat(corpus.Cases(), corpus.EvidenceCases()) {
		t.Run(c.Name, func(t *testing.T) {
			parse(t, usual, c.Event)
			golden.Check(t, "golden/"+c.Name+".cef", string(encode(t, usual, c.Event).Body)+"\n")
		})
	}
}

// TestOwnLog requires that the events of Sluice's own log are records of CEF.
func TestOwnLog(t *testing.T) {
	o := corpus.OwnOptions(usual)
	for _, c := range corpus.OwnCases() {
		t.Run(c.Name, func(t *testing.T) {
			body := string(corpus.Encode(t, cef.Format, o, c.Event).Body)
			m, err := ceftest.Parse(body)
			if err != nil {
				t.Fatalf("%v\n%q", err, body)
			}
			if want := clean(c.Event.Text, 1023); m.Extension["act"] != c.Event.Action || !c.Event.Gap && m.Extension["msg"] != want {
				t.Errorf("act %q and msg %q, want %q and %q", m.Extension["act"], m.Extension["msg"], c.Event.Action, want)
			}
			golden.Check(t, "golden/"+c.Name+".cef", body+"\n")
		})
	}
}

func TestRecord(t *testing.T) {
	corpus.CheckRecord(t, cef.Format, usual, sink.Record{Format: "cef", MediaType: "text/plain; charset=utf-8"})
}

func TestPairs(t *testing.T) {
	cases := map[string]source.Event{}
	for _, c := range corpus.Cases() {
		cases[c.Name] = c.Event
	}
	for _, tt := range []struct {
		words, event string
		want         map[string]string // empty: the key is absent
	}{
		{"times are milliseconds", "ordinary", map[string]string{"rt": "1773500966535", "start": "1773500966535"}},
		{"an IPv4 address is src", "ordinary", map[string]string{"src": "203.0.113.77", "c6a2": ""}},
		{"an IPv6 address is c6a2 with its label", "ipv6",
			map[string]string{"src": "", "c6a2": "2001:db8::7", "c6a2Label": "Source IPv6 Address"}},
		{"an IPv4 address in an IPv6 one is src", "ipv4-in-ipv6", map[string]string{"src": "203.0.113.9", "c6a2": ""}},
		{"text that is no address is left out", "no-address", map[string]string{"src": "", "c6a2": ""}},
		{"a name cannot forge a pair", "forged-cef", map[string]string{"suser": `x msg=hello suser=evil|cs1=a\=b\`, "act": "deploy_request.queued"}},
		{"line ends are kept as escapes, others are spaces", "line-ends",
			map[string]string{"suser": "one\ntwo\r\nthree four five six seven end\n"}},
		{"controls are replaced", "controls", map[string]string{"suser": "\ufffdnul\ufffd\ufffdbell\ufffdback  tab \ufffd[2J\ufffd\ufffdm"}},
		{"a pair of blanks is left out with its label", "only-blanks", map[string]string{"suser": "", "cs3": "", "cs3Label": ""}},
		{"null is left out", "every-null", map[string]string{"suid": "", "cs2": "", "cs6": "", "cs6Label": "", "flexString1": "", "cn1": ""}},
		{"a null actor is the system", "system", map[string]string{"suid": "", "suser": "", "spriv": "System"}},
		{"the user it was done to", "user-is-target", map[string]string{"duid": "u77", "duser": "Grace Hopper"}},
		{"long metadata is cut and marked", "metadata-long", map[string]string{"cn1": "1", "cn1Label": "Truncated"}},
		{"the id of what could not be decoded is cut to forty characters", "undecodable-number", map[string]string{
			"externalId": "sha256:73475cb40a568e8da8a045ced110137e1", "cs6": "42", "cs6Label": "Original",
			"reason": "event is not a JSON object: invalid character '\\n' = bad", "act": "", "spriv": "", "msg": "",
		}},
		{"a gap tells its interval", "gap", map[string]string{"cs6Label": "Original", "act": "sluice.gap", "cat": "configuration", "outcome": ""}},
		{"a late event says so", "late", map[string]string{"cn2": "1", "cn2Label": "Late"}},
		{"a replayed event says so", "replayed", map[string]string{"PlanetScaleAuditLogReplayed": "1", "cn3": ""}},
		{"an event about Sluice's own token says so", "own-token", map[string]string{"cn3": "1", "cn3Label": "Own Token", "PlanetScaleAuditLogReplayed": ""}},
		{"msg sums up", "ordinary", map[string]string{
			"msg": "Deploy request queued by ada.lovelace@example.com: Deploy request #1842: add index on orders.customer_id"}},
	} {
		t.Run(tt.words, func(t *testing.T) {
			m := parse(t, usual, cases[tt.event])
			if got, want := encode(t, usual, cases[tt.event]).Truncated, m.Extension["cn1"] == "1"; got != want {
				t.Errorf("the record says truncated: %t, want %t", got, want)
			}
			for key, want := range tt.want {
				if got := m.Extension[key]; got != want {
					t.Errorf("%s: got %q, want %q", key, got, want)
				}
			}
		})
	}
	t.Run("cut metadata ends in the marker", func(t *testing.T) {
		got := parse(t, usual, cases["metadata-long"]).Extension["cs6"]
		if !strings.HasSuffix(got, " [truncated]") || len(got) < 3900 || len(got) > 4000 {
			t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-20:])
		}
	})
}

// With ipv6_in_src a record differs in src alone, and only if the address is an IPv6 one.
// The strict parser refuses such a src, so the test removes it.
func TestIPv6InSrc(t *testing.T) {
	o := corpus.Options(transform.Options{Host: "forwarder-1", Version: "1.2.3", Settings: &cef.Settings{IPv6InSrc: true}})
	for _, c := range corpus.Cases() {
		want, got := string(encode(t, usual, c.Event).Body), string(encode(t, o, c.Event).Body)
		if c.Name == "ipv6" {
			want = strings.Replace(want, " c6a2=2001:db8::7 ", " src=2001:db8::7 c6a2=2001:db8::7 ", 1)
		}
		if got != want {
			t.Errorf("%s: got %s\nwant %s", c.Name, got, want)
		}
	}
}

// The key of the hash begins with vendor and product, in letters and digits alone.
func TestKeyOfTheHash(t *testing.T) {
	o := corpus.Options(transform.Options{})
	o.Product.Vendor, o.Product.Name, o.Product.Feature = "Acme & Söhne", "Vault-2", "Audit Log"
	line := string(encode(t, o, corpus.Typical()).Body)
	if want := " AcmeShneVault2AuditLogEventSHA256="; !strings.Contains(line, want) {
		t.Errorf("no %s in %s", want, line)
	}
	if _, err := ceftest.Parse(line); err != nil {
		t.Error(err)
	}
	fields, err := cef.Format.Explain(&o.Product, []byte(line))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		if f.Rule == "" {
			t.Errorf("no rule for %s", f.Name)
		}
	}
}

func TestHeader(t *testing.T) {
	for _, tt := range []struct{ words, action, class, name string }{
		{"an action in words", "deploy_request.queued", "deploy_request.queued", "Deploy request queued"},
		{"characters that consumers disagree on", "a|b\\c=d\ne f", "a_b_c_d_e_f", "A b c d e f"},
		{"no action", "", "unreadable", "Unreadable event"},
		{"nothing to name", "...", "...", "Unnamed action"},
		{"too long an action", strings.Repeat("x", 2000), strings.Repeat("x", 1023), "X" + strings.Repeat("x", 511)},
	} {
		t.Run(tt.words, func(t *testing.T) {
			e := corpus.Typical()
			e.Action = tt.action
			m := parse(t, usual, e)
			if m.ClassID != tt.class || m.Name != tt.name {
				t.Errorf("got %q and %q, want %q and %q", m.ClassID, m.Name, tt.class, tt.name)
			}
		})
	}
}

func TestVersion1(t *testing.T) {
	for _, c := range corpus.Cases() {
		parse(t, version1, c.Event)
	}
	m := parse(t, version1, corpus.Typical())
	if m.CEF != 1 {
		t.Errorf("version %d, want 1", m.CEF)
	}
	want := map[string]string{
		"reportedResourceID": "d8s0k2lq91xz", "reportedResourceType": "DeployRequest", "reportedResourceGroupName": "orders-production",
		"reportedResourceName": "Deploy request #1842: add index on orders.customer_id",
	}
	before := parse(t, usual, corpus.Typical())
	for key, value := range want {
		if got := m.Extension[key]; got != value || before.Extension[key] != "" {
			t.Errorf("%s: got %q, want %q, and in version 0 %q", key, got, value, before.Extension[key])
		}
		delete(m.Extension, key)
	}
	if diff := cmp.Diff(before.Extension, m.Extension); diff != "" {
		t.Errorf("other pairs of version 0 (-) and 1 (+):\n%s", diff)
	}
	if errs := (&cef.Settings{Version: 2}).Validate(); len(errs) != 1 {
		t.Errorf("version 2: got %v, want a problem", errs)
	}
}

func TestVersion1NamesTheTechnique(t *testing.T) {
	technique := corpus.Catalogue().Lookup("service_token.created").Technique.ID
	for action, want := range map[string]string{"service_token.created": technique, "deploy_request.queued": ""} {
		e := corpus.Typical()
		e.Action = action
		m := parse(t, version1, e)
		if got := m.Extension["threatAttackID"]; got != want || (m.Extension["frameworkName"] == "MITRE ATT&CK") != (want != "") {
			t.Errorf("%s: got %q of %q, want %q", action, got, m.Extension["frameworkName"], want)
		}
		if m := parse(t, usual, e); m.Extension["threatAttackID"] != "" {
			t.Errorf("%s: version 0 has it, too", action)
		}
	}
	if technique == "" {
		t.Error("the catalogue has no technique for the action of this test")
	}
}

func TestWhatAnotherPairHasIsNotMarkedAsCut(t *testing.T) {
	e := corpus.Typical()
	e.Objects[0].Name = strings.Repeat("n", 65)
	m := parse(t, version1, e)
	if got := m.Extension["reportedResourceName"]; len(got) != 64 || m.Extension["cs3"] != e.Objects[0].Name {
		t.Errorf("got %q and %q", got, m.Extension["cs3"])
	}
	if m.Extension["cn1"] != "" || encode(t, version1, e).Truncated {
		t.Error("the record is marked as truncated, but another pair holds the whole name")
	}
	e.Problem = strings.Repeat("p", 2000)
	if !encode(t, version1, e).Truncated {
		t.Error("a reason that was cut is not marked")
	}
	e.Problem, e.Actor.Name = "", strings.Repeat("n", 2000)
	if !encode(t, version1, e).Truncated {
		t.Error("a name that no pair holds whole is not marked")
	}
}

// TestTitleOfACatalogue uses a title with every character that a header must not hold.
func TestTitleOfACatalogue(t *testing.T) {
	for title, want := range map[string]string{
		"Queued | for\\ good\n": "Queued   for  good",
		" \t":                   "Deploy request queued",
		"= é":                   "= é",
	} {
		o := usual
		o.Catalogue = corpus.Catalogue().With(&transform.Entries{Actions: map[string]transform.Entry{
			"deploy_request.queued": {Title: title},
		}}, "mine.yaml")
		if got := parse(t, o, corpus.Typical()).Name; got != want {
			t.Errorf("%q: got %q, want %q", title, got, want)
		}
	}
}

func TestAValueCutAtASpaceEndsBeforeIt(t *testing.T) {
	e := corpus.Typical()
	e.Action = strings.Repeat("x", 62) + " y"
	if got, want := parse(t, usual, e).Extension["act"], strings.Repeat("x", 62); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExternalID(t *testing.T) {
	hash := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	ids := []string{"q7x2mk9d0a4e", hash, hash[:40] + strings.Repeat("f", 31), strings.Repeat("i", 41), strings.Repeat("i", 42), "a=b", "a b", "a\\b"}
	seen := map[string]string{}
	for _, id := range ids {
		e := corpus.Typical()
		e.ID = id
		got := parse(t, usual, e).Extension["externalId"]
		if len(id) <= 40 && !strings.ContainsAny(id, "= \\") && got != id {
			t.Errorf("%q: got %q", id, got)
		}
		if len(got) > 40 {
			t.Errorf("%q: got %d characters", id, len(got))
		}
		seen[got] = id
	}
	if got, want := len(seen), len(ids)-1; got != want { // Two of them are hashes with the same start.
		t.Errorf("%d different ids, want %d: %v", got, want, seen)
	}
}

func TestLimit(t *testing.T) {
	e := corpus.Typical()
	e.Objects[0].Name = strings.Repeat("=€", 300)
	whole := len(encode(t, usual, e).Body)
	for _, tt := range []struct {
		words    string
		limit    int
		metadata bool
		cut      string
		longest  int // of cs3
	}{
		{"what fits is whole", whole, true, "", 1200},
		{"metadata goes first", whole - 1, false, "1", 1200},
		{"then long values are shortened", 1700, false, "1", 255},
		{"and shortened more", 950, false, "1", 63},
		{"and more", 740, false, "1", 15},
	} {
		t.Run(tt.words, func(t *testing.T) {
			o := usual
			o.MaxBytes = tt.limit
			if got := len(encode(t, o, e).Body); got > tt.limit {
				t.Errorf("%d bytes, limit %d", got, tt.limit)
			}
			m := parse(t, o, e)
			if got := m.Extension["cs6"] != ""; got != tt.metadata {
				t.Errorf("has metadata: got %v, want %v", got, tt.metadata)
			}
			if got := m.Extension["cn1"]; got != tt.cut {
				t.Errorf("mark: got %q, want %q", got, tt.cut)
			}
			if got, want := m.Extension["cs3"], clean(e.Objects[0].Name, tt.longest); got != want {
				t.Errorf("cs3: got %q, want %q", got, want)
			}
			if m.Extension["externalId"] != e.ID || m.ClassID != e.Action {
				t.Errorf("the record no longer says what happened: %+v", m)
			}
		})
	}
	t.Run("what cannot fit is an error", func(t *testing.T) {
		o := usual
		o.MaxBytes = 300
		_, err := open(t, o).Transform(nil, &e)
		if !errors.Is(err, transform.ErrTooLarge) || !strings.Contains(err.Error(), e.ID) {
			t.Errorf("got error %v, want ErrTooLarge that names the event", err)
		}
	})
	t.Run("a negative limit is refused", func(t *testing.T) {
		if _, err := cef.Format.New(transform.Options{MaxBytes: -1}); err == nil || !strings.Contains(err.Error(), "largest record: -1 bytes is negative") {
			t.Errorf("got %v, want an error that the limit is negative", err)
		}
	})
}

func TestAppendsToTheBufferItIsGiven(t *testing.T) { corpus.CheckAppends(t, cef.Format, usual) }

func TestAllocations(t *testing.T) { corpus.CheckAllocations(t, cef.Format, usual, 1) }

func FuzzCEF(f *testing.F) {
	corpus.Fuzz(f, cef.Format, []any{nil, version1.Settings}, func(t *testing.T, o transform.Options, e source.Event, body []byte) {
		m, err := ceftest.Parse(string(body))
		if err != nil {
			t.Fatalf("%v\n%q", err, body)
		}
		if want := o.Settings == nil; (m.CEF == 0) != want {
			t.Errorf("version %d", m.CEF)
		}
		checkCopies(t, e, m)
	})
}

func BenchmarkTransform(b *testing.B) {
	cases := map[string]source.Event{"ordinary": corpus.Typical()}
	for _, c := range corpus.Cases() {
		if c.Name == "line-ends" || c.Name == "metadata-long" {
			cases[c.Name] = c.Event
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		b.Run(name, func(b *testing.B) {
			tr := open(b, usual)
			e := cases[name]
			dst := make([]byte, 0, 16<<10)
			b.SetBytes(int64(len(e.Raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tr.Transform(dst, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
