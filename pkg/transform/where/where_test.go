package where_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/where"
)

func compile(tb testing.TB, text string) where.Expression {
	tb.Helper()
	x := where.For(&corpus.Product)
	if err := x.UnmarshalText([]byte(text)); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return x
}

func filter(tb testing.TB, text string) *where.Filter {
	tb.Helper()
	f, err := compile(tb, text).Filter(&corpus.Product, corpus.Catalogue())
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return f
}

// refusal returns the error that a text is not an expression.
func refusal(text string) error {
	x := where.For(&corpus.Product)
	return x.UnmarshalText([]byte(text))
}

func typical(change func(e *source.Event)) source.Event {
	e := corpus.Typical()
	change(&e)
	return e
}

func withMetadata(text string) source.Event {
	return typical(func(e *source.Event) { e.Metadata = []byte(text) })
}

func TestKeepsWhatIsTrue(t *testing.T) {
	system := typical(func(e *source.Event) { e.Actor = source.Party{} })
	for _, tt := range []struct {
		words, text string
		event       source.Event
		want        bool
	}{
		{"true", "true", corpus.Typical(), true},
		{"false", "false", corpus.Typical(), false},
		{"an id", `id == "q7x2mk9d0a4e"`, corpus.Typical(), true},
		{"an action", `action == "deploy_request.queued" and verb == "queued"`, corpus.Typical(), true},
		{"one of several actions", `action in ["database.deleted", "branch.deleted"]`, corpus.Typical(), false},
		{"a pattern", `action matches "^deploy_request\\."`, corpus.Typical(), true},
		{"a severity", "severity >= 4", corpus.Typical(), false},
		{"a category", `"configuration" in category and not ("iam" in category)`, corpus.Typical(), true},
		{"a type", `"change" in type`, corpus.Typical(), true},
		{"people", `actor.type == "User" and actor.id == "u1k9f3jd82ma" and actor.name endsWith "@example.com"`, corpus.Typical(), true},
		{"the system acts where nobody is named", `actor.type == "System" and actor.id == ""`, system, true},
		{"an object", `auditable.type == "DeployRequest" and auditable.id != "" and auditable.name contains "#1842"`, corpus.Typical(), true},
		{"a container", `target.type == "Database" and target.name == "orders-production" and target.id != ""`, corpus.Typical(), true},
		{"where from", `remote_ip startsWith "203.0.113." and location == "Chicago, IL"`, corpus.Typical(), true},
		{"an organization", `organization == "acme"`, corpus.Typical(), true},
		{"a time", `time > date("2026-03-14T15:00:00Z") and time < date("2026-03-14T16:00:00Z")`, corpus.Typical(), true},
		{"a late event", "late", typical(func(e *source.Event) { e.Late = true }), true},
		{"a replayed event", "replayed and not own_token", typical(func(e *source.Event) { e.Replayed = true }), true},
		{"an event about Sluice's own token", "own_token and not replayed and severity == 8", typical(func(e *source.Event) { e.OwnToken = true }), true},
		{"metadata", `metadata.from == "add-customer-index" and metadata["number"] == 1842 and metadata.auto_cutover`, corpus.Typical(), true},
		{"a list in metadata", `"u4d1b9" in metadata.approvals`, corpus.Typical(), true},
		{"an object in metadata", `metadata.a.b == 2`, withMetadata(`{"a":{"b":2}}`), true},
		{"a name with escapes", `metadata["a\"b"] == "c\"d"`, withMetadata(`{"\u0061\"b":"\u0063\"d"}`), true},
		{"the keys of metadata", `"from" in metadata`, corpus.Typical(), true},
		{"all of metadata", `len(metadata) == 2 and metadata.a == 1`, withMetadata(`{"a":1,"b":null}`), true},
		{"all fields", `$env["action"] == "deploy_request.queued" and $env["metadata"]["number"] == 1842`, corpus.Typical(), true},
		{"a large number is exact", "metadata.n == 9007199254740993", withMetadata(`{"n":9007199254740993}`), true},
		{"a number that is none", "metadata.n < 1.6 and metadata.m > 1", withMetadata(`{"n":1.5,"m":1e999}`), true},
		{"what is not there", `metadata.nobody == nil`, corpus.Typical(), true},
		{"what is not there, with a default", `(metadata.nobody ?? 0) > 5`, corpus.Typical(), false},
		{"metadata that is a list", `metadata.from == nil and len(metadata) == 0`, withMetadata(`[]`), true},
		{"metadata that is null", `metadata.from == nil`, withMetadata(``), true},
	} {
		t.Run(tt.words, func(t *testing.T) {
			got, err := filter(t, tt.text).Keeps(&tt.event)
			if err != nil || got != tt.want {
				t.Errorf("%s: got %t and error %v, want %t", tt.text, got, err, tt.want)
			}
		})
	}
}

func TestNothingIsLeftOfTheEventBefore(t *testing.T) {
	f := filter(t, `metadata.secret == "yes"`)
	for _, tt := range []struct {
		metadata string
		want     bool
	}{{`{"secret":"yes"}`, true}, {`{}`, false}, {`{"secret":"yes"}`, true}, {``, false}, {`[1]`, false}} {
		e := withMetadata(tt.metadata)
		if got, err := f.Keeps(&e); err != nil || got != tt.want {
			t.Errorf("%q: got %t and error %v, want %t", tt.metadata, got, err, tt.want)
		}
	}
}

func TestWhatCouldNotBeReadIsKept(t *testing.T) {
	nothing := filter(t, "false")
	for _, c := range corpus.Cases() {
		want := c.Event.Gap || c.Event.Problem != ""
		got, err := nothing.Keeps(&c.Event)
		if err != nil || got != want {
			t.Errorf("%s: got %t and error %v, want %t", c.Name, got, err, want)
		}
	}
}

func TestAFailureKeepsTheEventAndSaysWhy(t *testing.T) {
	for _, tt := range []struct{ words, text, metadata, want string }{
		{"a missing number", "metadata.n > 5", `{}`, `where: event "q7x2mk9d0a4e": > has nothing before it and a number behind it at line 1, column 12 of the condition; a member of metadata that may be missing needs a default`},
		{"a member of nothing", "metadata.a.b == 1", `{}`, `where: event "q7x2mk9d0a4e": nothing has no members at line 1, column 12 of the condition; `},
		{"no condition", "metadata.a", `{"a":5}`, `where: event "q7x2mk9d0a4e": is a number, not true or false at line 1, column 1 of the condition; `},
	} {
		t.Run(tt.words, func(t *testing.T) {
			e := withMetadata(tt.metadata)
			keep, err := filter(t, tt.text).Keeps(&e)
			if !keep || err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %t and error %v, want true and %s", keep, err, tt.want)
			}
		})
	}
}

func TestAWrongExpressionIsRefused(t *testing.T) {
	for _, tt := range []struct{ words, text, want string }{
		{"nothing", " ", "is empty; write a condition such as severity >= 3, or remove the key"},
		{"a field nobody knows", "severity > 3 and actr.type == 'User'", "is not a condition: unknown name at line 1, column 18 of the condition; did you mean actor? The fields are id, time, organization, "},
		{"a part nobody knows", "actor.nme == 'x'", "is not a condition: unknown member at line 1, column 7 of the condition; those of actor, auditable and target are id, type and name"},
		{"text against a number", "severity >= '3'", `is not a condition: >= has a number before it and text behind it at line 1, column 10 of the condition; write a number without quotes, and text in quotes`},
		{"no condition", "action", "is not a condition: is text, not true or false; compare it"},
		{"no expression", "action ==", "is not a condition: the condition ends too early at line 1, column 9 of the condition"},
		{"a second line", "late or\n  action = 'x'", "is not a condition: = is not an operator at line 2, column 10 of the condition; compare with =="},
		{"a bad pattern", "action matches '('", "is not a condition: a pattern is not a regular expression at line 1, column 8 of the condition"},
	} {
		t.Run(tt.words, func(t *testing.T) {
			err := refusal(tt.text)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestExpressionsAreComparedAsTheyAreWritten(t *testing.T) {
	var none where.Expression
	one, same, other := compile(t, "late"), compile(t, " late\n"), compile(t, "not late")
	if none.IsSet() || !one.IsSet() {
		t.Errorf("set: got %t and %t, want false and true", none.IsSet(), one.IsSet())
	}
	if !one.Equal(same) || one.Equal(other) || one.Equal(none) || one.String() != "late" {
		t.Errorf("of %q, %q and %q, only the first two must be equal", one, same, other)
	}
}

// TestFieldsSayWhatEventsDo requires that every field has a name, and that no field is
// empty for an event that has every field.
func TestFieldsSayWhatEventsDo(t *testing.T) {
	e := typical(func(e *source.Event) { e.Late = true })
	f := filter(t, `[id, organization, action, verb, actor.id, actor.type, actor.name, auditable.id, auditable.type, auditable.name,
		target.id, target.type, target.name, remote_ip, location] | all(# != "")
		and len(category) > 0 and len(type) > 0 and severity > 0 and late and len(metadata) == 5 and time.Year() == 2026`)
	if keep, err := f.Keeps(&e); err != nil || !keep {
		t.Errorf("got %t and error %v", keep, err)
	}
}

func TestNothingOfTheEventIsChanged(t *testing.T) {
	f := filter(t, `metadata.approvals | map(# + "x") | len() == 2 and severity > 1`)
	e, want := corpus.Typical(), corpus.Typical()
	e.Time, want.Time = time.Time{}, time.Time{}
	if _, err := f.Keeps(&e); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkWhere(b *testing.B) {
	for _, bb := range []struct{ words, text string }{
		{"fields", `severity >= 3 and actor.type == "User" and action in ["deploy_request.queued", "database.deleted"]`},
		{"metadata", `severity >= 3 and metadata.into == "main" and metadata.number > 7`},
	} {
		b.Run(bb.words, func(b *testing.B) {
			f := filter(b, bb.text)
			e := corpus.Typical()
			b.ReportAllocs()
			for b.Loop() {
				if keep, err := f.Keeps(&e); !keep || err != nil {
					b.Fatal(keep, err)
				}
			}
		})
	}
}

// TestNoExpressionIsShown requires that messages of unknown errors do not show the
// expression.
func TestNoExpressionIsShown(t *testing.T) {
	for _, text := range []string{
		"let id = 1; TopSecret7", "let TopSecret7 = 1; let TopSecret7 = 2; late", "TopSecret7()", "[1] | map(#TopSecret7)", "id.TopSecret7()", "late | TopSecret7()", "len(id, 'TopSecret7')", "'\\TopSecret7'", "action matches '[TopSecret7'", "severity['TopSecret7'] == 1", "0xTopSecret7", "1TopSecret7", "TopSecret7 § late", "actor?.TopSecret7", "{TopSecret7: 1}.x.TopSecret7",
	} {
		if err := refusal(text); err != nil && strings.Contains(err.Error(), "opSecret7") {
			t.Errorf("%s: the expression shows in %v", text, err)
		}
	}
}
