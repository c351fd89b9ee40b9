package httpsink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// preset is what makes the settings of a service a type of sink. It is data: how a record is
// encoded and records are joined, the credential, the limits, and what the service's statuses
// mean.
type preset interface {
	endpoint(sink.Env) endpoint
}

// presetType is a type of sink whose settings are a preset.
func presetType[C any, P interface {
	*C
	preset
}](name string, defaults C) sink.Type {
	return sink.NewType(name, defaults, func(_ context.Context, env sink.Env, settings C) (sink.Sink, error) {
		return openPreset(env, P(&settings)).open(), nil
	})
}

func openPreset(env sink.Env, p preset) endpoint {
	e := p.endpoint(env)
	if e.tls.InsecureSkipVerify {
		env.Log.Warn().Msg("tls.insecure_skip_verify: anyone on the network path to the service can read the credential and the events")
	}
	if address := originOf(e.url); e.allowHTTP && !encrypted(address) && !httpclient.Loopback(address) {
		env.Log.Warn().Msg("allow_http: the credential and the events are sent in clear text")
	}
	return e
}

// Connection are keys that all presets have.
type Connection struct {
	AllowHTTP bool        `yaml:"allow_http" doc:"Send secrets and events in clear text to a host that is not loopback, with an address that begins with http://."`
	TLS       setting.TLS `yaml:"tls" default:"the system's authorities" doc:"How TLS verifies the server, with an address that begins with https://."`
}

// concurrency is how many requests of a Publish to a service that keeps logs are in flight
// at once.
const concurrency = 8

// fixed returns what makes every request's Content-Type the same.
func fixed(contentType string) func(*sink.Record) string {
	return func(*sink.Record) string { return contentType }
}

func appendLine(dst []byte, r *sink.Record) ([]byte, error) { return posting.AppendLine(dst, r), nil }

// notTheService is the hint for a success that is none.
func notTheService(name string) string {
	return "another program answers than " + name + ", such as a proxy: make sure that the address is the one that " + name + " shows"
}

// noPage returns what replies of a service mean that never answers with a page of HTML: a
// success with one is a proxy's, which may be gone the next time.
func noPage(name string, statuses posting.Statuses) func(posting.Reply) posting.Rule {
	return func(r posting.Reply) posting.Rule {
		rule := statuses.Reply(r)
		if rule.Verdict == posting.Delivered && bytes.HasPrefix(bytes.TrimLeft(r.Body, "\ufeff \t\r\n"), []byte("<")) {
			return posting.Rule{Verdict: posting.Retry, Hint: notTheService(name)}
		}
		return rule
	}
}

// checkWebhook reports what is wrong with an address that a service shows. It may be a secret
// as a whole, so no error shows more than the origin.
func checkWebhook(address setting.Secret, example string, allowHTTP bool) error {
	if !address.IsSet() {
		return setting.Invalid("url", fmt.Errorf("missing; write the address that the service shows, such as %s", example))
	}
	text, err := address.Value()
	if err != nil {
		return nil // It is reported when settings are decoded.
	}
	if err := checkAddress(text, example, allowHTTP); err != nil {
		return setting.Invalid("url", err)
	}
	if strings.Trim(strings.TrimPrefix(text, origin(text)), "/") == "" {
		return setting.Invalid("url", fmt.Errorf("has no path; write the whole address, such as %s", example))
	}
	return nil
}

// checkInPlace reports what is wrong with an address in place of the service's own; an empty
// one is none.
func checkInPlace(address, example string, allowHTTP bool) error {
	switch {
	case address == "":
		return nil
	case strings.Contains(address, "?"):
		return setting.Invalid("url", fmt.Errorf("has a query; write an address such as %s", example))
	}
	return setting.Invalid("url", checkAddress(address, example, allowHTTP))
}

// checkToken reports a token that is missing or cannot be one.
func checkToken(key string, token setting.Secret, what string) error {
	if !token.IsSet() {
		return setting.Invalid(key, fmt.Errorf("missing; write %s, as %s or %s_file", what, key, key))
	}
	return setting.Invalid(key, token.CheckToken())
}

// checkMost reports a number that is not from 1 to most.
func checkMost(key string, n, most int) error {
	if n >= 1 && n <= most {
		return nil
	}
	return setting.Invalid(key, fmt.Errorf("is %d; write a number from 1 to %d", n, most))
}

// checkHeaderText reports a text that a header cannot carry everywhere.
func checkHeaderText(key, text string) error {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return setting.Invalid(key, errors.New("cannot be sent in a header; write visible ASCII characters"))
	}
	return nil
}

// problems returns the errors that are not nil.
func problems(all ...error) (errs []error) {
	for _, err := range all {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Export implements sink.Exportable.
func (Connection) Export() string {
	return "name an export of the service with whole records, one a line; messages of a chat and alerts have only a part of a record, and cannot be verified"
}
