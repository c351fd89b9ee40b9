package app

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/internal/hostport"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

func (c *command) simulate() *cobra.Command {
	var config simulator.Config
	var organizations []string
	var listen, scenario string
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Serve an invented audit log as PlanetScale's API would",
		Long: `Serve an invented audit log as PlanetScale's API would, for trying out sluice.

Accepts any credentials unless some are given. Flags choose between behaviours
that the API leaves open. A scenario plays a fault that happens in the field.
With several organizations each has a log of its own.

To follow the log, give a source the key "url: http://127.0.0.1:8080".`,
		Example: `  sluice simulate --events 1000 --rate 1
  sluice simulate --scenario list
  sluice simulate --scenario late-events --organization acme
  sluice simulate --organization acme,globex`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if scenario == "list" {
				_, err := io.WriteString(c.stdout, scenarios())
				return err
			}
			logs := logsOf{}
			for _, name := range organizations {
				if err := planetscale.CheckOrganization(name); err != nil {
					return usageError{fmt.Errorf("--organization %q: %w", name, err), cmd.CommandPath()}
				}
				config.Organization = name
				server := simulator.New(config)
				if err := apply(server, scenario); err != nil {
					return usageError{err, cmd.CommandPath()}
				}
				logs[name] = server
				config.Seed++
			}
			return c.serve(cmd.Context(), listen, logs)
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:8080", "address to serve on")
	f.Uint64Var(&config.Seed, "seed", 0, "seed of the invented events")
	f.IntVar(&config.Events, "events", 1000, "events at the start")
	f.DurationVar(&config.Spacing, "spacing", time.Second, "mean time between the events at the start")
	f.Float64Var(&config.Rate, "rate", 1, "events appended each second")
	f.DurationVar(&config.Retention, "retention", 0, "how long events stay in the log; 0 means forever")
	f.DurationVar(&config.Latency, "latency", 0, "how long each answer takes")
	f.IntVar(&config.RequestsPerMinute, "requests-per-minute", 600, "answer 429 beyond this many requests; 0 means no limit")
	f.BoolVar(&config.Tame, "tame", false, "leave out hostile strings")
	f.StringSliceVar(&organizations, "organization", []string{"acme"}, "organizations to serve, with commas between them")
	f.StringVar(&config.ServiceTokenID, "service-token-id", "", "accepted id of a service token")
	f.StringVar(&config.ServiceToken, "service-token", "", "accepted service token")
	f.StringVar(&config.AccessToken, "access-token", "", "accepted access token")
	f.StringVar(&scenario, "scenario", "", "fault to play; \"list\" lists all")
	textFlag(cmd, &config.Order, "order", "order of the list: newest-first or oldest-first")
	textFlag(cmd, &config.SortKey, "sort-key", "what the list is sorted by: created-at or insertion")
	textFlag(cmd, &config.EndingBefore, "ending-before", "page that ending_before selects: adjacent or naive")
	textFlag(cmd, &config.Purged, "purged", "answer to a cursor that is gone: 404, 400, 422, empty-page or first-page")
	textFlag(cmd, &config.Access, "access", "what the credentials may do: granted, 403 or 404")
	return cmd
}

// logsOf serves the log of each organization. The log of any of them answers requests
// for others: it refuses them as the API does.
type logsOf map[string]*simulator.Server

func (l logsOf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if segments := strings.Split(r.URL.Path, "/"); len(segments) > 3 && l[segments[3]] != nil {
		l[segments[3]].ServeHTTP(w, r)
		return
	}
	for _, one := range l {
		one.ServeHTTP(w, r)
		return
	}
}

type textValue interface {
	encoding.TextUnmarshaler
	encoding.TextMarshaler
}

func textFlag(cmd *cobra.Command, value textValue, name, use string) {
	cmd.Flags().TextVar(value, name, value, use)
}

func apply(server *simulator.Server, name string) error {
	if name == "" {
		return nil
	}
	all := simulator.Scenarios()
	i := slices.IndexFunc(all, func(s simulator.Scenario) bool { return s.Name == name })
	if i < 0 {
		return fmt.Errorf("unknown scenario %q; known:\n%s", name, strings.TrimSuffix(scenarios(), "\n"))
	}
	all[i].Apply(server)
	return nil
}

// scenarios lists the scenarios, one a line.
func scenarios() string {
	var text strings.Builder
	for _, s := range simulator.Scenarios() {
		fmt.Fprintf(&text, "%s: %s\n", s.Name, s.Doc)
	}
	return text.String()
}

func (c *command) serve(ctx context.Context, address string, handler http.Handler) error {
	_, port, err := hostport.Split(address)
	switch _, number := strconv.ParseUint(address, 10, 16); {
	case number == nil:
		return usageError{fmt.Errorf("--listen %s has a port and no host; write 127.0.0.1:%[1]s", address), ""}
	case err == nil && port == "":
		err = errors.New("has no port")
	}
	if err != nil {
		return usageError{fmt.Errorf("--listen %w; write host:port, such as 127.0.0.1:8080", err), ""}
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	fmt.Fprintf(c.stderr, "sluice: simulating the API on http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
