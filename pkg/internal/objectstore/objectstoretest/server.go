package objectstoretest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
)

// What clients of a Server must be configured with.
const (
	BucketName   = "audit"
	BucketRegion = "eu-central-1"
	KeyID        = "AKIAIOSFODNN7EXAMPLE"
	Secret       = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// Server serves a Store as Amazon S3 would, with the bucket in the path. It checks the
// signature and both checksums of each request, and refuses what Sluice has no business to
// ask for. Faults that the Store is told become the answers of S3, or ended connections.
type Server struct{ Store *Store }

// answer is an error as S3 sends it.
type answer struct {
	status        int
	code, message string
}

func (s Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if a := check(r, body); a.status != 0 {
		s.refuse(w, r, a)
		return
	}
	s.serve(w, r, body)
}

// serve answers a request that was found sound.
func (s Server) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case bucket != BucketName:
		s.refuse(w, r, answer{http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist"})
	case r.Method == http.MethodPut && key != "":
		s.put(w, r, key, body)
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) && key != "":
		s.read(w, r, key)
	case r.Method == http.MethodDelete && key != "":
		if err := s.Store.Delete(r.Context(), key); err != nil {
			s.fail(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet:
		s.list(w, r)
	default:
		s.refuse(w, r, answer{http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource."})
	}
}

// check refuses a request that was changed on its way, or that somebody else signed.
func check(r *http.Request, body []byte) answer {
	sum := sha256.Sum256(body)
	if r.Header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(sum[:]) {
		return answer{http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."}
	}
	if r.Method == http.MethodPut && r.Header.Get("X-Amz-Checksum-Sha256") != base64.StdEncoding.EncodeToString(sum[:]) {
		return answer{http.StatusBadRequest, "BadDigest", "The SHA256 you specified did not match the calculated checksum."}
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > 15*time.Minute {
		return answer{http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."}
	}
	if !strings.Contains(r.Header.Get("Authorization"), "Credential="+KeyID+"/") {
		return answer{http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."}
	}
	if !strings.Contains(r.Header.Get("Authorization"), "/"+BucketRegion+"/s3/aws4_request") {
		return answer{http.StatusBadRequest, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region is wrong"}
	}
	if r.Header.Get("Authorization") != signature(r, at) {
		return answer{http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."}
	}
	return answer{}
}

// signature signs what the client says that it signed, as the owner of the key would.
func signature(r *http.Request, at time.Time) string {
	again := r.Clone(r.Context())
	again.URL.Scheme, again.URL.Host = "http", r.Host
	again.Header = http.Header{}
	_, names, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	names, _, _ = strings.Cut(names, ",")
	for name := range strings.SplitSeq(names, ";") {
		if values := r.Header.Values(name); len(values) > 0 {
			again.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	owner := aws.Credentials{AccessKeyID: KeyID, SecretAccessKey: Secret, SessionToken: r.Header.Get("X-Amz-Security-Token")}
	err := v4.NewSigner().SignHTTP(r.Context(), owner, again, r.Header.Get("X-Amz-Content-Sha256"), "s3", BucketRegion, at, func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = true
	})
	if err != nil {
		return ""
	}
	return again.Header.Get("Authorization")
}

// version is the ETag of all objects: nobody compares them.
const version = `"5d41402abc4b2a76b9719d911017c592"`

const metadataPrefix = "X-Amz-Meta-"

func (s Server) put(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	o := objectstore.Object{Body: body, Type: r.Header.Get("Content-Type"), Class: r.Header.Get("X-Amz-Storage-Class")}
	for name := range r.Header {
		if name, ok := strings.CutPrefix(name, metadataPrefix); ok {
			if o.Metadata == nil {
				o.Metadata = map[string]string{}
			}
			o.Metadata[strings.ToLower(name)] = r.Header.Get(metadataPrefix + name)
		}
	}
	if mode := r.Header.Get("X-Amz-Object-Lock-Mode"); mode != "" {
		until, err := time.Parse(time.RFC3339, r.Header.Get("X-Amz-Object-Lock-Retain-Until-Date"))
		if err != nil || mode != "GOVERNANCE" && mode != "COMPLIANCE" {
			s.refuse(w, r, answer{http.StatusBadRequest, "InvalidArgument", "The retention is not valid"})
			return
		}
		o.Lock = func(time.Time) *objectstore.Lock { return &objectstore.Lock{Mode: mode, Until: until} }
	}
	write := s.Store.Put
	switch condition := r.Header.Get("If-None-Match"); condition {
	case "":
	case "*":
		write = s.Store.Create
	default:
		s.refuse(w, r, answer{http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented"})
		return
	}
	if err := write(r.Context(), key, o); err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("ETag", version)
}

func (s Server) read(w http.ResponseWriter, r *http.Request, key string) {
	info, err := s.Store.Head(r.Context(), key)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var o objectstore.Object
	if r.Method == http.MethodGet {
		if o, err = s.Store.Read(r.Context(), key); err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", o.Type)
	}
	for name, value := range info.Metadata {
		w.Header().Set(metadataPrefix+name, value)
	}
	w.Header().Set("ETag", version)
	w.Header().Set("Last-Modified", info.Modified.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Length", fmt.Sprint(info.Size))
	_, _ = w.Write(o.Body) // The client may have gone.
}

func (s Server) list(w http.ResponseWriter, r *http.Request) {
	type entry struct {
		Key          string
		Size         int64
		LastModified time.Time
	}
	result := struct {
		XMLName     xml.Name `xml:"ListBucketResult"`
		IsTruncated bool
		Contents    []entry
	}{}
	query := r.URL.Query()
	if query.Get("list-type") != "2" {
		s.refuse(w, r, answer{http.StatusNotImplemented, "NotImplemented", "Only ListObjectsV2 is"})
		return
	}
	infos, more, err := s.Store.List(r.Context(), query.Get("prefix"), query.Get("start-after"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	for _, info := range infos {
		result.Contents = append(result.Contents, entry{info.Key, info.Size, info.Modified.UTC()})
	}
	result.IsTruncated = more
	_ = xml.NewEncoder(w).Encode(result) // The client may have gone.
}

// fail answers with an error of the store.
func (s Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, ErrDown):
		panic(http.ErrAbortHandler)
	case errors.Is(err, objectstore.ErrExists):
		s.refuse(w, r, answer{http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"})
	case errors.Is(err, objectstore.ErrNotFound):
		s.refuse(w, r, answer{http.StatusNotFound, "NoSuchKey", "The specified key does not exist."})
	case errors.Is(err, objectstore.ErrNoBucket):
		s.refuse(w, r, answer{http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist"})
	case errors.Is(err, objectstore.ErrRefused):
		s.refuse(w, r, answer{http.StatusForbidden, "AccessDenied", "Access Denied"})
	case errors.Is(err, objectstore.ErrRegion):
		w.Header().Set("X-Amz-Bucket-Region", "us-west-2")
		s.refuse(w, r, answer{http.StatusMovedPermanently, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint."})
	case strings.Contains(err.Error(), "ConditionalRequestConflict"):
		s.refuse(w, r, answer{http.StatusConflict, "ConditionalRequestConflict", "A conflicting conditional operation is currently in progress against this resource."})
	case errors.Is(err, objectstore.ErrBusy):
		w.Header().Set("Retry-After", "2")
		s.refuse(w, r, answer{http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate."})
	default:
		s.refuse(w, r, answer{http.StatusBadRequest, "InvalidRequest", err.Error()})
	}
}

func (s Server) refuse(w http.ResponseWriter, r *http.Request, a answer) {
	w.Header().Set("X-Amz-Request-Id", "4442587FB7D0A2F9")
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		var text bytes.Buffer
		_ = xml.EscapeText(&text, []byte(a.message)) // A Buffer takes everything.
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", a.code, text.String())
	}
}
