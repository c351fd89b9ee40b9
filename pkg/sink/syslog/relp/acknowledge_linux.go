package relp

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// acknowledger returns a function that makes the kernel acknowledge at once what
// it received. rsyslog writes its answers one by one and holds back all but the
// first until that is acknowledged (Nagle's algorithm), for which the kernel takes
// 40 ms where nothing is sent the other way, as at the end of every batch. The
// option lasts for a while only (tcp(7), TCP_QUICKACK), so that it is set after
// each read. It is a favour: where it fails, all that is lost is the 40 ms.
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
