package httpsink

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// origin returns scheme, host and port of an address, for people: what follows may be a
// secret. Without them it returns "url".
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "url"
	}
	return httpclient.Origin(u)
}

// originOf returns the origin of an address that may be in a file.
func originOf(address setting.Secret) string {
	text, err := address.Value()
	if err != nil {
		return "url"
	}
	return origin(text)
}

// encrypted reports whether requests to an address use TLS.
func encrypted(text string) bool {
	return strings.HasPrefix(strings.ToLower(text), "https:")
}

// checkAddress checks an address. Its errors show only the origin.
func checkAddress(text, example string, allowHTTP bool) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		if err := httpclient.CheckURL(text, example, allowHTTP); err != nil {
			return err
		}
		return fmt.Errorf("is not an address; write one such as %s", example)
	}
	if u.User != nil {
		return errors.New("has a user in it; write it under auth, with type: basic")
	}
	if u.Fragment != "" {
		return errors.New("has a # in it, and what follows is never sent; write %23 if it belongs to the address")
	}
	return httpclient.CheckURL(httpclient.Origin(u), example, allowHTTP)
}

// hiddenIn is hidden of an address in the settings.
func hiddenIn(text string) []string {
	u, err := url.Parse(text)
	if err != nil {
		return nil // No request is made to it.
	}
	return hidden(u)
}

// credentialLength is the least length of a part of an address that may be a credential by
// itself. Shorter parts, such as v1 and logs, are words that answers use too.
const credentialLength = 8

// hidden returns what of an address answers must not show: all that follows the origin, and
// the long parts of it.
func hidden(u *url.URL) []string {
	var parts []string
	add := func(part string) {
		if len(part) >= credentialLength {
			parts = append(parts, part)
		}
	}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		_, value, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(value); err == nil {
			value = plain
		}
		add(value)
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		add(part)
	}
	return append(parts, u.Path, u.RequestURI())
}
