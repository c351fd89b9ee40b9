package console

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// flow is the picture of sources, lanes and sinks.
type flow struct {
	Sources []flowSource
	Sinks   []flowSink
	Curves  []curve
	Height  int // of the picture
}

type flowSource struct {
	Name  string
	State state // of its worst lane
	Lanes int
	usage
}

// usage is what a source's API still allows and how it answered, for people.
type usage struct {
	Left     string // requests that may be sent at once; empty if there is no limit
	Troubled string // answers that were none
}

func usageOf(u source.Usage) usage {
	of := usage{Troubled: troubled(u.Answers)}
	if left := u.BudgetLeft; !math.IsInf(left, 0) && len(u.Answers) > 0 {
		of.Left = several(int(left), "request", "requests") + " left"
	}
	return of
}

type flowSink struct {
	Name, Format, Target string
	State                state // of its worst lane
	Lanes                int
}

// curve is a lane: from the middle of a source to the middle of a sink.
type curve struct {
	Path, Class string
	Width       int // 1 to 4
}

// flowRow is the height of a source or sink, with the space below it.
const flowRow = 68

// flowFragment is empty if there are too many lanes for a picture.
func flowFragment(s *snapshot) fragment {
	f := fragment{id: "flow", template: "flow"}
	if len(s.Lanes) > 0 && len(s.Lanes) <= fewLanes {
		f.data = flowOf(s)
	}
	return f
}

func flowOf(s *snapshot) *flow {
	f := &flow{}
	for _, l := range s.Lanes {
		f.source(l, s.Sources[l.Source])
		f.sink(l)
	}
	slices.SortFunc(f.Sources, func(a, b flowSource) int { return cmp.Compare(a.Name, b.Name) })
	f.sortSinks(s)
	rows := max(len(f.Sources), len(f.Sinks))
	f.Height = rows * flowRow
	middle := func(i, n int) int { return (rows-n)*flowRow/2 + i*flowRow + flowRow/2 }
	for _, l := range slices.Backward(s.Lanes) { // the worst is on top
		from := middle(slices.IndexFunc(f.Sources, func(x flowSource) bool { return x.Name == l.Source }), len(f.Sources))
		to := middle(slices.IndexFunc(f.Sinks, func(x flowSink) bool { return x.Name == l.Sink }), len(f.Sinks))
		f.Curves = append(f.Curves, curve{
			Path:  fmt.Sprintf("M0 %dC50 %d 50 %d 100 %d", from, from, to, to),
			Class: l.State.Class(),
			Width: min(1+int(math.Log10(1+l.Rate*60)), 4),
		})
	}
	return f
}

// sortSinks puts each sink opposite its sources, so that few curves cross.
func (f *flow) sortSinks(s *snapshot) {
	place := map[string]float64{}
	for i, src := range f.Sources {
		for _, l := range s.Lanes {
			if l.Source == src.Name {
				place[l.Sink] += float64(i)
			}
		}
	}
	slices.SortFunc(f.Sinks, func(a, b flowSink) int {
		return cmp.Or(cmp.Compare(place[a.Name]/float64(a.Lanes), place[b.Name]/float64(b.Lanes)), cmp.Compare(a.Name, b.Name))
	})
}

func (f *flow) source(l laneView, used source.Usage) {
	i := slices.IndexFunc(f.Sources, func(x flowSource) bool { return x.Name == l.Source })
	if i < 0 {
		i = len(f.Sources)
		f.Sources = append(f.Sources, flowSource{Name: l.Source, State: l.State, usage: usageOf(used)})
	}
	f.Sources[i].State = min(f.Sources[i].State, l.State)
	f.Sources[i].Lanes++
}

// troubled counts the answers of a source's API that were no success.
func troubled(answers map[string]uint64) string {
	var parts []string
	for status, n := range answers {
		if n > 0 && !strings.HasPrefix(status, "2") {
			parts = append(parts, digits(n)+" × "+status)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func (f *flow) sink(l laneView) {
	i := slices.IndexFunc(f.Sinks, func(x flowSink) bool { return x.Name == l.Sink })
	if i < 0 {
		i = len(f.Sinks)
		f.Sinks = append(f.Sinks, flowSink{Name: l.Sink, Format: l.Format, Target: l.Target, State: l.State})
	}
	f.Sinks[i].State = min(f.Sinks[i].State, l.State)
	f.Sinks[i].Lanes++
}

// Past reports whether a time has come.
func (l laneView) Past(t time.Time) bool { return !t.After(l.Now) }
