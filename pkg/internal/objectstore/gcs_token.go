package objectstore

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
)

// account is the key of a service account, as Google writes it.
type account struct {
	Type     string `json:"type"`
	Email    string `json:"client_email"`
	Key      string `json:"private_key"`
	KeyID    string `json:"private_key_id"`
	TokenURI string `json:"token_uri"`

	key *rsa.PrivateKey
}

// readAccount reads a key. Its errors show nothing of it.
func readAccount(text string) (a account, err error) {
	if json.Unmarshal([]byte(text), &a) != nil || a.Type != "service_account" {
		return a, errors.New("is not the key of a service account; write the JSON file that Google made, mostly with service_account_key_file")
	}
	u, err := url.Parse(a.TokenURI)
	if err != nil || u.Host == "" || u.Scheme != "https" && !httpclient.Loopback(a.TokenURI) {
		return a, errors.New("has no token_uri with https://; write the JSON file as Google made it")
	}
	block, _ := pem.Decode([]byte(a.Key))
	if block == nil {
		return a, errors.New("has no private_key; write the JSON file as Google made it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return a, errors.New("has a private_key that is no RSA key; write the JSON file as Google made it")
	}
	a.key = key
	return a, nil
}

// scope allows to read and write objects.
const scope = "https://www.googleapis.com/auth/devstorage.read_write"

// ask makes the request for a token: with the key, or without one to the metadata server
// (Google Cloud, "Access tokens for attached service accounts"), which also serves workload
// identity of GKE.
func (g *GCS) ask(ctx context.Context) (*http.Request, *http.Client, error) {
	if !g.settings.ServiceAccountKey.IsSet() {
		host := cmp.Or(os.Getenv("GCE_METADATA_HOST"), "metadata.google.internal")
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/computeMetadata/v1/instance/service-accounts/default/token", nil)
		if err != nil {
			return nil, nil, err
		}
		r.Header.Set("Metadata-Flavor", "Google")
		return r, newMetadataClient(), nil
	}
	text, err := g.settings.ServiceAccountKey.Value()
	if err != nil {
		return nil, nil, fmt.Errorf("service_account_key: %w", err)
	}
	a, err := readAccount(text)
	if err != nil {
		return nil, nil, fmt.Errorf("service_account_key %w", err)
	}
	assertion, err := a.assert(time.Now())
	if err != nil {
		return nil, nil, err
	}
	g.sent.Sent(assertion)
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.TokenURI, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r, &g.client, nil
}

// assert signs a request for a token (RFC 7523; Google Identity, "Using OAuth 2.0 for
// server to server applications").
func (a account) assert(now time.Time) (string, error) {
	part := func(claims map[string]any) string {
		text, _ := json.Marshal(claims) // Texts and numbers always can be.
		return base64.RawURLEncoding.EncodeToString(text)
	}
	signed := part(map[string]any{"alg": "RS256", "typ": "JWT", "kid": a.KeyID}) + "." + part(map[string]any{
		"iss": a.Email, "scope": scope, "aud": a.TokenURI, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("signing with service_account_key: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
