package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/internal/freeport"
)

func build(ctx context.Context, dir string) (binary string, err error) {
	binary = filepath.Join(dir, "sluice")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/sluice-siem/sluice/cmd/sluice").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// process is sluice as it runs.
type process struct {
	cmd     *exec.Cmd
	log     string // path
	admin   string // URL
	started time.Time
	ended   chan struct{}
}

// start writes the configuration and runs sluice.
func (s *scale) start(ctx context.Context, dir string, v *servers) (*process, error) {
	port, err := freeport.Loopback()
	if err != nil {
		return nil, err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	config := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(config, s.configuration(dir, listen, v), 0o600); err != nil {
		return nil, err
	}
	p := &process{log: filepath.Join(dir, "log"), admin: "http://" + listen, started: time.Now(), ended: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.CommandContext(ctx, s.binary, "run", "-c", config)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 20 * time.Second
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // failure reads what it said
		close(p.ended)
	}()
	return p, nil
}

// configuration has a source for each log and a sink for each of the types. Each source
// has a credential of its own, and so a request budget of its own.
func (s *scale) configuration(dir, listen string, v *servers) []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "admin: {listen: %q}\nstate: {settings: {dir: %q}}\nsources:\n", listen, filepath.Join(dir, "state"))
	for i := range s.sources {
		fmt.Fprintf(&text, "  - {name: %[1]s, type: planetscale, settings: {organization: %[1]s, access_token: token-%[1]s, url: %[2]q}}\n", organization(i), v.apiURL)
	}
	fmt.Fprintln(&text, "sinks:")
	for i, kind := range s.sinks {
		fmt.Fprintf(&text, "  - {name: %s-%d, own_events: false, %s}\n", kind, i, sinks[kind](s, dir, i, v))
	}
	return text.Bytes()
}

// file is the path of a file sink.
func file(dir, source string, i int) string {
	return filepath.Join(dir, fmt.Sprintf("%s-%d.ndjson", source, i))
}

// files are the paths of all file sinks.
func (s *scale) files(dir string) (paths []string) {
	for i, kind := range s.sinks {
		for source := range s.sources {
			if kind == "file" {
				paths = append(paths, file(dir, organization(source), i))
			}
		}
	}
	return paths
}

// down is a sink whose destination does not answer.
const down = "down"

// sinks are the type and settings of a sink, by its name in -sinks.
var sinks = map[string]func(s *scale, dir string, i int, v *servers) string{
	"file": func(_ *scale, dir string, i int, _ *servers) string {
		return fmt.Sprintf("type: file, format: raw, settings: {path: %q}", file(dir, "{source}", i))
	},
	"kafka": func(s *scale, _ string, _ int, _ *servers) string {
		return fmt.Sprintf("type: kafka, format: ecs, settings: {brokers: [%q], topic: audit}", s.brokers)
	},
	"splunk_hec": func(_ *scale, _ string, _ int, v *servers) string {
		return fmt.Sprintf("type: splunk_hec, format: ecs, settings: {url: %q, token: scale, ack: required}", v.hecURL)
	},
	"syslog": func(_ *scale, _ string, _ int, v *servers) string {
		return fmt.Sprintf("type: syslog, format: cef, settings: {address: \"tcp://%s\"}", v.syslog.Addr())
	},
	down: func(*scale, string, int, *servers) string {
		return `type: syslog, format: ecs, settings: {address: "tcp://127.0.0.1:1"}`
	},
}

// end ends the process and waits for it.
func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(p.cmd.WaitDelay):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// failure is the error of a process that ended by itself.
func (p *process) failure() error {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err
	}
	return fmt.Errorf("sluice ended: %s\n%s", p.cmd.ProcessState, text[max(0, len(text)-4<<10):])
}

// catchUp waits until every lane has delivered and nothing is known to wait. It does not
// wait for lanes whose sink is down.
func (p *process) catchUp(ctx context.Context, lanes int) error {
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	last := "/readyz did not answer"
	for {
		select {
		case <-ticks.C:
		case <-p.ended:
			return p.failure()
		case <-ctx.Done():
			return fmt.Errorf("waiting for lanes to catch up: %w; %s", ctx.Err(), last)
		}
		body, _, err := p.ask("/readyz")
		if err != nil {
			continue // it does not listen yet
		}
		var r admin.Readiness
		if err := json.Unmarshal(body, &r); err != nil {
			return fmt.Errorf("/readyz: %w", err)
		}
		done := 0
		for _, l := range r.Lanes {
			if strings.Contains(l.Lane, "/"+down) {
				done++
			} else if l.Ready && !l.CatchingUp && l.LastPublish != nil {
				done++
			} else {
				last = fmt.Sprintf("%s has not: ready %t, catching up %t, delivered %t; %s", l.Lane, l.Ready, l.CatchingUp, l.LastPublish != nil, l.Reason)
			}
		}
		if done == lanes {
			return nil
		}
		last = fmt.Sprintf("%d of %d have, %s", done, lanes, last)
	}
}

// ask requests a path of the admin server, and returns how long that took.
func (p *process) ask(path string) ([]byte, time.Duration, error) {
	began := time.Now()
	answer, err := http.Get(p.admin + path)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return body, time.Since(began), err
}

// figures are what the process takes at one moment.
type figures struct {
	at                   time.Time
	cpu                  time.Duration // since the start
	resident, peak, heap int64         // bytes
	goroutines           int
	descriptors          int
	metrics, ready       time.Duration // of a request
	answers              string        // how many, by status
}

func (p *process) figures() (figures, error) {
	f := figures{at: time.Now()}
	dir := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return f, err
	}
	// The name of the command, in parentheses, may contain anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, ticks := range fields[11:13] { // utime and stime, in USER_HZ
		n, err := strconv.ParseInt(ticks, 10, 64)
		if err != nil {
			return f, err
		}
		f.cpu += time.Duration(n) * time.Second / 100
	}
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return f, err
	}
	f.resident, f.peak = value(status, "VmRSS:")<<10, value(status, "VmHWM:")<<10
	open, err := os.ReadDir(dir + "fd")
	if err != nil {
		return f, err
	}
	f.descriptors = len(open)
	if _, f.ready, err = p.ask("/readyz"); err != nil {
		return f, err
	}
	metrics, took, err := p.ask("/metrics")
	f.metrics = took
	f.goroutines, f.heap = int(value(metrics, "go_goroutines")), value(metrics, "go_memstats_heap_alloc_bytes")
	f.answers = answers(metrics)
	return f, err
}

var answerLine = regexp.MustCompile(`(?m)^sluice_api_answers_total\{.*status="([^"]*)".*\} (\d+)`)

// answers sums up over all sources.
func answers(metrics []byte) string {
	sums := map[string]int{}
	for _, match := range answerLine.FindAllSubmatch(metrics, -1) {
		n, _ := strconv.Atoi(string(match[2]))
		sums[string(match[1])] += n
	}
	return strings.TrimPrefix(fmt.Sprint(sums), "map")
}

// value is the number after a name at the start of a line; 0 if there is none.
func value(text []byte, name string) int64 {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == name {
			n, _ := strconv.ParseFloat(fields[1], 64)
			return int64(n)
		}
	}
	return 0
}
