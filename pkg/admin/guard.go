package admin

import (
	"net/http"
	"net/netip"
	"net/url"
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
// answers to. A name may end with a dot, as it does where it is complete.
func answersTo(host string, hosts []string) bool {
	u, err := url.Parse("http://" + host)
	// What is decoded is not as it was sent: an address with a zone, such as
	// [::1%25name].
	if err != nil || u.Host != host {
		return false
	}
	name := u.Hostname()
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	name = strings.TrimSuffix(name, ".")
	same := func(other string) bool { return strings.EqualFold(strings.TrimSuffix(other, "."), name) }
	return same("localhost") || name != "" && slices.ContainsFunc(hosts, same)
}
