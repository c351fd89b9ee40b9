package objectstore

import (
	"net/url"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// validatePlace checks the keys that all stores have in common.
func validatePlace(prefix, endpoint, example string, allowHTTP bool) []error {
	var errs []error
	if prefix != "" {
		if err := checkPrefix(prefix); err != nil {
			errs = append(errs, setting.Invalid("prefix", err))
		}
	}
	if endpoint != "" {
		if err := httpclient.CheckURL(endpoint, example, allowHTTP); err != nil {
			errs = append(errs, setting.Invalid("endpoint", err))
		}
	}
	return errs
}

// warnings says in which ways the keys that all stores have weaken security.
func warnings(endpoint string, tls *setting.TLS) []string {
	var w []string
	if strings.HasPrefix(strings.ToLower(endpoint), "http:") && !httpclient.Loopback(endpoint) {
		w = append(w, "endpoint begins with http://: events cross the network in clear text")
	}
	if tls.InsecureSkipVerify {
		w = append(w, "tls.insecure_skip_verify: anyone on the network path can pose as the store")
	}
	return w
}

// elsewhere names an endpoint that is configured.
func elsewhere(endpoint string) string {
	if u, err := url.Parse(endpoint); err == nil && endpoint != "" {
		return " at " + httpclient.Origin(u)
	}
	return ""
}

// peerOf describes a store to people.
func peerOf(address string, tls *setting.TLS) setting.Peer {
	p := setting.Peer{
		Name: "store", Address: address, TLS: tls,
		Plain:     "write http:// in endpoint (and allow_http: true, since events then cross the network in clear text)",
		Encrypted: "write https:// in endpoint",
	}
	if strings.HasPrefix(strings.ToLower(address), "http:") {
		p.TLS = nil
	}
	return p
}
