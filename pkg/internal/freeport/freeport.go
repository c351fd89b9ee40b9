// Package freeport chooses ports for servers that tests start in another process and
// that need a fixed port.
//
// A port that the system chose for a listener, which is then closed, is not safe: the
// system may give it away again before the server listens. A client that connects to a
// server which does not run could even get that port as its own, connect to itself and
// keep the port. The ports of this package are below those that systems give to
// connections (from 32768 on Linux, from 49152 in RFC 6335).
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"syscall"
)

const (
	lowest = 20_000
	number = 12_000
)

var next = newCounter()

// newCounter starts at a random port, so that concurrent test processes seldom choose
// the same one.
func newCounter() *atomic.Uint32 {
	c := new(atomic.Uint32)
	c.Store(rand.Uint32N(number))
	return c
}

// Loopback returns a port of 127.0.0.1 that is free for TCP and UDP. It does not return
// a port again until it has tried all others.
func Loopback() (int, error) {
	for range number {
		port := lowest + int(next.Add(1)%number)
		free, err := isFree(port)
		if free || err != nil {
			return port, err
		}
	}
	return 0, errors.New("choosing a port: all ports are in use")
}

func isFree(port int) (bool, error) {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	stream, err := net.Listen("tcp", address)
	if err != nil {
		return false, unless(syscall.EADDRINUSE, err)
	}
	defer stream.Close()
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return false, unless(syscall.EADDRINUSE, err)
	}
	return true, packets.Close()
}

func unless(expected, err error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return fmt.Errorf("choosing a port: %w", err)
}
