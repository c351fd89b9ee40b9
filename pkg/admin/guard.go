package admin

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/admin/console"
)

// guard passes requests whose Host is localhost, an IP address or one of hosts, and
// refuses all others.
//
// It stops a web page in a person's browser from reading the answers. Such a page
// can make its own host name resolve to this server (DNS rebinding), but its
// requests still carry that name as their Host. An IP address cannot be redirected
// this way. The address that the server listens on proves nothing about the client:
// in a container the server listens on all interfaces, and the port may be published
// on loopback only.
func guard(next http.Handler, hosts []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answersTo(r.Host, hosts) {
			http.Error(w, "this server does not accept the host name of the request; "+
				"use localhost or an IP address, or add the name to admin.hosts in Sluice's configuration", http.StatusForbidden)
			return
		}
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", console.Policy)
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// answersTo reports whether the server accepts host, with or without a port. A name
// may end with a dot, as a fully qualified one does.
func answersTo(host string, hosts []string) bool {
	u, err := url.Parse("http://" + host)
	// A host that decodes to something else is refused, such as [::1%25name], an
	// address with a zone.
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
