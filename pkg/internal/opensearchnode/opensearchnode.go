// Package opensearchnode runs a real OpenSearch node for a test, from its published jars,
// as .ci/opensearch/opensearch starts it. What a test then asks of the node is its own
// affair.
package opensearchnode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/counterpart"
	"github.com/sluice-siem/sluice/pkg/internal/freeport"
)

// Node is a node on the loopback interface, without a password.
type Node struct {
	URL     string
	dir     string
	port    int
	process *os.Process
}

// Start starts a node without data, and returns its URL; see Run.
func Start(tb testing.TB) string {
	tb.Helper()
	return Run(tb).URL
}

// Run starts a node without data, and kills it at the end of the test.
func Run(tb testing.TB) *Node {
	tb.Helper()
	port, err := freeport.Loopback()
	if err != nil {
		tb.Fatal(err)
	}
	n := &Node{URL: fmt.Sprintf("http://127.0.0.1:%d", port), dir: tb.TempDir(), port: port}
	n.start(tb)
	tb.Cleanup(func() { n.kill(tb) })
	return n
}

func (n *Node) start(tb testing.TB) {
	tb.Helper()
	process, err := counterpart.Start("opensearch", n.dir, fmt.Sprint(n.port))
	if err != nil {
		tb.Fatal(err)
	}
	n.process = process
}

// kill also waits: a node that still writes would keep its directory from being removed, and
// one that still runs would keep the port.
func (n *Node) kill(tb testing.TB) {
	tb.Helper()
	if err := errors.Join(n.process.Kill(), counterpart.Await(context.Background(), n.process)); err != nil {
		tb.Errorf("killing the OpenSearch node: %v", err)
	}
}

// Restart kills the node (SIGKILL) and starts it again with its data.
func (n *Node) Restart(tb testing.TB) {
	tb.Helper()
	n.kill(tb)
	n.start(tb)
}
