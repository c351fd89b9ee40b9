package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/internal/regular"
	"github.com/sluice-siem/sluice/pkg/lookout"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// credentialPause is how often the files with credentials are looked at.
const credentialPause = time.Second

// watchCredentials says when a file with a credential has another content. Connections use
// it from then on.
func (b *builder) watchCredentials(say func(ownlog.Event) bool) func(context.Context) error {
	seen := map[string]fingerprint{}
	return func(ctx context.Context) error {
		tick := time.NewTicker(credentialPause)
		defer tick.Stop()
		for {
			for _, c := range b.now.Load().Credentials() {
				path := c.File()
				before, known := seen[path]
				now, err := before.again(path)
				switch {
				case path == "" || err != nil: // It may be in the middle of a rotation.
					continue
				case known && now.content != before.content && !say(changed(c)):
					continue
				}
				seen[path] = now
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// fingerprint tells whether a file has changed. It does not reveal the content.
type fingerprint struct {
	size    int64
	at      time.Time
	content [sha256.Size]byte
}

// maxCredential bounds what is read of a file with a credential.
const maxCredential = 1 << 20

// again returns the fingerprint that the file has now. It reads the file if it looks different.
func (p fingerprint) again(path string) (fingerprint, error) {
	info, err := os.Stat(path)
	if err != nil {
		return p, err
	}
	if info.Size() == p.size && info.ModTime().Equal(p.at) {
		return p, nil
	}
	content, err := readCredential(path)
	return fingerprint{info.Size(), info.ModTime(), sha256.Sum256(content)}, err
}

func readCredential(path string) (_ []byte, err error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.LimitReader(f, maxCredential))
}

func changed(c config.Credential) ownlog.Event {
	of := holder(c)
	e := ownlog.New(ownlog.CredentialChanged, of, fmt.Sprintf("The file with %s of %s changed: %s", c.Key, strings.TrimSpace(of.Type+" "+of.Name), c.File()))
	e.Details = map[string]any{"key": c.Key, "file": c.File()}
	return e
}

// holder is whose credential it is.
func holder(c config.Credential) ownlog.Party {
	if c.Name == "" { // The state or the admin server.
		return ownlog.Party{Type: "configuration", Name: c.Kind}
	}
	return ownlog.Party{Type: c.Kind, Name: c.Name}
}

// expiries lists the credentials whose end is known: certificates, and tokens that say it.
func (b *builder) expiries() (list []lookout.Expiry) {
	for _, c := range b.now.Load().Credentials() {
		what, end := c.Key, time.Time{}
		if c.Certificate != "" {
			what, end = c.Key+" "+c.Certificate, certificateEnd(c.Certificate)
		} else if token, err := c.Secret.Value(); err == nil {
			end = tokenEnd(token)
		}
		if !end.IsZero() {
			list = append(list, lookout.Expiry{Subject: holder(c), What: what, End: end})
		}
	}
	return list
}

// certificateEnd returns when the first certificate of a PEM file expires; zero if there is
// none.
func certificateEnd(path string) time.Time {
	data, err := readCredential(path)
	for block, rest := pem.Decode(data); err == nil && block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
				return cert.NotAfter
			}
		}
	}
	return time.Time{}
}

// tokenEnd returns when a JSON Web Token expires (RFC 7519, section 4.1.4); zero for any
// other token.
func tokenEnd(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	var claim struct {
		Expires float64 `json:"exp"`
	}
	if err := json.NewDecoder(bytes.NewReader(claims)).Decode(&claim); err != nil || claim.Expires <= 0 {
		return time.Time{}
	}
	return time.Unix(int64(claim.Expires), 0)
}
