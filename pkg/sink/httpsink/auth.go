package httpsink

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// Values of auth.type.
const (
	authBearer = "bearer"
	authBasic  = "basic"
	authHeader = "header"
	authHMAC   = "hmac_sha256"
	authOAuth2 = "oauth2_client_credentials"
)

// Auth says how requests are authorized.
type Auth struct {
	Type string `yaml:"type" required:"true" values:"bearer|basic|header|hmac_sha256|oauth2_client_credentials" doc:"How the server knows that a request is of Sluice."`

	Token  setting.Secret `yaml:"token" required:"if type=bearer|header" pattern:"^[!-~]+$" doc:"Token in each request. It is read again for each request."`
	Header string         `yaml:"header" required:"if type=header" pattern:"^[!#$%&'*+.^_|~0-9A-Za-z-]+$" doc:"Name of the header that has the token."`

	Username string         `yaml:"username" required:"if type=basic" doc:"Name of the user."`
	Password setting.Secret `yaml:"password" required:"if type=basic" doc:"Password of the user. It is read again for each request."`

	Secret setting.Secret `yaml:"secret" required:"if type=hmac_sha256" doc:"Secret with which requests are signed, in the header X-Sluice-Signature. It is never sent."`

	TokenURL     string                    `yaml:"token_url" required:"if type=oauth2_client_credentials" doc:"Address at which an OAuth 2 server gives tokens for client credentials."`
	ClientID     string                    `yaml:"client_id" required:"if type=oauth2_client_credentials" doc:"Name of the client."`
	ClientSecret setting.Secret            `yaml:"client_secret" required:"if type=oauth2_client_credentials" doc:"Secret of the client. It is read again for each new token."`
	Scope        string                    `yaml:"scope" default:"none" doc:"Scope of the tokens, with oauth2_client_credentials; several have a blank between them."`
	Parameters   map[string]setting.Secret `yaml:"parameters" default:"none" doc:"Further parameters of the request for a token, such as audience. The value of NAME_file is the path of a file that holds the value of NAME."`
}

const exampleTokenURL = "https://login.example.com/oauth2/token"

// Validate reports what is wrong with single values. Which keys are needed, the tags say.
func (a *Auth) Validate() (errs []error) {
	if a == nil {
		return nil
	}
	check := func(key string, err error) {
		if err != nil {
			errs = append(errs, setting.Invalid(key, err))
		}
	}
	switch a.Type {
	case authBearer, authHeader:
		check("token", a.Token.CheckToken())
	case authBasic:
		if strings.Contains(a.Username, ":") {
			check("username", errors.New("has a colon in it, which ends a name in HTTP's Basic (RFC 7617); write one without"))
		}
	case authHMAC, authOAuth2, "":
	default:
		check("type", fmt.Errorf("%q is unknown; write bearer, basic, header, hmac_sha256 or oauth2_client_credentials", a.Type))
	}
	if a.Header != "" {
		check("header", checkHeaderName(a.Header))
	}
	if a.Type != authOAuth2 && (a.Scope != "" || len(a.Parameters) > 0) {
		check("type", errors.New("has no use for scope and parameters; remove them, or write oauth2_client_credentials"))
	}
	return errs
}

// secret returns the secret that authorizes requests.
func (a *Auth) secret() (key string, _ setting.Secret) {
	if a == nil {
		return "", setting.Secret{}
	}
	switch a.Type {
	case authBearer, authHeader:
		return "auth.token", a.Token
	case authBasic:
		return "auth.password", a.Password
	case authHMAC:
		return "auth.secret", a.Secret
	}
	return "auth.client_secret", a.ClientSecret
}

// credential returns what authorizes requests; nil for nothing.
func (a *Auth) credential(log zerolog.Logger, over http.RoundTripper, tls setting.TLS) posting.Credential {
	key, secret := a.secret()
	if a == nil {
		return nil
	}
	switch a.Type {
	case authBearer:
		return posting.Bearer(log, key, secret)
	case authHeader:
		return posting.Header(log, key, a.Header, secret)
	case authBasic:
		return posting.Basic(log, key, a.Username, secret)
	case authHMAC:
		return posting.Signature(log, key, secret)
	}
	peer := setting.Peer{Name: "token server", Address: origin(a.TokenURL), Plain: "write http:// in auth.token_url", Encrypted: "write https:// in auth.token_url"}
	if encrypted(a.TokenURL) {
		peer.TLS = &tls
	}
	return &posting.Grant{
		Log: log, Client: posting.NewClient(over, posting.Access{Shown: peer.Address, Hidden: hiddenIn(a.TokenURL), Peer: peer}),
		TokenURL: a.TokenURL, ClientID: a.ClientID, ClientSecret: secret, SecretKey: key, Scope: a.Scope, Parameters: a.Parameters,
	}
}

func (a *Auth) checkTokenURL(allowHTTP bool) error {
	if a == nil || a.TokenURL == "" {
		return nil
	}
	return setting.Invalid("auth.token_url", checkAddress(a.TokenURL, exampleTokenURL, allowHTTP))
}

// warnings says what is bad about the secret.
func (a *Auth) warnings(address string) []string {
	key, secret := a.secret()
	if secret.IsSet() && secret.Short() && !httpclient.Loopback(address) {
		return []string{setting.ShortWarning(key)}
	}
	return nil
}
