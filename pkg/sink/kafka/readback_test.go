package kafka_test

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
)

// readBack reads the topic, in the order of the ids.
func readBack(t *testing.T, s kafka.Settings) (all []sink.Stored, err error) {
	t.Helper()
	err = s.ReadBack(within(t, 10*time.Second), []sink.Env{{Lane: "acme/siem"}}, sink.Access{}, func(r sink.Stored) error {
		all = append(all, r)
		return nil
	})
	slices.SortFunc(all, func(a, b sink.Stored) int { return cmp.Compare(a.ID, b.ID) })
	return all, err
}

// What was published is read back, however the cluster is reached.
func TestReadBack(t *testing.T) {
	ca, server := authority(t)
	for name, tt := range map[string]struct {
		opts   []kfake.Opt
		change func(*kafka.Settings)
	}{
		"plain": {nil, func(*kafka.Settings) {}},
		"PLAIN": {[]kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", "sluice", "secret")}, func(s *kafka.Settings) {
			s.Cluster.SASL = login("PLAIN", "sluice", setting.NewSecret("secret"))
		}},
		"SCRAM-SHA-256": {[]kfake.Opt{kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "sluice", "secret")}, func(s *kafka.Settings) {
			s.Cluster.SASL = login("SCRAM-SHA-256", "sluice", setting.NewSecret("secret"))
		}},
		"SCRAM-SHA-512": {[]kfake.Opt{kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "sluice", "secret")}, func(s *kafka.Settings) {
			s.Cluster.SASL = login("SCRAM-SHA-512", "sluice", setting.NewSecret("secret"))
		}},
		"TLS": {[]kfake.Opt{kfake.TLS(&tls.Config{Certificates: []tls.Certificate{server}})}, func(s *kafka.Settings) {
			s.Cluster.TLS = &setting.TLS{CAFile: ca}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings(start(t, tt.opts...))
			tt.change(&s)
			records := batch(100, 100, 7, 200)
			records[3].Epoch, records[3].Sequence, records[3].Organization = 2, 41, "acme"
			records[4].Replayed = true
			if err := open(t, s).Publish(within(t, 10*time.Second), records); err != nil {
				t.Fatal(err)
			}
			got, err := readBack(t, s)
			if err != nil {
				t.Fatal(err)
			}
			var want []sink.Stored
			for i, r := range records {
				r.Key = "" // It is not needed.
				r.Organization = ""
				if i == 3 {
					r.Organization = "acme"
				}
				want = append(want, sink.Stored{Record: r, Lane: "acme/siem"})
			}
			for i := range got {
				if got[i].Place, got[i].Line = place(got[i]), 0; i < len(want) {
					want[i].Place = topic
				}
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// place is that of a record without its partition.
func place(s sink.Stored) string {
	name, _, _ := strings.Cut(s.Place, "/")
	return name
}

func TestReadBackIsRefused(t *testing.T) {
	c := start(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "sluice", "secret"))
	s := settings(c)
	s.Cluster.SASL = login("PLAIN", "sluice", setting.NewSecret("another-password"))
	if _, err := readBack(t, s); err == nil || strings.Contains(err.Error(), "another-password") || hint(err) == "" {
		t.Errorf("a wrong password: got %v with hint %q", err, hint(err))
	}
	s.Cluster.SASL = &kafkaclient.SASL{Mechanism: kafkaclient.OAuthBearer, Token: setting.NewSecret("a-token-that-is-wrong")}
	if _, err := readBack(t, s); err == nil || strings.Contains(err.Error(), "a-token-that-is-wrong") {
		t.Errorf("a mechanism that the broker lacks: got %v", err)
	}
	err := s.ReadBack(t.Context(), nil, sink.Access{URL: "https://kafka"}, nil)
	if err == nil || hint(err) == "" {
		t.Errorf("an address that is not used: got %v", err)
	}
	s.Cluster.SASL, s.Topic = login("PLAIN", "sluice", setting.NewSecret("secret")), "missing"
	if _, err := readBack(t, s); err == nil || !strings.Contains(fmt.Sprint(err), "missing") {
		t.Errorf("a topic that is missing: got %v", err)
	}
}
