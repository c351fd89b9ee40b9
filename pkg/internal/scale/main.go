// Command scale measures what many lanes cost in one process: first while they catch
// up, and then while they are idle.
//
//	go run ./pkg/internal/scale -sources 1000
//
// It serves one simulated log for each source, and receivers for the sinks, from its own
// process. It builds sluice, runs it against them with a generated configuration, and
// waits until all lanes have caught up. Then it reports every interval what the kernel
// counts for the process of sluice (proc(5)), and what /metrics and /readyz cost. With
// -rate it measures once more, while the logs grow, and reports how late records are. It
// ends everything that it started.
//
// It needs Linux. Each source needs about four descriptors in either process.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var s scale
	flag.IntVar(&s.sources, "sources", 100, "number of sources")
	sinks := flag.String("sinks", "file,splunk_hec,syslog", "the sinks, separated by commas: file, splunk_hec, syslog, kafka, down (a syslog server that does not answer); one may come twice")
	flag.IntVar(&s.events, "events", 1000, "events in each log at the start")
	flag.DurationVar(&s.spacing, "spacing", time.Second, "mean time between those events")
	flag.Float64Var(&s.rate, "rate", 0, "events appended to each log in a second, in a second measurement after the idle one")
	flag.StringVar(&s.brokers, "brokers", "", "address of a Kafka broker for sinks of type kafka, which write to the topic audit")
	flag.StringVar(&s.binary, "binary", "", "the sluice to measure; default: the one of this module")
	flag.DurationVar(&s.lasts, "for", 6*time.Minute, "how long to measure")
	flag.DurationVar(&s.every, "every", 30*time.Second, "interval between two reports")
	flag.Parse()
	s.sinks = strings.Split(*sinks, ",")
	if _, err := s.run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "scale: error:", err)
		os.Exit(1)
	}
}

// scale is one measurement.
type scale struct {
	sources, events int
	spacing         time.Duration
	rate            float64
	sinks           []string
	binary, brokers string
	lasts, every    time.Duration
}

func (s *scale) lanes() int { return s.sources * len(s.sinks) }

// run returns the last figures.
func (s *scale) run(ctx context.Context, out io.Writer) (last figures, err error) {
	for _, kind := range s.sinks {
		if sinks[kind] == nil {
			return last, fmt.Errorf("-sinks: %q is not one of %s", kind, strings.Join(slices.Sorted(maps.Keys(sinks)), ", "))
		}
	}
	dir, err := os.MkdirTemp("", "sluice-scale-")
	if err != nil {
		return last, err
	}
	defer os.RemoveAll(dir)
	if s.binary == "" {
		if s.binary, err = build(ctx, dir); err != nil {
			return last, err
		}
	}
	servers, err := s.serve()
	if err != nil {
		return last, err
	}
	defer servers.close()
	p, err := s.start(ctx, dir, servers)
	if err != nil {
		return last, err
	}
	defer p.end()
	fmt.Fprintf(out, "%d lanes: %d sources with %d events each, sinks %s\n", s.lanes(), s.sources, s.events, strings.Join(s.sinks, ", "))
	if err := p.catchUp(ctx, s.lanes()); err != nil {
		return last, err
	}
	fmt.Fprintf(out, "all lanes caught up after %s\n", time.Since(p.started).Round(100*time.Millisecond))
	if last, err = s.report(ctx, out, p); err != nil || s.rate == 0 {
		return last, err
	}
	fmt.Fprintf(out, "now each log grows by %g events in a second\n", s.rate)
	stop := s.measureDelays(ctx, dir, servers)
	last, err = s.report(ctx, out, p)
	if failed := stop(); err == nil {
		err = failed
	}
	fmt.Fprintln(out, servers.delays.report())
	return last, err
}

// measureDelays appends events and measures until the returned function is called.
func (s *scale) measureDelays(ctx context.Context, dir string, v *servers) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	v.measuring.Store(true)
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { return v.delays.watchFiles(ctx, s.files(dir)) })
	running.Go(func() error { v.delays.appendTo(ctx, v, s.rate); return nil })
	return func() error { cancel(); return running.Wait() }
}

// report prints a line for the catch-up and one for each interval after it.
func (s *scale) report(ctx context.Context, out io.Writer, p *process) (figures, error) {
	fmt.Fprintln(out, "   idle   resident       peak      heap   cpu/s/lane  goroutines/lane  descriptors  /metrics    /readyz")
	ticks := time.NewTicker(s.every)
	defer ticks.Stop()
	before, began := figures{at: p.started}, time.Now()
	for {
		now, err := p.figures()
		if err != nil {
			return now, err
		}
		fmt.Fprintf(out, "%7s %6.0f MiB %6.0f MiB %5.0f MiB %9.3f ms %16.2f %12d %7d ms %7d ms\n",
			now.at.Sub(began).Round(time.Second), mib(now.resident), mib(now.peak), mib(now.heap),
			1000*(now.cpu-before.cpu).Seconds()/now.at.Sub(before.at).Seconds()/float64(s.lanes()),
			float64(now.goroutines)/float64(s.lanes()), now.descriptors, now.metrics.Milliseconds(), now.ready.Milliseconds())
		if now.at.Sub(began) >= s.lasts {
			fmt.Fprintf(out, "answers of the API: %s\n", now.answers)
			return now, nil
		}
		before = now
		select {
		case <-ticks.C:
		case <-p.ended:
			return now, p.failure()
		case <-ctx.Done():
			return now, nil
		}
	}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
