//go:build !linux

package relp

import "net"

// acknowledger does nothing on systems other than Linux.
func acknowledger(net.Conn) func() { return func() {} }
