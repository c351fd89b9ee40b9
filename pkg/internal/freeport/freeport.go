// Package freeport chooses ports for servers that tests start in another process,
// which have to be told where to listen.
//
// Asking the system for any port and closing it again does not do: until the
// server listens there, the system may give it to somebody else, and any
// connection takes one. These ports lie below those that systems give (from 32768
// on Linux, from 49152 by RFC 6335).
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

// Loopback returns a port of 127.0.0.1 on which nobody listens, and which it has
// not returned before.
func Loopback() (string, error) {
	for range number {
		port := strconv.Itoa(lowest + int(next.Add(1)%number))
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("choosing a port: %w", err)
		}
		return port, l.Close()
	}
	return "", errors.New("choosing a port: all are in use")
}
