// Package azurite runs Azurite, the emulator of Azure Blob Storage, for a test, as
// .ci/azurite/azurite starts it, of its own and on the loopback interface.
package azurite

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/counterpart"
	"github.com/sluice-siem/sluice/pkg/internal/freeport"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// Start starts a server with the container audit, ends it with the test, and returns its
// address.
func Start(tb testing.TB) (endpoint string) {
	tb.Helper()
	port, err := freeport.Loopback()
	if err != nil {
		tb.Fatal(err)
	}
	process, err := counterpart.Start("azurite", tb.TempDir(), strconv.Itoa(port))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := errors.Join(process.Kill(), counterpart.Await(context.Background(), process)); err != nil {
			tb.Errorf("killing Azurite: %v", err)
		}
	})
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}

// Key is that of the account which every Azurite has.
const Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

// Settings are those of a client of the server at an endpoint.
func Settings(endpoint string) objectstore.AzureSettings {
	return objectstore.AzureSettings{
		Account: "devstoreaccount1", Container: "audit", Prefix: "sluice", Endpoint: endpoint, PathStyle: true,
		AccountKey: setting.NewSecret(Key),
	}
}
