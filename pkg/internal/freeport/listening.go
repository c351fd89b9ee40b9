package freeport

import (
	"fmt"
	"os"
	"strings"
)

// Listening reports whether a server listens on a port of 127.0.0.1 with the network tcp
// or udp. It reads the kernel's table, on Linux only. A trial connection would be an extra
// one for the server, and with UDP it would prove nothing.
func Listening(network string, port int) (bool, error) {
	table, err := os.ReadFile("/proc/net/" + network)
	if err != nil {
		return false, err
	}
	const listen, unconnected = "0A", "07" // states of TCP and of UDP, in include/net/tcp_states.h
	local := fmt.Sprintf("0100007F:%04X", port)
	for line := range strings.Lines(string(table)) {
		columns := strings.Fields(line)
		if len(columns) > 3 && columns[1] == local && (columns[3] == listen || network == "udp" && columns[3] == unconnected) {
			return true, nil
		}
	}
	return false, nil
}
