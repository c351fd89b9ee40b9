package kafkaclient_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// A password that was rotated and is refused does not keep a client from the cluster whose
// former one works.
func TestARefusedRotationKeepsTheFormerPassword(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser(kafkaclient.Plain, "sluice", "former-password"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	// kfake hangs up, where Kafka answers.
	cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		asked := r.(*kmsg.SASLAuthenticateRequest)
		if bytes.HasSuffix(asked.SASLAuthBytes, []byte("former-password")) {
			return nil, nil, false
		}
		refused := asked.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		refused.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return refused, nil, true
	})
	path := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &kafkaclient.Settings{Brokers: cluster.ListenAddrs(), SASL: &kafkaclient.SASL{Mechanism: kafkaclient.Plain, Username: "sluice", Password: setting.SecretFile(path)}}
	var log strings.Builder
	ask := func() error {
		c, err := kafkaclient.New(s, zerolog.New(zerolog.SyncWriter(&log)), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		go func() { // as users of a client do
			select {
			case <-c.Refused():
				cancel()
			case <-ctx.Done():
			}
		}()
		_, err = c.Request(ctx, kmsg.NewPtrMetadataRequest())
		return err
	}
	write("never-accepted")
	if err := ask(); err == nil || s.Rotation().Trouble() != nil {
		t.Fatalf("with a password that was never accepted: %v", err)
	}
	write("former-password")
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	write("wrong-password")
	// A request fails with the first refusal. Whoever retries it goes on.
	if err := ask(); err == nil {
		t.Error("the wrong password was not tried")
	}
	for range 2 {
		if err := ask(); err != nil {
			t.Fatalf("after the rotation: %v", err)
		}
	}
	if trouble := s.Rotation().Trouble(); trouble == nil || trouble.Why != "SASL_AUTHENTICATION_FAILED" || trouble.Tries != 1 {
		t.Errorf("got %+v", trouble)
	}
	write("former-password")
	if err := ask(); err != nil || s.Rotation().Trouble() != nil {
		t.Errorf("mended: %v, %+v", err, s.Rotation().Trouble())
	}
	if text := log.String(); strings.Count(text, "is refused") != 1 || strings.Count(text, "is accepted") != 1 || strings.Contains(text, "-password") {
		t.Errorf("the log:\n%s", text)
	}
}
