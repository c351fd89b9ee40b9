package relp

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// acknowledger returns a function that makes the kernel acknowledge received bytes at
// once. rsyslog writes its answers one by one and holds back all but the first until
// that one is acknowledged (Nagle's algorithm). If nothing is sent the other way, as at
// the end of every batch, the kernel waits 40 ms with it. The option does not last
// (tcp(7), TCP_QUICKACK), so it is set after each read. An error costs only the 40 ms.
func acknowledger(conn net.Conn) func() {
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok { // crypto/tls
		conn = secured.NetConn()
	}
	tcp, ok := conn.(syscall.Conn)
	if !ok {
		return func() {}
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return func() {}
	}
	return func() {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
		})
	}
}
