//go:build !linux

package relp

import "net"

// acknowledger has nothing to set but on Linux.
func acknowledger(net.Conn) func() { return func() {} }
