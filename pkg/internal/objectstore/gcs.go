package objectstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"path"
	"regexp"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// GCSSettings say where a bucket of Google Cloud Storage is, and as whom it is used.
type GCSSettings struct {
	Bucket            string         `yaml:"bucket" required:"true" pattern:"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$" doc:"Bucket, which must exist."`
	Prefix            string         `yaml:"prefix" default:"none" pattern:"^[a-zA-Z0-9!_.*'()=-]+(/[a-zA-Z0-9!_.*'()=-]+)*$" doc:"First part of all names, without a slash at either end, such as audit/sluice."`
	ServiceAccountKey setting.Secret `yaml:"service_account_key" default:"the service account of the machine or pod, from Google's metadata server" doc:"Key of a service account: the JSON file that Google made. It is read again for each token."`
	Endpoint          string         `yaml:"endpoint" default:"https://storage.googleapis.com" pattern:"^[Hh][Tt][Tt][Pp][Ss]?://([^\\[\\]/?#@:, ]+|\\[[^\\[\\]/?#@, ]+\\])(:[0-9]{1,5})?/?$" doc:"Another address of the service: scheme, host and port, such as that of a private endpoint."`
	AllowHTTP         bool           `yaml:"allow_http" doc:"Send requests in clear text to a host that is not loopback, with an endpoint that begins with http://."`
	TLS               setting.TLS    `yaml:"tls" default:"the system's authorities" doc:"How TLS verifies the store."`
}

// Google Cloud Storage, "Bucket naming requirements".
var googleBucket = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$`)

// Validate reports every setting that is missing or invalid.
func (s *GCSSettings) Validate() []error {
	errs := validatePlace(s.Prefix, s.Endpoint, "https://storage.googleapis.com", s.AllowHTTP)
	switch {
	case s.Bucket == "":
		errs = append(errs, setting.Invalid("bucket", errors.New("missing; name the bucket, which must exist")))
	case !googleBucket.MatchString(s.Bucket):
		errs = append(errs, setting.Invalid("bucket", fmt.Errorf("%q is not the name of a bucket; write 3 to 222 of a-z, 0-9, '.', '_' and '-', without gs:// and path", s.Bucket)))
	}
	if text, err := s.ServiceAccountKey.Value(); s.ServiceAccountKey.IsSet() && err == nil {
		if _, err := readAccount(text); err != nil {
			errs = append(errs, setting.Invalid("service_account_key", err))
		}
	}
	return errs
}

// Warnings says in which ways the settings weaken security.
func (s *GCSSettings) Warnings() []string { return warnings(s.Endpoint, &s.TLS) }

// Destination is where the objects go, for people.
func (s *GCSSettings) Destination() string {
	return "gs://" + path.Join(s.Bucket, s.Prefix) + elsewhere(s.Endpoint)
}

// GCS is a bucket of Google Cloud Storage, by its XML API, which has the operations of S3
// with other names of headers. It is asked as Google's documentation says, but was never
// tried: Google has no server to run in a test.
type GCS struct {
	bucket
	settings *GCSSettings
	bearer   *bearer
}

var _ Store = (*GCS)(nil)

// OpenGCS returns the bucket. It does not connect to the store. Create depends on
// x-goog-if-generation-match (Google Cloud Storage, "Request preconditions"): 0 is no
// object.
func OpenGCS(settings *GCSSettings) *GCS {
	g := &GCS{settings: settings}
	g.bucket = bucket{prefix: settings.Prefix, vendor: "X-Goog-", condition: "X-Goog-If-Generation-Match", absent: "0", checked: checkedGCS}
	g.to, g.client = g, newClient(&settings.TLS)
	g.bearer = &bearer{sent: &g.sent, ask: g.ask}
	return g
}

func (g *GCS) String() string { return "gs://" + path.Join(g.settings.Bucket, g.settings.Prefix) }

// checkedGCS has the checksum that Google compares.
func checkedGCS(o Object) http.Header {
	sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(o.Body, crc32.MakeTable(crc32.Castagnoli)))
	return http.Header{"X-Goog-Hash": {"crc32c=" + base64.StdEncoding.EncodeToString(sum)}}
}

func (g *GCS) forget() { g.bearer.forget() }

// sign implements dialect.
func (g *GCS) sign(ctx context.Context, r request) (*http.Request, error) {
	token, err := g.bearer.token(ctx)
	if err != nil {
		return nil, &identityError{err, "write service_account_key_file, or run where Google's metadata server knows a service account"}
	}
	at, err := url.Parse(cmp.Or(g.settings.Endpoint, "https://storage.googleapis.com"))
	if err != nil {
		return nil, err
	}
	at.Path = "/" + g.settings.Bucket
	if r.key != "" {
		at.Path += "/" + g.key(r.key)
	}
	at.RawPath, at.RawQuery = escape(at.Path), r.query.Encode()
	signed, err := http.NewRequestWithContext(ctx, r.method, at.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		signed.Header[name] = values
	}
	signed.Header.Set("User-Agent", "sluice")
	signed.Header.Set("Authorization", "Bearer "+token)
	g.sent.Request(signed)
	return signed, nil
}

// kind implements dialect. Google's codes are those of S3.
func (g *GCS) kind(op string, a *answer) error { return kindOfS3(op, a) }

// hint implements dialect.
func (g *GCS) hint(a *answer) string {
	switch g.kind("", a) {
	case ErrNoBucket:
		return fmt.Sprintf("create the bucket %s, or correct bucket: Sluice never creates one", g.settings.Bucket)
	case ErrRefused:
		return "give the service account the roles Storage Object Creator and Storage Object Viewer on the bucket (docs/object-stores.md)"
	}
	return ""
}

// peer implements dialect.
func (g *GCS) peer() setting.Peer {
	return peerOf(cmp.Or(g.settings.Endpoint, "https://storage.googleapis.com"), &g.settings.TLS)
}
