package syslog_test

import (
	"math"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

// A number is whole in Sluice's own structured data, and within the protocol's range in meta.
func TestNumber(t *testing.T) {
	s := settings(t, "tcp://siem:514")
	for _, tt := range []struct {
		epoch, sequence uint64
		want            string
	}{
		{3, 0, `action="deploy_request.queued" epoch="3" sequence="0"][meta sequenceId="1"] {}`},
		{3, 2147483646, `epoch="3" sequence="2147483646"][meta sequenceId="2147483647"] {}`},
		{4, 2147483647, `epoch="4" sequence="2147483647"][meta sequenceId="1"] {}`},
		{0, 41, `action="deploy_request.queued"] {}`}, // no number without an epoch
	} {
		r := record("{}")
		r.Epoch, r.Sequence = tt.epoch, tt.sequence
		got, err := syslog.Message(s, r)
		if err != nil || !strings.HasSuffix(string(got), tt.want) {
			t.Errorf("%d/%d: got %s and %v, want %s at its end", tt.epoch, tt.sequence, got, err, tt.want)
		}
	}
}

// The longest header leaves as much room for a body with a number as without.
func TestANumberTakesNoRoomFromABody(t *testing.T) {
	s := settings(t, "tcp://siem:514")
	s.MaxMessageBytes = 2048
	long := strings.Repeat("x", 300)
	r := sink.Record{ID: long[:255], Organization: long, Action: long, Time: eventTime, Replayed: true, OwnToken: true}
	r.Body = make([]byte, open(t, s).(sink.Limiter).Limits().RecordBytes)
	for _, epoch := range []uint64{0, math.MaxUint64} {
		r.Epoch, r.Sequence = epoch, math.MaxUint64-1
		if _, err := syslog.Message(s, r); err != nil {
			t.Errorf("epoch %d: %v", epoch, err)
		}
	}
}
