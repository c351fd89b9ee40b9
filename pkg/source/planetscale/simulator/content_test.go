package simulator_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestGolden shows what events look like, and that a seed keeps its meaning.
func TestGolden(t *testing.T) {
	for name, tame := range map[string]bool{"tame": true, "hostile": false} {
		t.Run(name, func(t *testing.T) {
			s, _ := newServer(simulator.Config{Seed: 7, Events: 40, Tame: tame})
			got := ask(t, s, path+"?limit=40").body
			got = bytes.ReplaceAll(got, []byte(`},{"id"`), []byte("},\n{\"id\""))
			golden.Check(t, name+".golden.json", string(got))
		})
	}
}

func TestIDs(t *testing.T) {
	s, _ := newServer(simulator.Config{Events: 20_000})
	form := regexp.MustCompile(`^[0-9a-z]{12}$`)
	seen := make(map[string]bool)
	last, ascending := "", 0
	for e := range s.Visible() {
		if !form.MatchString(e.ID) {
			t.Fatalf("got id %q", e.ID)
		}
		if seen[e.ID] {
			t.Fatalf("id %s occurs twice", e.ID)
		}
		if got := idOf(t, e.Raw); got != e.ID {
			t.Fatalf("got id %s in the event, want %s", got, e.ID)
		}
		seen[e.ID] = true
		if e.ID > last {
			ascending++
		}
		last = e.ID
	}
	if ascending < 9_000 || ascending > 11_000 {
		t.Errorf("%d of 20,000 ids follow a smaller one, want about half", ascending)
	}
}

func TestEventsAreAsLargeAsRealOnes(t *testing.T) {
	for name, tame := range map[string]bool{"tame": true, "hostile": false} {
		t.Run(name, func(t *testing.T) {
			s, _ := newServer(simulator.Config{Events: 50_000, Tame: tame})
			total := 0
			for e := range s.Visible() {
				total += len(e.Raw)
			}
			if mean := total / 50_000; mean < 670 || mean > 745 {
				t.Errorf("got %d bytes an event, want about 707", mean)
			}
		})
	}
}

// sample is what a log's events hold.
type sample struct {
	actorTypes, kinds, actions, addresses map[string]bool
	ties                                  int
}

func sampleOf(t *testing.T, s *simulator.Server) sample {
	t.Helper()
	m := sample{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, 0}
	var last simulator.Event
	for e := range s.Visible() {
		var fields struct {
			ActorType   *string         `json:"actor_type"`
			AuditAction string          `json:"audit_action"`
			RemoteIP    *string         `json:"remote_ip"`
			Metadata    json.RawMessage `json:"metadata"`
		}
		if err := json.Unmarshal(e.Raw, &fields); err != nil {
			t.Fatalf("event %s: %v: %q", e.ID, err, e.Raw)
		}
		m.actorTypes[value(fields.ActorType)] = true
		m.actions[fields.AuditAction] = true
		m.addresses[family(t, value(fields.RemoteIP))] = true
		m.kinds[string(bytes.TrimSpace(fields.Metadata)[:1])] = true
		if e.Created.Equal(last.Created) {
			m.ties++
		}
		last = e
	}
	return m
}

func value(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

func family(t *testing.T, address string) string {
	t.Helper()
	if address == "null" {
		return "none"
	}
	a, err := netip.ParseAddr(address)
	if err != nil {
		t.Fatal(err)
	}
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

func TestVariety(t *testing.T) {
	s, _ := newServer(simulator.Config{Events: 20_000})
	m := sampleOf(t, s)
	set := func(names ...string) map[string]bool {
		all := make(map[string]bool)
		for _, n := range names {
			all[n] = true
		}
		return all
	}
	if d := cmp.Diff(set("User", "ServiceToken", "null"), m.actorTypes); d != "" {
		t.Errorf("actor types (-want +got):\n%s", d)
	}
	if d := cmp.Diff(set("IPv4", "IPv6", "none"), m.addresses); d != "" {
		t.Errorf("address families (-want +got):\n%s", d)
	}
	if d := cmp.Diff(set("{", "[", "n", `"`, "t", "1"), m.kinds); d != "" {
		t.Errorf("first bytes of metadata (-want +got):\n%s", d)
	}
	for _, action := range []string{"database_deploy_request.created", "deploy_request.queued", "branch.open_web_console"} {
		if !m.actions[action] {
			t.Errorf("no %s", action)
		}
	}
	if m.ties < 500 || m.ties > 5_000 {
		t.Errorf("got %d ties among 20,000 events, want a fraction", m.ties)
	}
}

func TestHostileText(t *testing.T) {
	wanted := map[string]string{
		"escaped quote": `\"`, "pipe": `|`, "equals sign": `=`, "backslash": `\\`, "CR": `\r`, "LF": `\n`,
		"tab": `\t`, "NUL": `\u0000`, "U+2028": "\u2028", "bidi override": "\u202e", "invalid UTF-8": "\xff\xfe",
		"10 kB": strings.Repeat("0123456789 é|=", 600), "forged CEF": `x msg=hello suser=evil`,
		"end of script": `</script>`, "lone surrogate": `\ud800`, "escape": `\u001b[31m`,
		"beyond 2^53": `"rows_read":900719`, "exponent": `1.5e-7`, "from into": `"into":"main"`,
	}
	text := func(tame bool) []byte {
		s, _ := newServer(simulator.Config{Events: 20_000, Tame: tame})
		var all []byte
		for e := range s.Visible() {
			all = append(all, e.Raw...)
		}
		return all
	}
	hostile, tame := text(false), text(true)
	for name, want := range wanted {
		if !bytes.Contains(hostile, []byte(want)) {
			t.Errorf("no %s", name)
		}
	}
	if !utf8.Valid(tame) || slices.ContainsFunc(tame, func(c byte) bool { return c < ' ' || c == '\\' }) {
		t.Error("a tame log holds bytes that need care")
	}
}
