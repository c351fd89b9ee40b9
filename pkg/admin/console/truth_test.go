package console_test

import (
	"errors"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// unread is a lane that has read nothing since the process began.
func unread(src, sink string) pipeline.Status {
	return pipeline.Status{
		Lane: src + "/" + sink, Source: src, Sink: sink, Format: "ecs",
		Troubles: []pipeline.Trouble{{Operation: "read", Err: "nothing was read yet"}},
	}
}

// broken is a lane that cannot publish, and delivered before.
func broken(src, sink string) pipeline.Status {
	s := caughtUp(src, sink)
	s.Ready, s.Troubles = false, []pipeline.Trouble{{Operation: "publish", Err: "connection refused", Since: time.Now().Add(-time.Minute)}}
	return s
}

func with(s pipeline.Status, change func(*pipeline.Status)) pipeline.Status {
	change(&s)
	return s
}

var tags = regexp.MustCompile(`<[^>]*>`)

// textOf is what a person reads on a page.
func textOf(t *testing.T, d console.Deps, path string) string {
	t.Helper()
	body := tags.ReplaceAllString(serve(t, d, path).Body.String(), " ")
	return strings.Join(strings.Fields(html.UnescapeString(body)), " ")
}

// The page must not say more than Sluice knows.
func TestThePageSaysOnlyWhatIsKnown(t *testing.T) {
	now := time.Now()
	gap := func(s *pipeline.Status) { s.Reader.Gaps, s.Reader.LastGap = 1, now }
	alarm := func(s *pipeline.Status) {
		gap(s)
		s.Ready, s.Troubles = false, []pipeline.Trouble{{Operation: pipeline.AfterGap, Since: now}}
	}
	catching := func(s *pipeline.Status) {
		s.CatchingUp, s.Unsettled = true, 400
		s.Reader = source.Progress{LastRead: now, CaughtUp: true, WalkDone: true}
	}
	expires := func(d time.Duration) func(*pipeline.Status) {
		return func(s *pipeline.Status) { s.Position.Expires = now.Add(d + 30*time.Second) }
	}
	clock := func(t time.Time) string { return t.UTC().Format("15:04 UTC") }
	letters := func(count int, err error, lanes ...pipeline.Status) console.Deps {
		d := deps(lanes...)
		d.DeadLetters = func(string) (int, error) { return count, err }
		return d
	}
	for _, tt := range []struct {
		name string
		deps console.Deps
		want []string
		not  []string
	}{
		{
			"a lane that never delivered is not spoken for", deps(unread("acme", "kafka"), with(caughtUp("acme", "siem"), expires(14*time.Minute))),
			[]string{"for another 14 min. For 1 lane it is unknown how long the log keeps its events.", "14 min not known for 1 lane"}, []string{"nothing is lost"},
		},
		{
			"all lanes delivered before", deps(with(broken("acme", "siem"), expires(14*time.Minute))),
			[]string{"for another 14 min: until then nothing is lost."}, []string{"unknown"},
		},
		{
			"a lane that listed and never delivered", deps(with(unread("acme", "siem"), func(s *pipeline.Status) {
				s.Read, s.Position.Awaits, s.Position.Expires = 1, now.Add(-time.Hour), now.Add(time.Hour+30*time.Second)
			})),
			[]string{"for another 1 h: until then nothing is lost."}, []string{"unknown"},
		},
		{
			"events wait in the queue although all was handed out", deps(with(caughtUp("acme", "siem"), catching)),
			[]string{"The lane catches up: 400 events to go.", "catching up", "Delivering, oldest first: 400 events to go."}, []string{"Every lane delivers", "Nothing is wrong"},
		},
		{
			"part of a walk waits", deps(with(caughtUp("acme", "siem"), func(s *pipeline.Status) {
				catching(s)
				s.Reader.WalkEvents, s.Reader.Handed = 1000, 900
			})),
			[]string{"500 events to go", "500 of 1,000 events"}, nil,
		},
		{
			"a catch-up after a gap", deps(with(caughtUp("acme", "siem"), func(s *pipeline.Status) { catching(s); s.Reader.Gaps = 1 })),
			[]string{"Missing: 1 gap in acme → siem (the sluice.gap event"}, []string{"Nothing is wrong"},
		},
		{
			"just after a gap", deps(with(caughtUp("acme", "siem"), alarm)),
			[]string{"Lanes ready 0 of 1", "/readyz says that its lane is not ready"}, []string{"been ready since"},
		},
		{
			"a gap of a lane that does not deliver", deps(with(broken("acme", "siem"), gap)),
			[]string{"Missing: 1 gap in acme → siem."}, []string{"sluice.gap event at the destination"},
		},
		{
			"a lane that is done", deps(with(caughtUp("acme", "siem"), func(s *pipeline.Status) {
				s.Done, s.Ready, s.Troubles = true, false, []pipeline.Trouble{{Operation: "not running"}}
			})),
			[]string{"Every lane has delivered all there was.", "1 done"}, []string{"not running"},
		},
		{
			"nothing was read", deps(unread("acme", "siem")),
			[]string{"Nothing was read yet, so nothing is known of gaps.", "Oldest lag not read yet", "Known to be missing not read yet", "Lag not read yet"}, []string{"no gap was found", "Lag 0 s"},
		},
		{
			"one of two was not read", deps(unread("acme", "siem"), caughtUp("acme", "kafka")),
			[]string{"no gap was found; 1 lane read nothing yet", "Known to be missing nothing 1 lane not read yet"}, nil,
		},
		{
			"it began with the oldest trouble", deps(with(broken("acme", "siem"), func(s *pipeline.Status) {
				s.Troubles = append(s.Troubles, pipeline.Trouble{Operation: "read", Since: now.Add(-3 * time.Minute)})
			})),
			[]string{"It began at " + clock(now.Add(-3*time.Minute))}, nil,
		},
		{
			"dead letters that cannot be counted", letters(0, errors.New("permission denied"), caughtUp("acme", "siem")),
			[]string{"Every lane delivers, but dead letters cannot be counted.", "Dead letters cannot be counted: permission denied."}, []string{"not counted here", "no dead letter"},
		},
		{"dead letters", letters(4, nil, caughtUp("acme", "siem")), []string{"Known to be missing 4 dead letters"}, nil},
		{
			"events that were not prepared", deps(with(caughtUp("acme", "siem"), func(s *pipeline.Status) { s.Unprepared = 3 })),
			[]string{"Every lane delivers, but 3 events unprepared.", "where or enrich failed"}, nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := textOf(t, tt.deps, "/")
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("the page does not say %q: %.1200s", want, got)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(got, not) {
					t.Errorf("the page says %q: %.1200s", not, got)
				}
			}
		})
	}
}

func TestASearchOfLanes(t *testing.T) {
	few := []pipeline.Status{caughtUp("acme", "siem"), broken("acme", "kafka"), caughtUp("org001", "f0")}
	many := append([]pipeline.Status{}, few...)
	for i := range 30 {
		s := caughtUp("other", fmt.Sprint("sink-", i))
		s.Done = true
		many = append(many, s)
	}
	for _, lanes := range [][]pipeline.Status{few, many} {
		for q, want := range map[string]string{
			"cannot+publish":      "acme/kafka",
			"org001+%E2%86%92+f0": "org001/f0",
			"not+ready":           "acme/kafka",
			"ready":               "acme/siem org001/f0",
			"Ready+acme":          "acme/siem",
			"connection":          "acme/kafka",
			"no+such+lane":        "",
		} {
			page := serve(t, deps(lanes...), "/?q="+q).Body.String()
			var got []string
			for _, s := range lanes {
				if strings.Contains(page, `id="lane/`+s.Lane+`"`) {
					got = append(got, s.Lane)
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%d lanes, search %q finds %v, want %q", len(lanes), q, got, want)
			}
			if says := strings.Contains(page, "No lane matches"); says != (want == "") {
				t.Errorf("%d lanes, search %q: it says that no lane matches: %t", len(lanes), q, says)
			}
		}
	}
}

// Many lanes have no picture, so the budget of a source stands above its lanes.
func TestTheBudgetOfASourceStandsAboveItsLanes(t *testing.T) {
	d := deps(many(40)(time.Now())...)
	d.Sources = func() map[string]source.Usage {
		return map[string]source.Usage{"acme-01": {Answers: map[string]uint64{"200": 7, "429": 3}, BudgetLeft: 594}}
	}
	if got := textOf(t, d, "/"); !strings.Contains(got, "594 requests left; answers 3 × 429") {
		t.Errorf("the page does not say what is left: %.2000s", got)
	}
}

func TestTheActorOfAnEventThatCannotBeDecodedIsUnknown(t *testing.T) {
	catalogue, err := transform.ParseCatalogue(planetscale.Type().Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	a := console.NewActivity(1 << 20)
	now := time.Now()
	a.Observer("acme", catalogue)([]source.Event{
		{ID: "sha256:1", Time: now, Read: now, Action: "organization.deleted", Problem: "actor: not an object", Raw: []byte("{}")},
	}, true)
	kept := a.Recent("", "", 1)
	if len(kept) != 1 || kept[0].Actor != "unknown" {
		t.Fatalf("got %+v, want an unknown actor", kept)
	}
	if top := a.Top("", 8, now); len(top.Actors) != 0 || len(top.Actions) != 1 {
		t.Errorf("most frequent: %+v, want no actor and one action", top)
	}
	word := map[bool]string{true: "critical", false: "high"}[kept[0].Severity >= 9]
	if kept[0].Severity < 7 || len(a.Recent("", word, 1)) != 1 {
		t.Errorf("the filter does not find severity %d by the word %s", kept[0].Severity, word)
	}
}
