package setting_test

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/testcert"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// certified writes a new certificate and its key to a directory.
func certified(t *testing.T, dir string) setting.ServerTLS {
	t.Helper()
	if _, err := testcert.Write(dir); err != nil {
		t.Fatal(err)
	}
	return setting.ServerTLS{CertFile: filepath.Join(dir, "server.pem"), KeyFile: filepath.Join(dir, "server.key")}
}

// greet connects to a server of s that says hello once, as a client.
func greet(t *testing.T, server, client *tls.Config) (string, error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secure := tls.NewListener(listener, server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := secure.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "hello") // The client may have refused.
		_ = conn.Close()
	}()
	defer func() {
		if err := secure.Close(); err != nil {
			t.Error(err)
		}
		<-done
	}()
	conn, err := tls.Dial("tcp", listener.Addr().String(), client)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(conn)
	if closing := conn.Close(); err == nil {
		err = closing
	}
	return string(text), err
}

func TestServerTLS(t *testing.T) {
	dir := t.TempDir()
	s, other := certified(t, dir), certified(t, t.TempDir())
	if errs := s.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	var failures atomic.Int64
	config := s.Config(func(error) { failures.Add(1) })
	if got, err := greet(t, config, s.Client()); got != "hello" || err != nil {
		t.Errorf("got %q and error %v, want hello", got, err)
	}
	if _, err := greet(t, config, other.Client()); err == nil || !strings.Contains(err.Error(), "another certificate") {
		t.Errorf("a client with another certificate: got error %v", err)
	}
	old := s.Client()
	old.MaxVersion = tls.VersionTLS11
	old.MinVersion = tls.VersionTLS10
	if _, err := greet(t, config, old); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
	certified(t, dir) // rotated
	if got, err := greet(t, config, s.Client()); got != "hello" || err != nil {
		t.Errorf("after the rotation got %q and error %v, want hello", got, err)
	}
	if n := failures.Load(); n != 0 {
		t.Errorf("%d failures were told, want none", n)
	}
	if err := os.WriteFile(s.KeyFile, []byte("half of a k"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := greet(t, config, s.Client()); got != "hello" || err != nil || failures.Load() != 1 {
		t.Errorf("while a file is written got %q, error %v and %d failures, want hello and one", got, err, failures.Load())
	}
	if errs := s.Validate(); len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), "cert_file: ") {
		t.Errorf("a broken key: got %v", errs)
	}
}

func TestServerTLSNeedsBothFiles(t *testing.T) {
	for _, s := range []setting.ServerTLS{{}, {CertFile: "x"}, {KeyFile: "x"}, {CertFile: "/nonexistent", KeyFile: "/nonexistent"}} {
		if len(s.Validate()) == 0 {
			t.Errorf("%+v is valid", s)
		}
	}
	if errs := (*setting.ServerTLS)(nil).Validate(); errs != nil {
		t.Errorf("without TLS got %v", errs)
	}
}
