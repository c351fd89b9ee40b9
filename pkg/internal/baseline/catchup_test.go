package baseline

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// figures gathers what rounds of a comparison showed.
type figures map[string][]float64

func (f figures) add(name string, value float64) { f[name] = append(f[name], value) }

// cost adds what a process used for so many events.
func (f figures) cost(name string, c cost, events int) {
	f.add(name+"-events/s", float64(events)/c.wall.Seconds())
	f.add(name+"-cpu-µs/event", float64(c.cpu.Microseconds())/float64(events))
}

func (f figures) report(b *testing.B) {
	for name, values := range f {
		b.ReportMetric(median(values), name)
	}
	b.ReportMetric(0, "ns/op") // the sum of both has no meaning
}

// catchUp lets the script and Sluice read a log in turn, and adds the figures of a
// round.
func catchUp(t testing.TB, to figures, binary, url string, events int) {
	theirs, ours := measure(t, script, url), measure(t, sluice(binary, toFile(os.DevNull)), url)
	to.cost("script", theirs, events)
	to.cost("sluice", ours, events)
	to.add("script-MiB", float64(theirs.rss)/(1<<20))
	to.add("sluice-MiB", float64(ours.rss)/(1<<20))
	to.add("times-throughput", float64(theirs.wall)/float64(ours.wall))
	to.add("times-less-cpu", float64(theirs.cpu)/float64(ours.cpu))
}

const catchUpEvents = 200_000

// BenchmarkCatchUp delivers 200,000 events as ECS to /dev/null, from a simulator in
// another process over HTTP on loopback. Each iteration runs the script once and Sluice
// once. The figures are medians.
func BenchmarkCatchUp(b *testing.B) {
	binary := build(b)
	url := simulate(b, binary, catchUpEvents, "--tame")
	measure(b, skim, url) // The simulator renders its pages.
	shown := figures{}
	for b.Loop() {
		catchUp(b, shown, binary, url, catchUpEvents)
	}
	shown.report(b)
}

const (
	latencyEvents = 20_000
	latency       = "20ms" // of each page
)

// BenchmarkLatency walks a log of 200 pages that each take 20 ms: once with Skim, and
// once with Sluice.
func BenchmarkLatency(b *testing.B) {
	binary := build(b)
	url := simulate(b, binary, latencyEvents, "--tame", "--latency", latency)
	shown := figures{}
	for b.Loop() {
		walks(b, shown, binary, url)
	}
	shown.report(b)
}

// walks adds the figures of one Skim and of one walk by Sluice without its forward pass.
// Sluice's walk ends when the first record arrives.
func walks(t testing.TB, to figures, binary, url string) {
	fetching := measure(t, skim, url)
	walk, whole := walkOf(t, binary, url)
	to.add("fetching-s", fetching.wall.Seconds())
	to.add("walk-s", walk.Seconds())
	to.add("forward-s", (whole - walk).Seconds())
	to.add("walk/fetching", walk.Seconds()/fetching.wall.Seconds())
}

// walkOf runs Sluice into a pipe and returns how long it took until the first
// record came, and until it ended.
func walkOf(t testing.TB, binary, url string) (walk, whole time.Duration) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	// The pipe is also open for writing, so it neither waits for a writer nor ends with
	// it.
	records, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan time.Time, 1)
	ended := make(chan error, 1)
	go func() {
		_, err := records.Read(make([]byte, 1))
		first <- time.Now()
		if err == nil {
			_, err = io.Copy(io.Discard, records)
		}
		ended <- err
	}()
	began := time.Now()
	whole = measure(t, sluice(binary, toFile(pipe)), url).wall
	walk = (<-first).Sub(began)
	if err := records.Close(); err != nil {
		t.Fatal(err)
	}
	<-ended // with the error of a file that was closed
	return walk, whole
}
