// Package opensearchnode runs a real OpenSearch node for a test, from its published jars,
// as .ci/opensearch/opensearch starts it. What a test then asks of the node is its own
// affair.
package opensearchnode

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/counterpart"
	"github.com/sluice-siem/sluice/pkg/internal/freeport"
)

// Start starts a node without data and without a password on the loopback interface,
// kills it at the end of the test, and returns its URL.
func Start(tb testing.TB) string {
	tb.Helper()
	port, err := freeport.Loopback()
	if err != nil {
		tb.Fatal(err)
	}
	node, err := counterpart.Start("opensearch", tb.TempDir(), fmt.Sprint(port))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		// A node that still writes would keep its directory from being removed.
		if err := errors.Join(node.Kill(), counterpart.Await(context.Background(), node)); err != nil {
			tb.Errorf("killing the OpenSearch node: %v", err)
		}
	})
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}
