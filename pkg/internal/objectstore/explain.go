package objectstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// answer is what the store said. Codes are those of the Amazon S3 API Reference, "Error
// responses". An answer to Head has none.
type answer struct {
	status        int
	code, message string
	region        string // where the bucket is, if the store says it
	request       string // id of the request
	advice        setting.Advice
}

func (a *answer) Error() string {
	text := fmt.Sprintf("the store answers %d", a.status)
	if a.code != "" {
		text += " " + a.code
	}
	if a.message != "" {
		text += ": " + a.message
	}
	if a.request != "" {
		text += " (request " + a.request + ")"
	}
	return text
}

func (l *link) failed(r request) *Error {
	of := r.key
	if of == "" {
		of = r.of
	}
	return &Error{Op: r.op, At: strings.TrimSuffix(l.to.String()+"/"+of, "/")}
}

// refusal classifies an answer that is no success.
func (l *link) refusal(r request, a *answer, header http.Header) error {
	e := l.failed(r)
	e.Cause, e.Kind, e.After = a, l.to.kind(r.op, a), httpclient.RetryAfter(header)
	if e.Kind == ErrRefused {
		l.to.forget()
	}
	if a.advice.Stays {
		return sink.Destination(e, a.advice.Hint)
	}
	return Fault(e, l.to.hint(a))
}

// unreadable is an error of an answer that makes no sense.
func (l *link) unreadable(op, key string, err error) error {
	return l.unanswered(request{op: op, key: key}, fmt.Errorf("the store's answer cannot be read: %w", err))
}

// kind implements dialect.
func (s *S3) kind(op string, a *answer) error { return kindOfS3(op, a) }

func kindOfS3(op string, a *answer) error {
	switch {
	case a.code == "NoSuchBucket":
		return ErrNoBucket
	// An answer to Head has no code. Any other 404 is of somebody else, such as a proxy.
	case a.status == http.StatusNotFound && (a.code == "NoSuchKey" || a.code == "" && op == "looking at"):
		return ErrNotFound
	case a.code == "InvalidRequest" && strings.Contains(a.message, "Object Lock"):
		return ErrUnsupported
	case a.status == http.StatusPreconditionFailed && op == "creating":
		return ErrExists
	// The code says that another conditional write of this key is under way, or that a
	// Delete overtook this one.
	case a.status == http.StatusConflict, a.status == http.StatusTooManyRequests, a.status == http.StatusServiceUnavailable, a.code == "SlowDown":
		return ErrBusy
	case a.status == http.StatusMovedPermanently, a.status == http.StatusTemporaryRedirect, a.status == http.StatusPermanentRedirect,
		a.code == "AuthorizationHeaderMalformed", a.code == "IllegalLocationConstraintException":
		return ErrRegion
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden, slices.Contains(refusals, a.code):
		return ErrRefused
	case a.status == http.StatusNotImplemented, a.status == http.StatusMethodNotAllowed, a.code == "NotImplemented":
		return ErrUnsupported
	}
	return nil
}

// refusals are codes of answers about credentials that have status 400.
var refusals = []string{"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId"}

// hint implements dialect.
func (s *S3) hint(a *answer) string {
	switch {
	case a.code == "NoSuchBucket":
		return fmt.Sprintf("create the bucket %s, or correct bucket, region or endpoint: Sluice never creates one", s.settings.Bucket)
	case s.kind("", a) == ErrRegion && a.region != "":
		return fmt.Sprintf("the bucket is in %s: write region: %[1]s", a.region)
	case s.kind("", a) == ErrRegion:
		return "write the region in which the bucket is"
	case a.code == "RequestTimeTooSkewed":
		return "set the clock of this machine: a request may be at most 15 minutes old"
	case a.code == "InvalidAccessKeyId":
		return "there is no such access key: it may have been deleted, or belong to another store"
	case a.code == "SignatureDoesNotMatch":
		return "secret_access_key does not belong to access_key_id"
	case a.code == "ExpiredToken":
		return "the temporary credentials have expired: renew session_token, or let a role provide them"
	case strings.HasPrefix(a.code, "KMS."):
		return "make sure that kms_key_id exists, is enabled, and is in the bucket's region"
	case a.code == "InvalidRequest" && strings.Contains(a.message, "Object Lock"):
		return "turn Object Lock on for the bucket, or remove object_lock"
	case a.code == "InvalidStorageClass":
		return "the store does not know storage_class: remove it, or choose another"
	case s.kind("", a) == ErrRefused:
		return "allow s3:PutObject, s3:GetObject and s3:ListBucket for the bucket and prefix (docs/s3.md has the whole policy); with sse: aws:kms also kms:GenerateDataKey and kms:Decrypt for the key"
	case s.kind("", a) == ErrUnsupported:
		return "use a store that knows If-None-Match on PutObject (docs/s3.md names some), or delivery: at_least_once"
	}
	return ""
}

// unanswered explains an error of a request without an answer.
func (l *link) unanswered(r request, err error) error {
	e := l.failed(r)
	timeout := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	if id, ok := errors.AsType[*identityError](err); ok && !timeout {
		e.Kind, e.Cause = ErrRefused, l.sent.Error(fmt.Errorf("there are no credentials: %w", id.error))
		return Fault(e, id.hint)
	}
	if errors.Is(err, errNoRegion) {
		e.Cause = err
		return sink.Destination(e, "write the region in which the bucket is")
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok { // It repeats the address, which At has.
		err = wrapped.Err
	}
	e.Cause = l.sent.Error(err)
	advice := l.to.peer().Explain(err)
	if advice.Stays {
		return sink.Destination(e, advice.Hint)
	}
	return Fault(e, advice.Hint)
}

// peer implements dialect.
func (s *S3) peer() setting.Peer {
	p := peerOf(cmp.Or(s.settings.Endpoint, "https://"+s.settings.Bucket+".s3.amazonaws.com"), &s.settings.TLS)
	if s.settings.Endpoint != "" && !s.settings.PathStyle {
		p.Elsewhere = "without path_style: true the bucket is part of the name of the host, which many stores do not have"
	}
	return p
}
