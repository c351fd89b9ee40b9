package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/config"
)

// healthTimeout bounds the whole request. The image's health check waits longer.
const healthTimeout = 5 * time.Second

func (c *command) health() *cobra.Command {
	var file, address string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running sluice whether it is alive, as containers do",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			transport := adminTransport(config.Admin{})
			if cmd.Flags().Changed("config") {
				if cmd.Flags().Changed("url") {
					return usageError{errors.New("-c and --url exclude each other; write one of them"), cmd.CommandPath()}
				}
				a, err := config.LoadAdmin(file)
				if err != nil {
					return err
				}
				if address, err = adminURL(a, "/healthz"); err != nil {
					return err
				}
				transport = adminTransport(a)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), healthTimeout)
			defer cancel()
			return c.askHealth(ctx, address, transport)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `file`: ask at its admin.listen")
	cmd.Flags().StringVar(&address, "url", "http://127.0.0.1:9876/healthz", "address to ask")
	return cmd
}

// adminURL is the address at which a sluice with this configuration answers.
func adminURL(a config.Admin, path string) (string, error) {
	host, port, err := net.SplitHostPort(a.Listen)
	if err != nil {
		return "", fmt.Errorf("admin.listen: %w", err)
	}
	if port == "0" {
		return "", healthError{errors.New("admin.listen has port 0: the system chooses the port"), "write a port under admin.listen, or ask with --url"}
	}
	u := url.URL{Scheme: scheme(a), Host: net.JoinHostPort(reachable(host), port), Path: path}
	return u.String(), nil
}

// reachable returns a host at which a server that listens on host can be reached. For
// one that listens on every address, that is this machine.
func reachable(host string) string {
	switch ip := net.ParseIP(host); {
	case host == "", ip.Equal(net.IPv4zero):
		return "127.0.0.1"
	case ip.Equal(net.IPv6zero):
		return "::1"
	}
	return host
}

func (c *command) askHealth(ctx context.Context, address string, transport *http.Transport) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil || r.URL.Host == "" || r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return usageError{errors.New("--url is not an address; write one such as http://127.0.0.1:9876/healthz"), ""}
	}
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return healthError{err, "is sluice running there? health -c FILE asks at the admin.listen of that file"}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", r.URL.Redacted(), err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", r.URL.Redacted(), answer.Status, body)
	}
	_, err = fmt.Fprint(c.stdout, printable(string(body)))
	return err
}

type healthError struct {
	error
	hint string
}

func (e healthError) Unwrap() error     { return e.error }
func (e healthError) ErrorHint() string { return e.hint }
