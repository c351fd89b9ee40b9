package app

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// errBound ends tryBind before it listens.
var errBound = errors.New("the address was bound")

// tryBind returns the error of net.Listen at a TCP address, and does not listen there. On
// Linux a port that is bound and has no listener can be bound again if both sockets have
// SO_REUSEADDR (socket(7)), which net sets. So a sluice that starts at this moment gets the
// port.
func tryBind(ctx context.Context, address string) error {
	config := net.ListenConfig{Control: bind(func() error { return errBound })}
	listener, err := config.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, errBound):
		return nil
	case err != nil:
		return err
	}
	return listener.Close()
}

// bind is a hook of net.ListenConfig that binds the socket, and then returns the error of
// then.
func bind(then func() error) func(network, address string, socket syscall.RawConn) error {
	return func(network, address string, socket syscall.RawConn) error {
		to, err := socketAddress(network, address)
		if err != nil {
			return err
		}
		var bound error
		if err := socket.Control(func(fd uintptr) { bound = unix.Bind(int(fd), to) }); err != nil {
			return err
		}
		if bound != nil {
			return os.NewSyscallError("bind", bound)
		}
		return then()
	}
}

// socketAddress is the address that net passes to bind. A socket of
// IPv6 listens at all addresses if it shall at all of IPv4.
func socketAddress(network, address string) (unix.Sockaddr, error) {
	a, err := net.ResolveTCPAddr("tcp", address) // numbers: nobody is asked
	if err != nil {
		return nil, err
	}
	if network == "tcp4" {
		to := &unix.SockaddrInet4{Port: a.Port}
		copy(to.Addr[:], a.IP.To4())
		return to, nil
	}
	to := &unix.SockaddrInet6{Port: a.Port}
	if !a.IP.Equal(net.IPv4zero) {
		copy(to.Addr[:], a.IP.To16())
	}
	// A zone that there is not leads to an error of bind, as in net.
	if zone, err := net.InterfaceByName(a.Zone); err == nil {
		to.ZoneId = uint32(zone.Index)
	} else if number, err := strconv.ParseUint(a.Zone, 10, 32); err == nil {
		to.ZoneId = uint32(number)
	}
	return to, nil
}
