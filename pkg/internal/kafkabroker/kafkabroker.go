// Package kafkabroker runs a real Apache Kafka for a test, of its own and on the
// loopback interface: a broker from its published jars, as .ci/kafka/kafka starts
// it, or a cluster of three. A broker can be killed at any moment and started again
// with what it had written.
//
// A directory may hold what the script takes up: more.properties, server.pem and
// cluster.id.
// What a test then asks of the broker is its own affair.
package kafkabroker

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/counterpart"
	"github.com/sluice-siem/sluice/pkg/internal/freeport"
)

// Broker is a broker that runs, unless it was killed.
type Broker struct {
	Dir   string   // its data and its log
	Ports []string // plaintext, controller and, if there are four, TLS and SASL

	process *os.Process
}

// Start starts a broker in dir and ends it with the test.
func Start(t testing.TB, dir string, ports ...string) *Broker {
	t.Helper()
	b := &Broker{Dir: dir, Ports: ports}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Kill(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Start starts the broker again after Kill, and returns once it answers.
func (b *Broker) Start() error {
	var err error
	b.process, err = counterpart.Start("kafka", append([]string{b.Dir}, b.Ports...)...)
	return err
}

// Kill ends the broker with SIGKILL: what it wrote and the kernel took is there.
func (b *Broker) Kill() error {
	if err := b.process.Kill(); err != nil {
		return fmt.Errorf("killing broker: %w", err)
	}
	return nil
}

// Stop ends the broker as its operator does, with SIGTERM, and returns when the
// process is gone: it hands over what it leads before.
func (b *Broker) Stop(ctx context.Context) error {
	if err := b.process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping broker: %w", err)
	}
	if err := counterpart.Await(ctx, b.process); err != nil {
		return fmt.Errorf("stopping broker: %w", err)
	}
	return nil
}

// Address is that of the plaintext listener.
func (b *Broker) Address() string { return Loopback(b.Ports[0]) }

// Loopback is the address of a port.
func Loopback(port string) string { return net.JoinHostPort("127.0.0.1", port) }

// FreePorts returns ports for a broker.
func FreePorts(t testing.TB, n int) []string {
	t.Helper()
	ports := make([]string, n)
	for i := range ports {
		port, err := freeport.Loopback()
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = strconv.Itoa(port)
	}
	return ports
}

// Tool is one of Kafka's own commands, by the name of its class.
func Tool(ctx context.Context, class string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, counterpart.Script("kafka"), append([]string{"tool", class}, args...)...)
}
