package posting

import (
	"context"
	"fmt"
	"net/http"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Credential authorizes requests. Its methods may be called concurrently.
type Credential interface {
	// Authorize puts the credential into a request with that body. It returns the secret
	// that it used, which answers may repeat, and which Accepted and Refused name. Its
	// error is complete, with its hint.
	Authorize(ctx context.Context, r *http.Request, body []byte) (used string, err error)

	// Accepted reports that the server accepted what Authorize used.
	Accepted(used string)

	// Refused reports that the server refused it, and why. It returns true if Authorize may
	// use another one.
	Refused(used, why string) bool
}

// Bearer sends a token (RFC 6750, section 2.1). Key is its key in the settings.
func Bearer(log zerolog.Logger, key string, token setting.Secret) Credential {
	return Token(log, key, token, func(r *http.Request, value string) { r.Header.Set("Authorization", "Bearer "+value) })
}

// Header sends a token as the value of a header.
func Header(log zerolog.Logger, key, name string, token setting.Secret) Credential {
	return Token(log, key, token, func(r *http.Request, value string) { r.Header.Set(name, value) })
}

// Basic sends a name and a password (RFC 7617).
func Basic(log zerolog.Logger, key, name string, password setting.Secret) Credential {
	return secret{log, key, password.Rotation(), password.Rotation().Value, func(r *http.Request, value string) { r.SetBasicAuth(name, value) }}
}

// Token sends a token as put does.
func Token(log zerolog.Logger, key string, token setting.Secret, put func(r *http.Request, value string)) Credential {
	return secret{log, key, token.Rotation(), token.Rotation().Token, put}
}

// secret is a Credential whose secret is read again for each request. While a changed one is
// refused, it uses the former one; see setting.Rotation.
type secret struct {
	log      zerolog.Logger
	key      string
	rotation *setting.Rotation
	value    func() (string, error)
	put      func(r *http.Request, value string)
}

func (s secret) Authorize(_ context.Context, r *http.Request, _ []byte) (string, error) {
	value, err := s.value()
	if err != nil {
		return "", unreadable(s.key, err)
	}
	s.put(r, value)
	return value, nil
}

func (s secret) Accepted(used string) { s.rotation.Accepted(s.log, used) }

func (s secret) Refused(used, why string) bool { return s.rotation.Refused(s.log, used, why) }

// unreadable returns the error of a secret under a key that has no value.
func unreadable(key string, err error) error {
	return sink.Destination(fmt.Errorf("%s: %w", key, err), fmt.Sprintf("make sure that sluice can read the %s, from %[1]s_file or the environment", key))
}
