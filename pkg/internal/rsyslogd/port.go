package rsyslogd

import (
	"fmt"
	"net"
	"strconv"

	"github.com/sluice-siem/sluice/pkg/internal/freeport"
)

// port is a port of 127.0.0.1 that the daemon listens on.
type port struct {
	network string // tcp or udp
	number  int
}

type ports struct{ tcp, tls, udp, relp, relpTLS port }

func (p *ports) all() []*port { return []*port{&p.tcp, &p.tls, &p.udp, &p.relp, &p.relpTLS} }

func choosePorts() (ports, error) {
	chosen := ports{tcp: port{network: "tcp"}, tls: port{network: "tcp"}, udp: port{network: "udp"},
		relp: port{network: "tcp"}, relpTLS: port{network: "tcp"}}
	for _, p := range chosen.all() {
		var err error
		if p.number, err = freeport.Loopback(); err != nil {
			return ports{}, err
		}
	}
	return chosen, nil
}

func (p *port) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.number)) }

// listening returns an error that names a port without a listener.
func (p *ports) listening() error {
	for _, p := range p.all() {
		is, err := freeport.Listening(p.network, p.number)
		if err != nil {
			return err
		}
		if !is {
			return fmt.Errorf("nobody listens on %s port %d", p.network, p.number)
		}
	}
	return nil
}
