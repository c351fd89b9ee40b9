// Package freeport chooses ports for servers that tests start in another process,
// which have to be told where to listen.
//
// Asking the system for any port and closing it again does not do: until the
// server listens there, the system may give it to somebody else. A client that
// tries to reach a server that does not run could even be given the very port, be
// connected to itself, and keep it. These ports lie below those that systems give
// to connections (from 32768 on Linux, from 49152 by RFC 6335).
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

// newCounter begins anywhere, so that processes which test at the same time seldom
// meet.
func newCounter() *atomic.Uint32 {
	c := new(atomic.Uint32)
	c.Store(rand.Uint32N(number))
	return c
}

// Loopback returns a port of 127.0.0.1 on which nobody listens, over TCP or UDP,
// and which it has not returned before.
func Loopback() (int, error) {
	for range number {
		port := lowest + int(next.Add(1)%number)
		free, err := isFree(port)
		if free || err != nil {
			return port, err
		}
	}
	return 0, errors.New("choosing a port: all are in use")
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
