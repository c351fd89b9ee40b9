package simulator_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// A server refuses its second request and is well again.
func Example() {
	api := simulator.New(simulator.Config{Events: 1_000})
	api.Script(func(r simulator.Request) simulator.Fault {
		if r.N == 2 {
			return simulator.Fault{Status: http.StatusServiceUnavailable}
		}
		return simulator.Fault{}
	})
	server := httptest.NewServer(api)
	defer server.Close()

	for range 3 {
		r, err := http.NewRequest(http.MethodGet, server.URL+"/v1/organizations/acme/audit-log", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		r.Header.Set("Authorization", "id:token")
		answer := send(server.Client(), r)
		fmt.Println(answer.status, answer.err)
	}
	// Output:
	// 200 <nil>
	// 503 <nil>
	// 200 <nil>
}
