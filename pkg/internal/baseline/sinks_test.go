package baseline

import (
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

var old = flag.String("old", "", "path of another build of sluice, to compare with")

// sinks are the settings of the sinks that are measured. Their destinations take
// everything and run in this process, so their cost does not count.
var sinks = []struct {
	name string
	sink func(t testing.TB) string
}{
	{"file", func(testing.TB) string { return toFile(os.DevNull) }},
	{"splunk_hec", toSplunk},
	{"kafka", toKafka},
}

func toSplunk(t testing.TB) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return // The client reports it.
		}
		_, _ = io.WriteString(w, `{"text":"Success","code":0}`)
	}))
	t.Cleanup(server.Close)
	return `{name: siem, type: splunk_hec, own_events: false, format: ecs, settings: {url: "` + server.URL + `", token: token}}`
}

func toKafka(t testing.TB) string {
	cluster, err := kfake.NewCluster(kfake.SeedTopics(6, "audit"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return `{name: siem, type: kafka, own_events: false, format: ecs, settings: {topic: audit, brokers: ["` + strings.Join(cluster.ListenAddrs(), `", "`) + `"]}}`
}

// BenchmarkSinks delivers 200,000 events as ECS into each sink. With -old it compares
// two builds, which take turns. The figures are medians.
func BenchmarkSinks(b *testing.B) {
	binary := build(b)
	url := simulate(b, binary, catchUpEvents, "--tame")
	measure(b, skim, url) // The simulator renders its pages.
	for _, s := range sinks {
		b.Run(s.name, func(b *testing.B) {
			shown := figures{}
			for b.Loop() {
				deliverInto(b, shown, binary, url, s.sink)
			}
			shown.report(b)
		})
	}
}

// deliverInto adds the figures of a catch-up into a sink, by this build and by the old
// one if there is one.
func deliverInto(t testing.TB, to figures, binary, url string, sink func(testing.TB) string) {
	ours := measure(t, sluice(binary, sink(t)), url)
	to.cost("new", ours, catchUpEvents)
	if *old == "" {
		return
	}
	theirs := measure(t, sluice(*old, sink(t)), url)
	to.cost("old", theirs, catchUpEvents)
	to.add("new/old-cpu", float64(ours.cpu)/float64(theirs.cpu))
	to.add("new/old-wall", float64(ours.wall)/float64(theirs.wall))
}

func toFile(path string) string {
	return `{name: siem, type: file, own_events: false, format: ecs, settings: {path: ` + strconv.Quote(path) + `}}`
}
