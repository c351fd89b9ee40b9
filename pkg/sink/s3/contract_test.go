package s3_test

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/sink"
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
