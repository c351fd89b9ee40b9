//go:build integration

package app_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/rsyslogd"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

const (
	// inside names the fault, for the process that runs in a network namespace.
	inside = "SLUICE_TEST_DEAD_PEER"
	// noticed is the longest time until events flow again.
	noticed = 90 * time.Second
	// unacknowledged is the same for a client that lets the kernel end a connection after
	// half a minute without acknowledgements. Otherwise the client waits for
	// publish_timeout, a minute.
	unacknowledged = 45 * time.Second
)

// deaths are the ways in which a connection dies silently. New connections work.
var deaths = []struct {
	name string
	kill func(*testing.T, *peers)
	all  bool // all clients notice it; otherwise only those whose protocol has answers
}{
	{"packets dropped", func(t *testing.T, p *peers) { dropPackets(t, p.process.Pid, p.ports()) }, true},
	{"lost behind a relay", func(_ *testing.T, p *peers) { p.lose() }, false},
}

// Every client notices a dead connection within a bounded time and opens a new one. The
// test runs in its own network namespaces. There a firewall drops the packets of open
// connections, or a relay accepts all bytes, so that the kernel gets its
// acknowledgements, and forwards none. With the relay, what goes to syslog over plain TCP
// or TLS is lost, since nothing in these protocols informs the sender.
func TestDeadPeerIsNoticed(t *testing.T) {
	if name := os.Getenv(inside); name != "" {
		inNamespace(t, name)
		return
	}
	t.Parallel()
	for _, death := range deaths {
		t.Run(death.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestDeadPeerIsNoticed$", "-test.timeout=4m")
			cmd.Env = append(os.Environ(), inside+"="+death.name)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("in a network namespace, which only root can create: %v\n%s", err, out)
			}
			for line := range strings.Lines(string(out)) {
				if strings.HasPrefix(line, "dead peer, ") {
					t.Log(strings.TrimSpace(line))
				}
			}
		})
	}
}

func inNamespace(t *testing.T, name string) {
	command(t, "ip", "link", "set", "lo", "up")
	at := slices.IndexFunc(deaths, func(d struct {
		name string
		kill func(*testing.T, *peers)
		all  bool
	}) bool {
		return d.name == name
	})
	death := deaths[at]
	p := newPeers(t, death.all)
	p.start(t)
	p.deliver(t, time.Minute) // All connections are opened,
	p.deliver(t, time.Minute) // and were used a moment ago.
	death.kill(t, p)
	var said []string
	for _, r := range p.deliver(t, noticed) {
		said = append(said, fmt.Sprintf("%s %.0f s", r.name, r.after.Seconds()))
		if r.after < 2*time.Second {
			t.Errorf("%s continued after %s, so its connection was not dead", r.name, r.after)
		}
		if r.soon && r.after > unacknowledged {
			t.Errorf("%s went on after %s, want %s at most", r.name, r.after, unacknowledged)
		}
	}
	fmt.Printf("dead peer, %s: events flow again after: %s\n", name, strings.Join(said, ", "))
}

// peer is a server from which a lane reads, or to which it delivers, over a connection
// that dies.
type peer struct {
	name  string
	relay *proxy
	api   *simulator.Server // the API whose events should arrive
	holds func(id string) (bool, error)
	soon  bool          // within unacknowledged
	after time.Duration // time until the event arrived; 0 if it has not
}

// peers is the counterparts of a process that has a lane for each client.
type peers struct {
	dir     string
	steady  *simulator.Server // the source of the lanes whose sinks are tested
	list    []*peer
	sources strings.Builder
	sinks   strings.Builder
	process *os.Process
	stderr  bytes.Buffer
}

func newPeers(t *testing.T, all bool) *peers {
	p := &peers{dir: t.TempDir(), steady: simulator.New(simulator.Config{Seed: 1})}
	server := httptest.NewServer(p.steady)
	t.Cleanup(server.Close)
	p.source("steady", server.URL, "")
	p.addAPI(t, "http2", true)
	p.addAPI(t, "http1", false)
	p.addHEC(t)
	p.addKafka(t, "exactly_once")
	p.addKafka(t, "at_least_once")
	p.addSyslog(t, all)
	return p
}

func (p *peers) path(name string) string { return filepath.Join(p.dir, name) }

func (p *peers) source(name, url, ca string) {
	fmt.Fprintf(&p.sources, "  - name: %s\n    type: planetscale\n    settings: {organization: acme, access_token: token-%[1]s, url: %q, poll_interval: 500ms, requests_per_minute: 0", name, url)
	if ca != "" {
		fmt.Fprintf(&p.sources, ", tls: {ca_file: %s}", ca)
	}
	fmt.Fprintln(&p.sources, "}")
}

func (p *peers) sink(name, kind, source, settings string) {
	fmt.Fprintf(&p.sinks, "  - {name: %s, type: %s, own_events: false, format: ecs, sources: [%s], settings: {%s}}\n", name, kind, source, settings)
}

// behind puts a relay before an address. holds returns what the peer has received.
func (p *peers) behind(t *testing.T, name, address string, api *simulator.Server, holds func(string) (bool, error)) (near string) {
	t.Helper()
	relay := startProxy(t, address)
	p.list = append(p.list, &peer{name: name, relay: relay, api: api, holds: holds})
	return relay.listener.Addr().String()
}

// addAPI adds an API over TLS. Its events go to a file.
func (p *peers) addAPI(t *testing.T, name string, http2 bool) {
	t.Helper()
	api, file, ca := simulator.New(simulator.Config{Seed: 1}), p.path(name+".ndjson"), p.path(name+".pem")
	server := httptest.NewUnstartedServer(api)
	server.EnableHTTP2 = http2
	server.Config.ConnState = func(net.Conn, http.ConnState) {} // httptest's own function waits until connections are idle.
	server.StartTLS()
	t.Cleanup(server.CloseClientConnections)
	write(t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	near := p.behind(t, "planetscale over "+name, server.Listener.Addr().String(), api, func(id string) (bool, error) {
		data, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			return false, nil
		}
		return bytes.Contains(data, []byte(id)), err
	})
	p.source(name, "https://"+near, ca)
	p.sink(name, "file", name, "path: "+file)
}

func (p *peers) addHEC(t *testing.T) {
	t.Helper()
	hec := hectest.NewServer(hectest.Config{Token: hecToken, Ack: true})
	server := httptest.NewServer(hec)
	t.Cleanup(server.CloseClientConnections)
	near := p.behind(t, "splunk_hec", server.Listener.Addr().String(), p.steady, func(id string) (bool, error) {
		return slices.ContainsFunc(hec.Events(), func(e hectest.Event) bool { return idOf(e) == id }), nil
	})
	p.sink("hec", "splunk_hec", "steady", fmt.Sprintf("url: \"http://%s\", token: %s, ack: required", near, hecToken))
}

// addSyslog adds rsyslog over every transport, or only over those whose receiver answers.
func (p *peers) addSyslog(t *testing.T, all bool) {
	t.Helper()
	d := rsyslogd.Start(t, rsyslogd.Config{Direct: true})
	for _, by := range []struct {
		scheme, address string
		answers         bool
	}{{"tcp", d.TCP, false}, {"tls", d.TLS, false}, {"relp", d.RELP, true}, {"relp+tls", d.RELPTLS, true}} {
		if !all && !by.answers {
			continue
		}
		app := strings.ReplaceAll(by.scheme, "+", "-")
		near := p.behind(t, "syslog over "+by.scheme, by.address, p.steady, func(id string) (bool, error) {
			messages, err := d.Messages()
			return slices.ContainsFunc(messages, func(m rsyslogd.Message) bool { return m.App == app && strings.Contains(m.Text, id) }), err
		})
		p.list[len(p.list)-1].soon = all // Behind a relay, the kernel gets its acknowledgements.
		settings := fmt.Sprintf("address: %q, app_name: %s", by.scheme+"://"+near, app)
		if strings.Contains(by.scheme, "tls") {
			settings += fmt.Sprintf(", tls: {ca_file: %s}", d.CAFile)
		}
		p.sink(app, "syslog", "steady", settings)
	}
}

// start runs the process. The end of the test kills it.
func (p *peers) start(t *testing.T) {
	t.Helper()
	config := fmt.Sprintf("sources:\n%ssinks:\n%sstate: {settings: {dir: %s}}\nadmin: {listen: \"127.0.0.1:0\"}\n", &p.sources, &p.sinks, p.path("state"))
	write(t, p.path("sluice.yaml"), []byte(config))
	cmd := exec.Command("sluice", "run", "-c", p.path("sluice.yaml"))
	cmd.Stderr = &p.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.process = cmd.Process
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // It may have ended by itself; its output shows that.
		_ = cmd.Wait()
		if t.Failed() {
			fmt.Println(p.stderr.String())
		}
	})
}

// deliver appends an event to each log and waits until all peers hold theirs.
func (p *peers) deliver(t *testing.T, within time.Duration) []*peer {
	t.Helper()
	ids, began := map[*simulator.Server]string{}, time.Now()
	for _, r := range p.list {
		r.after = 0
		if ids[r.api] == "" {
			ids[r.api] = r.api.Append(1)[0]
		}
	}
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for missing := p.list; len(missing) > 0; <-look.C {
		if time.Since(began) > within {
			t.Fatalf("no event from %s within %s", strings.Join(names(missing), ", "), within)
		}
		missing = slices.DeleteFunc(slices.Clone(missing), func(r *peer) bool {
			there, err := r.holds(ids[r.api])
			if err != nil {
				t.Fatal(err)
			}
			if there {
				r.after = time.Since(began)
			}
			return there
		})
	}
	return p.list
}

func names(list []*peer) (all []string) {
	for _, r := range list {
		all = append(all, r.name)
	}
	return all
}

// lose makes the relays accept everything from their open connections and forward
// nothing.
func (p *peers) lose() {
	for _, r := range p.list {
		r.relay.lose()
	}
}

func (p *peers) ports() (list []int) {
	for _, r := range p.list {
		list = append(list, r.relay.listener.Addr().(*net.TCPAddr).Port)
	}
	return list
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
