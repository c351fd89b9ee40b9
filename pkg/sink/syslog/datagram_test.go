package syslog_test

import (
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/sink"
)

func TestEachDatagramIsAMessage(t *testing.T) {
	d, url := newDatagrams(t)
	s := settings(t, url)
	all := batch(0, 20)
	all[7].Body = []byte("one\ntwo")
	deliver(t, open(t, s), all)
	d.await(len(all))
	for i, datagram := range d.all() {
		if got, want := one(t, s, counted(datagram)).Text, string(all[i].Body); got != want {
			t.Errorf("datagram %d: got text %q, want %q", i, got, want)
		}
	}
}

// TestDatagramThatIsTooLarge has settings that Validate would not let pass: there
// are systems whose datagrams are smaller than UDP's.
func TestDatagramThatIsTooLarge(t *testing.T) {
	_, url := newDatagrams(t)
	s := settings(t, url)
	s.MaxMessageBytes = 1 << 20
	snk := open(t, s)
	all := batch(0, 5)
	all[2].Body = []byte(strings.Repeat("x", 66_000))
	err := snk.Publish(t.Context(), all)
	named, ok := err.(sink.BatchError)
	if !ok || len(named) != 3 || named[0].Index != 2 {
		t.Fatalf("got %v, want a BatchError of the records from 2 on", err)
	}
	for i, want := range []bool{true, false, false} {
		if got := sink.IsPermanent(named[i].Err); got != want {
			t.Errorf("record %d: got permanent %v, want %v: %v", named[i].Index, got, want, named[i].Err)
		}
	}
	deliver(t, snk, all[3:])
}

func TestNobodyListens(t *testing.T) {
	r := newReceiver(t, nil) // which holds the port for TCP
	snk := open(t, settings(t, "udp://"+r.address))
	// The first datagrams leave before the kernel is told that nobody takes them.
	var err error
	for range 1000 {
		if err = snk.Publish(t.Context(), batch(0, 100)); err != nil {
			break
		}
	}
	wantError(t, err, "connection refused", "start the receiver")
}
