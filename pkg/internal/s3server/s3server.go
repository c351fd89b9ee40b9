// Package s3server runs a real server of S3's language for a test, as .ci/s3/s3 starts it,
// of its own and on the loopback interface. It can be killed at any moment and started
// again with what it had written. What a test then asks of it is its own affair.
package s3server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/counterpart"
	"github.com/sluice-siem/sluice/pkg/internal/freeport"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// Kinds are the servers that there are, and how many ports each needs.
var Kinds = map[string]int{"seaweedfs": 8, "versitygw": 1}

// Server is a server that runs, unless it was killed.
type Server struct {
	kind    string
	dir     string
	ports   []string
	process *os.Process
}

// Start starts a server with the bucket audit, and ends it with the test.
func Start(tb testing.TB, kind string) *Server {
	tb.Helper()
	s := &Server{kind: kind, dir: tb.TempDir()}
	for range Kinds[kind] {
		port, err := freeport.Loopback()
		if err != nil {
			tb.Fatal(err)
		}
		s.ports = append(s.ports, strconv.Itoa(port))
	}
	if err := s.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Kill(); err != nil {
			tb.Errorf("killing %s: %v", kind, err)
		}
	})
	return s
}

// Start starts the server again after Kill, and returns once it answers.
func (s *Server) Start() (err error) {
	s.process, err = counterpart.Start("s3", append([]string{s.kind, s.dir}, s.ports...)...)
	return err
}

// Kill ends the server with SIGKILL, and returns when it is gone. What it wrote and the
// kernel took is there.
func (s *Server) Kill() error {
	return errors.Join(s.process.Kill(), counterpart.Await(context.Background(), s.process))
}

// Settings are those of a client of the server at an endpoint.
func Settings(endpoint string) objectstore.Settings {
	return objectstore.Settings{
		Bucket: "audit", Prefix: "sluice", Endpoint: endpoint, PathStyle: true, Region: "us-east-1",
		AccessKeyID: setting.NewSecret("sluicekey"), SecretAccessKey: setting.NewSecret("sluice-secret"),
	}
}

// Endpoint is the address of the server.
func (s *Server) Endpoint() string { return fmt.Sprintf("http://127.0.0.1:%s", s.ports[0]) }
