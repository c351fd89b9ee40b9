package admin

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// guard answers requests for localhost, for IP addresses and for hosts, and refuses
// those for any other name.
//
// It keeps a web page that a person happens to visit from reading the answers: the
// page can make its own name point to this server (DNS rebinding), but its requests
// still carry that name as their Host. An IP address cannot be made to point
// elsewhere. Where the server listens says nothing about who reaches it: in a
// container it listens on all interfaces, and the port is published on loopback.
func guard(next http.Handler, hosts []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answersTo(r.Host, hosts) {
			http.Error(w, "this server does not answer to the name that was asked for; "+
				"ask localhost or an IP address, or add the name to admin.hosts in Sluice's configuration", http.StatusForbidden)
			return
		}
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// answersTo reports whether host, with or without a port, is one that the server
// answers to.
func answersTo(host string, hosts []string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	same := func(name string) bool { return strings.EqualFold(name, host) }
	return same("localhost") || host != "" && slices.ContainsFunc(hosts, same)
}
