package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

const least = `
sources:
  - name: acme
    type: planetscale
    settings: {organization: acme, service_token: t}
sinks:
  - {name: screen, type: stdout}
`

// comparable compares types by their names.
var comparable = cmp.Options{
	cmp.Transformer("SourceType", func(t source.Type) string { return t.Name }),
	cmp.Transformer("SinkType", func(t sink.Type) string { return t.Name }),
	cmp.Transformer("Format", func(f transform.Format) string { return f.Name }),
	cmp.Transformer("Catalogue", func(c *transform.Catalogue) transform.Action { return *c.Lookup("database.promoted") }),
	cmpopts.IgnoreFields(config.Config{}, "Own", "Corrections", "Evidence"), // TestOwnEvents; Catalogue has them; TestEvidenceIsItsKeys
	cmpopts.IgnoreFields(config.Sink{}, "EnrichAt"),                         // The same settings may be at another place.
	cmpopts.IgnoreFields(brokerSettings{}, "Callback"),
	cmpopts.IgnoreUnexported(setting.TLS{}), // of a sink, not of its configuration
	cmp.AllowUnexported(brokerSettings{}),
}

func parse(t *testing.T, text string, vars map[string]string) *config.Config {
	t.Helper()
	c, err := config.Parse("sluice.yaml", []byte(text), kinds, env(vars))
	if err != nil {
		t.Fatalf("got problems:\n%v", err)
	}
	return c
}

func want[T any](t *testing.T, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got, comparable); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestDefaults(t *testing.T) {
	got := parse(t, least, nil)
	want(t, &config.Config{
		Sources: []config.Source{{
			Name: "acme", Type: kinds.Sources[0], Catalogue: builtin(t),
			Settings: &logSettings{Organization: "acme", Token: setting.NewSecret("t"), PollInterval: setting.Duration(5 * time.Second)},
		}},
		State:       config.State{Type: "file", Dir: "/var/lib/sluice"},
		DeadLetters: config.DeadLetters{Dir: "/var/lib/sluice/dead-letters", MaxBytes: 1 << 30},
		Sinks: []config.Sink{{
			Name: "screen", Type: kinds.Sinks[2], Format: kinds.Formats[0], FormatSettings: &struct{}{}, Sources: []string{"acme"}, OwnEvents: config.WithOwnEvents,
			Original: true, PublishTimeout: time.Minute, MaxRejects: 100, BeyondWindow: config.SendBeyondWindow, Evidence: true, Settings: &struct{}{},
		}},
		Admin:           config.Admin{Listen: "127.0.0.1:9876"},
		Log:             config.Log{Level: zerolog.InfoLevel, Format: "auto"},
		Heartbeat:       15 * time.Minute,
		ShutdownTimeout: 8 * time.Second,
	}, got)
}

func TestEveryKey(t *testing.T) {
	data, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key, former := filepath.Join(dir, "a.key"), filepath.Join(dir, "b.key")
	public, formerPublic := keyIn(t, key), keyIn(t, former)
	c := parse(t, string(data), map[string]string{"TOKEN": "t", "MAX": "7", "KEY": key, "FORMER": former})
	want(t, []string{public, formerPublic}, []string{c.Evidence.Key.Public, c.Evidence.Former[0].Public})
	corrected := catalogue(t, "testdata/catalogue.yaml")
	want(t, &config.Config{
		Sources: []config.Source{
			{Name: "acme", Type: kinds.Sources[0], Catalogue: corrected, Settings: &logSettings{
				Organization: "acme", TokenID: "0123", Token: setting.NewSecret("t"), PollInterval: setting.Duration(time.Second)}},
			{Name: "beta-2_x.y", Type: kinds.Sources[0], Catalogue: corrected, Settings: &logSettings{
				Organization: "beta", Token: setting.SecretFile("testdata/secret"), PollInterval: setting.Duration(5 * time.Second)}},
		},
		State:       config.State{Type: "file", Dir: "/state"},
		DeadLetters: config.DeadLetters{Dir: "/dead", MaxBytes: 512_000},
		Sinks: []config.Sink{
			{
				Name: "siem", Type: kinds.Sinks[0], Format: kinds.Formats[1], FormatSettings: &formatSettings{Version: 1}, Sources: []string{"beta-2_x.y", "acme"},
				OwnEvents: config.WithoutOwnEvents, Start: source.Start{Now: true}, PublishTimeout: 30 * time.Second, MaxRejects: 7, BeyondWindow: config.BuryBeyondWindow,
				Settings: &brokerSettings{
					Client: Client{ID: "mine", Retries: 3}, Limits: limits{RecordBytes: 1 << 20, InFlight: 5},
					Brokers: []string{"a:1", "b:2"}, Topic: "audit", Idempotent: true, Linger: 0.25,
					TLS:      &setting.TLS{ServerName: "kafka"},
					SASL:     &saslSettings{Mechanism: "PLAIN", Username: "u", Password: setting.NewSecret("p")},
					Labels:   map[string]string{"a": "1", "b": "two lines\nof text\n"},
					Headers:  map[string]setting.Secret{"X-Key": setting.NewSecret("k")},
					Routes:   map[string]saslSettings{"eu": {Username: "e"}},
					Replicas: []saslSettings{{Username: "r"}},
				},
			},
			{
				Name: "archive", Type: kinds.Sinks[1], Format: kinds.Formats[2], FormatSettings: &struct{}{}, Sources: []string{"acme", "beta-2_x.y"},
				OwnEvents: config.WithOwnEvents, Start: source.Start{Since: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)},
				Original: true, PublishTimeout: time.Minute, MaxRejects: 100, BeyondWindow: config.SendBeyondWindow, Evidence: true, Settings: &fileSettings{Path: "/var/log/{source}.ndjson"},
			},
		},
		Admin:           config.Admin{Listen: ":9000", Hosts: []string{"sluice", "siem.example.com"}},
		Log:             config.Log{Level: zerolog.DebugLevel, Format: "json"},
		AuditEvery:      12 * time.Hour,
		Heartbeat:       time.Hour,
		ShutdownTimeout: 10 * time.Second,
		Memory:          64 << 20,
	}, c)

	var lanes []string
	for _, l := range c.Lanes() {
		lanes = append(lanes, l.Name+" = "+l.Source.Name+" to "+l.Sink.Name)
	}
	want(t, []string{
		"beta-2_x.y/siem = beta-2_x.y to siem", "acme/siem = acme to siem",
		"acme/archive = acme to archive", "beta-2_x.y/archive = beta-2_x.y to archive", "sluice/archive = sluice to archive",
	}, lanes)
}

func TestDefaultsOfATypeAreNeverChanged(t *testing.T) {
	text := strings.Replace(least, "{name: screen, type: stdout}", `{name: k, type: kafka, settings: {
		topic: t, brokers: ["other:1"], labels: {from: here}, sasl: {mechanism: SCRAM, username: u}}}`, 1)
	got := parse(t, text, nil).Sinks[0].Settings.(*brokerSettings)
	want(t, &saslSettings{Mechanism: "SCRAM", Username: "u"}, got.SASL)
	want(t, []string{"other:1"}, got.Brokers)
	want(t, map[string]string{"from": "here"}, got.Labels)

	untouched := parse(t, strings.Replace(least, "type: stdout", "type: kafka, settings: {topic: t}", 1), nil)
	fresh := untouched.Sinks[0].Settings.(*brokerSettings)
	want(t, []string{"localhost:9092"}, fresh.Brokers)
	want(t, map[string]string{"from": "default"}, fresh.Labels)
	want(t, &saslSettings{Mechanism: "PLAIN"}, fresh.SASL)
}

func TestAKeyWithoutValueIsEmptySettings(t *testing.T) {
	c := parse(t, least+"admin:\nstate:\n  settings:\n", nil)
	want(t, config.Admin{Listen: "127.0.0.1:9876"}, c.Admin)
	tls := parse(t, strings.Replace(least, "type: stdout", "type: kafka, settings: {topic: t, tls: {}}", 1), nil)
	if got := tls.Sinks[0].Settings.(*brokerSettings).TLS; !got.Enabled() {
		t.Error("got no TLS for an empty tls, want it enabled")
	}
}

func TestDeadLettersFollowTheStateDirectory(t *testing.T) {
	c := parse(t, least+"state: {settings: {dir: /elsewhere}}\n", nil)
	want(t, "/elsewhere/dead-letters", c.DeadLetters.Dir)
}

func TestFilesFromWindows(t *testing.T) {
	got := parse(t, "\ufeff"+strings.ReplaceAll(least, "\n", "\r\n"), nil)
	want(t, parse(t, least, nil), got)
}

func TestVariables(t *testing.T) {
	vars := map[string]string{"A": "a", "B_2": "b", "EMPTY": "", "TWICE": "${A}", "DOLLAR": "$$", "NULL": "null", "TRUE": "true"}
	for _, c := range []struct{ name, yaml, want string }{
		{"plain", "${A}", "a"},
		{"in quotes", `"${A}"`, "a"},
		{"in single quotes", "'${A}'", "a"},
		{"among text", "x${A}y${B_2}z", "xaybz"},
		{"a default for unset", "${NONE:-d e}", "d e"},
		{"a default for empty", "${EMPTY:-d}", "d"},
		{"a default not needed", "${A:-d}", "a"},
		{"an empty default", `"x${NONE:-}"`, "x"},
		{"a default with the signs of one", "'${NONE:-http://a:-1}'", "http://a:-1"},
		{"expanded once", "${TWICE}", "${A}"},
		{"dollars of a value stay", "${DOLLAR}", "$$"},
		{"an escaped reference", "$${A}", "${A}"},
		{"an escaped dollar before a reference", "$$${A}", "$a"},
		{"a dollar alone", "pa$word$", "pa$word$"},
		{"a dollar before other signs", "'^a$|$1$2a$x'", "^a$|$1$2a$x"},
		{"an escaped name", "$$TOKEN and $$(x)", "$TOKEN and $(x)"},
		{"the user name for Azure Event Hubs", `"$$ConnectionString"`, "$ConnectionString"},
		{"an escaped dollar in a default", "${NONE:-$$A}", "$A"},
		{"words of YAML are text", "${NULL}", "null"},
		{"others too", "${TRUE}", "true"},
		{"a block", "|-\n          ${A}", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(least, "{organization: acme, service_token: t}",
				"\n      service_token: t\n      organization: "+c.yaml, 1)
			got := parse(t, text, vars).Sources[0].Settings.(*logSettings).Organization
			want(t, c.want, got)
		})
	}
}

// TestSecretsHoldAnyText has secrets that would be mistakes elsewhere: an author cannot write
// them in another way.
func TestSecretsHoldAnyText(t *testing.T) {
	vars := map[string]string{"QUOTES": `"p"`, "PLACE": "{{p}}", "DOLLAR": "$P", "HIDDEN": "p\u200bw\u00a0"}
	for yaml, secret := range map[string]string{
		`"\"p\""`: `"p"`, `"'p'"`: "'p'", `"${QUOTES}"`: `"p"`, `"p\u00adw"`: "p\u00adw", `"p\u200d\ufeffw"`: "p\u200d\ufeffw", `"p\ue000"`: "p\ue000",
		`"p\u00a0"`: "p\u00a0", `"«p»"`: "«p»", `"${HIDDEN}"`: vars["HIDDEN"], `"${PLACE}"`: "{{p}}", `"${DOLLAR}"`: "$P",
		`"$$ABC"`: "$ABC", `"x$$(y)"`: "x$(y)", `"x{{p}}"`: "x{{p}}", `"%P%x"`: "%P%x", `"<%p%>x"`: "<%p%>x", `"${NONE:-x$$Y}"`: "x$Y",
	} {
		got := parse(t, strings.Replace(least, "service_token: t", "service_token: "+yaml, 1), vars).Sources[0].Settings.(*logSettings)
		if value, err := got.Token.Value(); value != secret || err != nil {
			t.Errorf("%s: got %q and %v, want %q", yaml, value, err, secret)
		}
	}
}

func TestVariablesCannotInject(t *testing.T) {
	text := strings.Replace(least, "{organization: acme, service_token: t}",
		"\n      organization: ${V}\n      service_token: \"${V}\"\n      service_token_id: |-\n        ${V}", 1)
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.RuneFrom(nil, unicode.L, unicode.N, unicode.S)
		value := rapid.OneOf(rapid.StringOf(letters), rapid.StringOf(rapid.SampledFrom([]rune("a: #\n\"'{}[]$&*!|>-,")))).
			Filter(func(s string) bool { return s != "" && strings.Trim(s, " \n\"'") == s }).Draw(t, "value")
		c, err := config.Parse("f", []byte(text), kinds, env(map[string]string{"V": value}))
		if err != nil {
			t.Fatal(err)
		}
		got := c.Sources[0].Settings.(*logSettings)
		secret, err := got.Token.Value()
		token := strings.TrimRight(value, "\r\n") // see setting.Secret
		if err != nil || got.Organization != value || got.TokenID != value || secret != token || len(c.Sources) != 1 {
			t.Fatalf("got %q, %q and %q, %v, want %q", got.Organization, got.TokenID, secret, err, value)
		}
	})
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	t.Setenv("SLUICE_TEST_ORGANIZATION", "from-the-environment")
	text := strings.Replace(least, "organization: acme", `organization: "${SLUICE_TEST_ORGANIZATION}"`, 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, kinds)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "from-the-environment", c.Sources[0].Settings.(*logSettings).Organization)

	_, err = config.Load(filepath.Join(t.TempDir(), "none.yaml"), kinds)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("got %v, want an error naming the file that is not there", err)
	}
	_, err = config.Load("/dev/zero", kinds)
	var problems config.Errors
	if !errors.As(err, &problems) || !strings.Contains(err.Error(), "exceeds 262144 bytes") {
		t.Errorf("got %v, want a problem about the size", err)
	}
}

// badEnv is the environment of fuzzed files.
var badEnv = env(map[string]string{
	"EMPTY": "", "WORD": "word", "FIVE": "5", "MANY": "256",
	"INJECTION": "a b # c\nin_flight: -1", "TWICE": "${UNSET}",
})

func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(paths) == 0 {
		f.Fatalf("got files %v, %v, want some", paths, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("f", data, kinds, badEnv)
		var problems config.Errors
		if err == nil {
			if len(c.Lanes()) == 0 {
				t.Error("got no lane and no problem")
			}
			return
		}
		if !errors.As(err, &problems) || c != nil {
			t.Fatalf("got %v and %T, want no configuration and problems", c, err)
		}
		if got := strings.Count(err.Error(), "\n") + 1; got != len(problems) {
			t.Errorf("got %d lines for %d problems", got, len(problems))
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 1
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Line > lines && p.File == "f" {
				t.Errorf("a problem at %d:%d of %d lines: %v", p.Line, p.Column, lines, p)
			}
		}
	})
}
