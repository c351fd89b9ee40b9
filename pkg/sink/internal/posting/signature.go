package posting

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// SignatureHeader has the signature of a request.
const SignatureHeader = "X-Sluice-Signature"

// Signature signs requests with HMAC-SHA256 (RFC 2104) over the time and the body, as it is
// sent: compressed, if it is. The key never leaves the process. Name is its key in the
// settings.
func Signature(log zerolog.Logger, name string, key setting.Secret) Credential {
	return signature{secret{log, name, key.Rotation(), key.Rotation().Value, nil}}
}

type signature struct{ secret }

func (s signature) Authorize(_ context.Context, r *http.Request, body []byte) (string, error) {
	key, err := s.value()
	if err != nil {
		return "", unreadable(s.key, err)
	}
	r.Header.Set(SignatureHeader, Sign(key, time.Now(), body))
	return key, nil
}

// Sign returns the value of SignatureHeader: t is the time in seconds of Unix, and v1 the
// signature, in hexadecimal digits, of t, a full stop and the body.
func Sign(key string, at time.Time, body []byte) string {
	t := fmt.Sprint(at.Unix())
	sum := hmac.New(sha256.New, []byte(key))
	sum.Write([]byte(t + "."))
	sum.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(sum.Sum(nil))
}
