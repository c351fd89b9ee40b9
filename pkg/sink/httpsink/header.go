package httpsink

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// Headers with which a request describes itself.
const (
	// idempotencyKey is what the servers that know retries call the name of a request (IETF,
	// draft-ietf-httpapi-idempotency-key-header).
	idempotencyKey = "Idempotency-Key"
	// sentIdempotencyKey is the same name, as no key of http.Header that net/http knows. With
	// the known one it would send a request again by itself, although the server may have
	// it (net/http, request.go: isReplayable).
	sentIdempotencyKey = "idempotency-key"
	eventCount         = "X-Sluice-Event-Count"
)

// own are the headers that the sink, or HTTP itself, sets.
var own = map[string]string{
	"Content-Type":          "write content_type",
	"Content-Encoding":      "write compression",
	"Content-Length":        "remove it; Sluice sets it",
	"Transfer-Encoding":     "remove it; Sluice sets it",
	"Connection":            "remove it; Sluice sets it",
	"Host":                  "write the host in url",
	"User-Agent":            "remove it; it is always sluice",
	idempotencyKey:          "remove it; Sluice sets it",
	"X-Idempotency-Key":     "remove it; Sluice sends Idempotency-Key", // net/http takes it for the same
	eventCount:              "remove it; Sluice sets it",
	posting.SignatureHeader: "write auth, with type: hmac_sha256",
}

// checkHeaderName checks the name of a header (RFC 9110, section 5.1).
func checkHeaderName(name string) error {
	token := func(c rune) bool {
		return c > ' ' && c < 0x7f && !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	}
	if name == "" || strings.ContainsFunc(name, func(c rune) bool { return !token(c) }) {
		return errors.New("is no name of a header; write letters, digits and hyphens")
	}
	if advice, reserved := own[http.CanonicalHeaderKey(name)]; reserved {
		return fmt.Errorf("is a header of Sluice's own; %s", advice)
	}
	return nil
}

// checkHeader checks the value of a header (RFC 9110, section 5.5).
func checkHeader(value setting.Secret) error {
	text, err := value.Value()
	if err != nil {
		return err
	}
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return errors.New("has a line end or a control character in it; write one line")
	}
	return nil
}

func validateHeaders(headers map[string]setting.Secret) (errs []error) {
	names := make([]string, 0, len(headers))
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	before := map[string]bool{}
	for _, name := range names {
		err := checkHeaderName(name)
		if canonical := http.CanonicalHeaderKey(name); err == nil && before[canonical] {
			err = errors.New("is given twice, in other letters; keep one of them")
		} else {
			before[canonical] = true
		}
		if err == nil {
			err = checkHeader(headers[name])
		}
		if err != nil {
			errs = append(errs, setting.Invalid("headers."+name, err))
		}
	}
	return errs
}
