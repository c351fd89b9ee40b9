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

// lookAgain is how long the addresses of a name are believed. The resolver of Go
// does not tell how long the name server vouches for them.
const lookAgain = time.Minute

// network is how names are resolved and sockets opened, so that a test can stand
// for it.
type network struct {
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

func system() *network {
	return &network{lookup: net.DefaultResolver.LookupNetIP, dial: new(net.Dialer).DialContext}
}

// name is where a receiver of datagrams is. A connection that ends is dialed again,
// by which its name is resolved; a socket of UDP does not end when the receiver
// moves, so the name is resolved every lookAgain, and after each error.
type name struct {
	host string
	port uint16
	net  *network
	log  zerolog.Logger

	answers []netip.AddrPort // of the last lookup that succeeded
	used    netip.AddrPort   // where the last socket leads
	refused bool             // that socket met an error
	asked   time.Time        // when the last lookup ended
	failing bool             // it failed
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

// dial resolves the name and opens a socket to one of its addresses: the one used
// last or, if that met an error, the one behind it.
func (n *name) dial(ctx context.Context) (net.Conn, error) {
	if err := n.look(ctx); err != nil {
		return nil, err
	}
	return n.connect(ctx)
}

// follow opens a socket if the name is due to be resolved, and the address in use
// is not among the answers any more. Otherwise it returns nil.
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
		return nil, fmt.Errorf("following the name: %w", err)
	}
	n.log.Info().Stringer("from", former).Stringer("to", n.used).Msg("the receiver's name has another address")
	return conn, nil
}

// look resolves the name. If that fails, what it answered before still holds: a
// name server that is down is no reason to stop sending.
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
		n.log.Warn().Err(err).Msg("the receiver's name could not be resolved; its last address is used")
	}
	n.failing = err != nil
	return nil
}

// connect opens a socket to the first of the answers that there is a way to.
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
