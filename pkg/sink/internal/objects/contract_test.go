package objects_test

import (
	"net/http/httptest"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/gcs"
	"github.com/sluice-siem/sluice/pkg/sink/internal/objects"
	"github.com/sluice-siem/sluice/pkg/sink/sinktest"
)

// harness is a store, and a record that it cannot take: one of two lines.
func harness(t testing.TB, r *rig) sinktest.Harness {
	n := 1000
	return sinktest.Harness{
		Open:     func(t testing.TB) sink.Sink { return r.open(t) },
		Received: func(t testing.TB) [][]byte { return r.received(t) },
		Refused: func(testing.TB) sink.Record {
			n++
			bad := record(n)
			bad.Body = append(bad.Body, "\n{}"...)
			return bad
		},
		Break:  func(testing.TB) { r.breaks() },
		Repair: func(testing.TB) { r.repair() },
	}
}

func TestContract(t *testing.T) {
	sinktest.Run(t, func(t testing.TB) sinktest.Harness {
		r := newRig(t)
		r.settings.Delivery = objects.AtLeastOnce
		return harness(t, r)
	})
}

// Beside its lane the sink moves no position.
func TestContractBesideTheLane(t *testing.T) {
	sinktest.Run(t, func(t testing.TB) sinktest.Harness {
		r := newRig(t)
		h := harness(t, r)
		h.Open = func(t testing.TB) sink.Sink {
			return r.openEnv(t, sink.Env{Lane: lane, Source: "acme", Again: true, Log: zerolog.Nop()})
		}
		return h
	})
}

func TestLedgerContract(t *testing.T) {
	sinktest.RunLedger(t, func(t testing.TB) sinktest.Harness { return harness(t, newRig(t)) })
}

// Google Cloud Storage has the same sink below other settings.
func TestLedgerContractOfGCS(t *testing.T) {
	sinktest.RunLedger(t, func(t testing.TB) sinktest.Harness {
		r := newRig(t)
		google := objectstoretest.NewGCS(r.store)
		server := httptest.NewServer(google)
		t.Cleanup(server.Close)
		s := gcs.Type.Settings().(*gcs.Settings)
		s.Store.Bucket, s.Store.Prefix, s.Store.Endpoint = objectstoretest.BucketName, "audit", server.URL
		s.Store.ServiceAccountKey = setting.NewSecret(google.Key(server.URL))
		h := harness(t, r)
		h.Open = func(t testing.TB) sink.Sink {
			opened, err := gcs.Type.Open(t.Context(), sink.Env{Lane: lane, Source: "acme", Log: zerolog.Nop()}, s)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := opened.Close(); err != nil {
					t.Error(err)
				}
			})
			return opened
		}
		return h
	})
}
