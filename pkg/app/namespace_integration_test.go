//go:build integration

package app_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// dropPackets makes the firewall of this network namespace drop the packets of a
// process's connections to these ports, in both directions. There must be a connection to
// each port.
func dropPackets(t *testing.T, pid int, ports []int) {
	t.Helper()
	var dead []string
	var met []int
	for _, c := range connections(t, pid) {
		if slices.Contains(ports, c.far) {
			dead = append(dead, fmt.Sprintf("%d . %d", c.near, c.far))
			met = append(met, c.far)
		}
	}
	for _, port := range ports {
		if !slices.Contains(met, port) {
			t.Fatalf("the process has no connection to port %d", port)
		}
	}
	rules := fmt.Sprintf(`table inet dead {
	set connections {
		type inet_service . inet_service
		elements = { %s }
	}
	chain in {
		type filter hook input priority 0
		tcp sport . tcp dport @connections drop
		tcp dport . tcp sport @connections drop
	}
}
`, strings.Join(dead, ", "))
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
}

// connection is an established connection over IPv4, by the ports of its two sides.
type connection struct{ near, far int }

// connections returns the connections in the kernel's table (see proc_pid_net(5)) that
// the process has open.
func connections(t *testing.T, pid int) (all []connection) {
	t.Helper()
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	if err != nil {
		t.Fatal(err)
	}
	sockets := sockets(t, pid)
	const remote, state, inode = 2, 3, 9
	lines := bufio.NewScanner(bytes.NewReader(table))
	lines.Scan() // the header of the table
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if f[state] == "01" && slices.Contains(sockets, f[inode]) {
			all = append(all, connection{port(t, f[1]), port(t, f[remote])})
		}
	}
	return all
}

func port(t *testing.T, address string) int {
	t.Helper()
	_, hex, _ := strings.Cut(address, ":")
	n, err := strconv.ParseUint(hex, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// sockets returns the inodes of the sockets that a process has open.
func sockets(t *testing.T, pid int) (inodes []string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		target, err := os.Readlink(dir + f.Name())
		if os.IsNotExist(err) {
			continue // The file was closed meanwhile.
		}
		if err != nil {
			t.Fatal(err)
		}
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			inodes = append(inodes, strings.TrimSuffix(inode, "]"))
		}
	}
	return inodes
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// advertised is a listener that reports another address than its own.
type advertised struct {
	net.Listener
	address net.Addr
}

func (a advertised) Addr() net.Addr { return a.address }

// addKafka adds a cluster for one way to deliver, so each way has its own connections.
func (p *peers) addKafka(t *testing.T, delivery string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var taken topic
	near := p.behind(t, "kafka "+delivery, listener.Addr().String(), p.steady, taken.holds)
	told := advertised{listener, p.list[len(p.list)-1].relay.listener.Addr()}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "audit"),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return told, nil }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	taken.follow(t, listener.Addr().String())
	p.sink(strings.ReplaceAll(delivery, "_", "-"), "kafka", "steady", fmt.Sprintf("brokers: [%q], topic: audit, delivery: %s", near, delivery))
}

// topic returns the committed records in the topic audit.
type topic struct {
	mu   sync.Mutex
	text strings.Builder
}

func (k *topic) holds(id string) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Contains(k.text.String(), id), nil
}

// follow consumes from a broker past the relay.
func (k *topic) follow(t *testing.T, broker string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics("audit"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, broker)
		}))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			fetches := client.PollFetches(context.Background())
			if fetches.IsClientClosed() {
				return
			}
			k.mu.Lock()
			fetches.EachRecord(func(r *kgo.Record) { k.text.Write(r.Value) })
			k.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		client.Close()
		<-done
	})
}
