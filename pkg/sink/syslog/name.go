package syslog

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/rs/zerolog"
)

// lookAgain is how long the addresses of a name are used before the next lookup. Go's
// resolver does not report their time to live.
const lookAgain = time.Minute

// network resolves names and opens sockets. Tests replace it.
type network struct {
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

func system() *network {
	return &network{lookup: net.DefaultResolver.LookupNetIP, dial: new(net.Dialer).DialContext}
}

// name is the name of a UDP receiver. Other transports resolve a name when they dial
// again after their connection ended. A UDP socket does not end when the receiver
// moves, so the name is resolved every lookAgain, and after each error.
type name struct {
	host string
	port uint16
	net  *network
	log  zerolog.Logger

	answers []netip.AddrPort // of the last successful lookup
	used    netip.AddrPort   // address of the last socket
	refused bool             // the last socket had an error
	asked   time.Time        // when the last lookup ended
	failing bool             // the last lookup failed
}

func newNames(all Addresses, n *network, log zerolog.Logger) (map[Address]*name, error) {
	names := make(map[Address]*name, len(all))
	for _, a := range all {
		found, err := newName(a, n, log)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a, err)
		}
		names[a] = found
	}
	return names, nil
}

func newName(a Address, n *network, log zerolog.Logger) (*name, error) {
	host, port, err := net.SplitHostPort(a.Host)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	log = log.With().Stringer("address", a).Logger()
	return &name{host: host, port: uint16(number), net: n, log: log}, nil
}

// dial resolves the name and opens a socket to one of its addresses: the last used
// one or, if that had an error, the one after it.
func (n *name) dial(ctx context.Context) (net.Conn, error) {
	if err := n.look(ctx); err != nil {
		return nil, err
	}
	return n.connect(ctx)
}

// follow resolves the name if that is due. It opens a new socket if the address in use
// is no longer among the answers. Otherwise it returns nil.
func (n *name) follow(ctx context.Context) (net.Conn, error) {
	if time.Since(n.asked) < lookAgain {
		return nil, nil
	}
	if err := n.look(ctx); err != nil {
		return nil, err
	}
	if slices.Contains(n.answers, n.used) {
		return nil, nil
	}
	former := n.used
	conn, err := n.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting to a new address of the name: %w", err)
	}
	n.log.Info().Stringer("from", former).Stringer("to", n.used).Msg("receiver's name has a new address")
	return conn, nil
}

// look resolves the name. If that fails, the former answers are used: a name server
// that is down must not stop the sink.
func (n *name) look(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	found, err := n.net.lookup(within, "ip", n.host)
	n.asked = time.Now()
	switch {
	case err == nil:
		n.answers = n.answers[:0]
		for _, a := range found {
			n.answers = append(n.answers, netip.AddrPortFrom(a.Unmap(), n.port))
		}
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case len(n.answers) == 0:
		return err
	case !n.failing:
		n.log.Warn().Err(err).Msg("resolving the receiver's name failed; its last address is used")
	}
	n.failing = err != nil
	return nil
}

// connect opens a socket to the first of the answers that has a route.
func (n *name) connect(ctx context.Context) (net.Conn, error) {
	first := max(0, slices.Index(n.answers, n.used))
	if n.refused && n.answers[first] == n.used {
		first++
	}
	var failed error
	for i := range n.answers {
		to := n.answers[(first+i)%len(n.answers)]
		conn, err := n.net.dial(ctx, "udp", to.String())
		if err == nil {
			n.used, n.refused = to, false
			return conn, nil
		}
		failed = both(failed, err)
	}
	return nil, failed
}
