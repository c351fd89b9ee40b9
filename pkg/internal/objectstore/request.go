package objectstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
)

const (
	// RequestTimeout limits the time of a request and its answer, of any Store.
	RequestTimeout = time.Minute
	// connections is the most that are open to the store at once.
	connections = 16
)

func newClient(tls *setting.TLS) http.Client {
	return http.Client{
		Transport: tls.Transport(&http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second,
			MaxConnsPerHost:     connections,
			MaxIdleConnsPerHost: connections,
			IdleConnTimeout:     30 * time.Second,
			// An object is read as it is stored.
			DisableCompression: true,
		}),
		// A redirect would carry the credentials to another address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dialect is what differs between stores.
type dialect interface {
	String() string
	// sign makes a request with all that shows who sends it.
	sign(ctx context.Context, r request) (*http.Request, error)
	// kind is that of an error.
	kind(op string, a *answer) error
	// hint is what to do about an answer.
	hint(a *answer) string
	// forget has the next request look for credentials again.
	forget()
	// peer describes the store to people.
	peer() setting.Peer
}

// link sends requests to a store.
type link struct {
	to     dialect
	client http.Client
	sent   echo.Filter // the secrets, which a store may repeat in an answer
}

// Close ends idle connections.
func (l *link) Close() { l.client.CloseIdleConnections() }

// request is one request about a key, or without one about the bucket.
type request struct {
	op     string // as in Error
	method string
	key    string
	of     string // the prefix that is listed, for errors
	query  url.Values
	header http.Header
	body   []byte
}

// response is the answer of a request that succeeded.
type response struct {
	header http.Header
	body   []byte
}

// do sends a request once. The second attempt of a Create would find what the first wrote.
func (l *link) do(ctx context.Context, r request) (response, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	signed, err := l.to.sign(ctx, r)
	if err != nil {
		return response{}, l.unanswered(r, err)
	}
	answered, err := l.client.Do(signed)
	if err != nil {
		return response{}, l.unanswered(r, err)
	}
	defer answered.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answered.Body, MaxBody+1))
	switch {
	case err != nil:
		return response{}, l.unanswered(r, fmt.Errorf("reading the answer: %w", err))
	case len(body) > MaxBody:
		return response{}, l.unanswered(r, fmt.Errorf("the answer has more than %d bytes", MaxBody))
	case answered.StatusCode < 200 || answered.StatusCode > 299:
		return response{}, l.refusal(r, l.readAnswer(answered, body), answered.Header)
	}
	return response{answered.Header, body}, nil
}

// sign makes the request and signs it (AWS Signature Version 4). S3 takes the path as it is
// escaped in the request; other services escape it once more.
func (s *S3) sign(ctx context.Context, r request) (*http.Request, error) {
	config, err := s.identity.config(ctx)
	if err != nil {
		return nil, err
	}
	credentials, err := config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, noIdentity(err)
	}
	at, err := s.address(config.Region, r)
	if err != nil {
		return nil, err
	}
	signed, err := http.NewRequestWithContext(ctx, r.method, at.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		signed.Header[name] = values
	}
	sum := sha256.Sum256(r.body)
	payload := hex.EncodeToString(sum[:])
	signed.Header.Set("X-Amz-Content-Sha256", payload)
	signed.Header.Set("User-Agent", "sluice")
	// A signature is no secret: it is for this request alone, which is over when it is shown.
	s.sent.Request(signed)
	s.sent.Sent(credentials.SessionToken)
	err = v4.NewSigner().SignHTTP(ctx, credentials, signed, payload, "s3", config.Region, time.Now(), func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = true
	})
	return signed, err
}

// address returns the URL of a request. A bucket with a dot in its name has no certificate
// for a host of its own.
func (s *S3) address(region string, r request) (*url.URL, error) {
	endpoint := s.settings.Endpoint
	if endpoint == "" {
		endpoint = amazon(region)
	}
	at, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	at.Path = "/"
	if s.settings.PathStyle || strings.Contains(s.settings.Bucket, ".") {
		at.Path += s.settings.Bucket
	} else {
		at.Host = s.settings.Bucket + "." + at.Host
	}
	if r.key != "" {
		at.Path = strings.TrimSuffix(at.Path, "/") + "/" + s.key(r.key)
	}
	at.RawPath, at.RawQuery = escape(at.Path), r.query.Encode()
	return at, nil
}

// amazon is the endpoint of a region (AWS General Reference, "Amazon S3 endpoints and
// quotas").
func amazon(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "https://s3." + region + ".amazonaws.com.cn"
	}
	return "https://s3." + region + ".amazonaws.com"
}

// escape escapes all but what Signature Version 4 leaves as it is.
func escape(path string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/"
	var b strings.Builder
	for i := range len(path) {
		if strings.IndexByte(plain, path[i]) >= 0 {
			b.WriteByte(path[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", path[i])
		}
	}
	return b.String()
}

// readAnswer takes what people need out of an answer that is no success.
func (l *link) readAnswer(r *http.Response, body []byte) *answer {
	var said struct{ Code, Message, Region, RequestID string }
	if err := xml.Unmarshal(body, &said); err != nil { // Head has no body, and a proxy sends HTML.
		said.Message = string(body)
	}
	const most = 300
	show := func(text string) string { return httpclient.Excerpt(text, &l.sent, most) }
	a := &answer{
		status: r.StatusCode, code: show(cmp.Or(said.Code, r.Header.Get("X-Ms-Error-Code"))), message: show(said.Message), region: show(said.Region),
		request: show(cmp.Or(r.Header.Get("X-Amz-Request-Id"), r.Header.Get("X-GUploader-UploadID"), r.Header.Get("X-Ms-Request-Id"))), advice: l.to.peer().ExplainAnswer(r.StatusCode, body),
	}
	if region := r.Header.Get("X-Amz-Bucket-Region"); region != "" {
		a.region = show(region)
	}
	return a
}

// known reads what the headers of an answer to Head tell of an object.
func (l *link) known(key string, header http.Header, metadata map[string]string) (info Info, err error) {
	info = Info{Key: key, Metadata: metadata}
	if info.Size, err = strconv.ParseInt(header.Get("Content-Length"), 10, 64); err != nil {
		return Info{}, l.unreadable("looking at", key, err)
	}
	if info.Modified, err = http.ParseTime(header.Get("Last-Modified")); err != nil {
		return Info{}, l.unreadable("looking at", key, err)
	}
	return info, nil
}
