package syslog_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/sinktest"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp/relptest"
)

// settle is long enough for a receiver in this process to end a connection, and for the
// reset to be noticed, while other tests keep the machine busy.
const settle = setting.Duration(150 * time.Millisecond)

// tooLarge makes a record that fits into no message.
func tooLarge(testing.TB) sink.Record { return record(strings.Repeat("x", 9000)) }

func TestContractOverTCP(t *testing.T) {
	sinktest.Run(t, func(t testing.TB) sinktest.Harness { return harness(newReceiver(t, nil)) })
}

// TestContractOverTLS uses a receiver that can hang in the handshake. With TCP alone the
// kernel would accept the connection.
func TestContractOverTLS(t *testing.T) {
	sinktest.Run(t, func(t testing.TB) sinktest.Harness {
		r := overTLS(t)
		h := harness(r)
		h.Hang = func(testing.TB) <-chan struct{} { return r.hang() }
		return h
	})
}

func harness(r *receiver) sinktest.Harness {
	s := r.settings
	s.Settle = settle
	return sinktest.Harness{
		Open:     func(t testing.TB) sink.Sink { return unclosed(t, s, quiet) },
		Received: func(testing.TB) [][]byte { return r.bodies() },
		Refused:  tooLarge,
		Break:    func(testing.TB) { r.stop() },
		Falter:   func(_ testing.TB, n int) { r.falter(n) },
		Repair:   func(testing.TB) { r.repair() },
	}
}

func TestContractOverUDP(t *testing.T) {
	sinktest.Run(t, func(t testing.TB) sinktest.Harness {
		d, url := newDatagrams(t)
		s := settings(t, url)
		s.Settle = settle
		return sinktest.Harness{
			Open: func(t testing.TB) sink.Sink { return unclosed(t, s, quiet) },
			Received: func(t testing.TB) [][]byte {
				var bodies [][]byte
				for _, message := range d.all() {
					bodies = append(bodies, []byte(one(t, s, counted(message)).Text))
				}
				return bodies
			},
			Refused: tooLarge,
		}
	})
}

func TestContractOverRELP(t *testing.T) {
	sinktest.Run(t, func(t testing.TB) sinktest.Harness {
		r := newAnswering(t)
		s := settings(t, "relp://"+r.address)
		return sinktest.Harness{
			Open: func(t testing.TB) sink.Sink { return unclosed(t, s, quiet) },
			Received: func(t testing.TB) [][]byte {
				var bodies [][]byte
				for _, m := range r.server.Messages() {
					bodies = append(bodies, []byte(one(t, s, counted([]byte(m))).Text))
				}
				return bodies
			},
			Refused: tooLarge,
			Break:   func(testing.TB) { r.become(relptest.Fault{Status: 500}, 0) },
			Falter:  func(_ testing.TB, n int) { r.become(relptest.Fault{Status: 500}, n) },
			Hang:    func(testing.TB) <-chan struct{} { return r.become(relptest.Fault{Silent: true}, 0) },
			Repair:  func(testing.TB) { r.become(relptest.Fault{}, 0) },
		}
	})
}

// answering is a RELP server that can fail in several ways.
type answering struct {
	server  *relptest.Server
	address string

	mu    sync.Mutex
	fault relptest.Fault
	after int           // messages until then
	met   chan struct{} // closed when the first message met the fault
}

func newAnswering(t testing.TB) *answering {
	a := &answering{server: relptest.New(t), met: make(chan struct{})}
	a.server.Script = a.answer
	a.address = a.server.Listen()
	return a
}

func (a *answering) become(f relptest.Fault, after int) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fault, a.after, a.met = f, after, make(chan struct{})
	return a.met
}

func (a *answering) answer(c relptest.Command) relptest.Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.Name != "syslog" {
		return relptest.Fault{}
	}
	if a.after > 0 {
		a.after--
		return relptest.Fault{}
	}
	select {
	case <-a.met:
	default:
		close(a.met)
	}
	return a.fault
}
