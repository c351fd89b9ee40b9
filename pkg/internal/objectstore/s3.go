package objectstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
)

// S3 is a bucket of Amazon S3, or of a store that speaks its language.
//
// It writes the six requests that a Store needs itself, and takes from AWS's SDK what is
// hard to do right: the signature, and where credentials come from. The SDK's own client of
// S3 has all 110 operations. It made the program larger by a third, against a seventh
// without it.
type S3 struct {
	settings *Settings
	identity *identity
	client   http.Client
	sent     echo.Filter // the secrets, which a store may repeat in an answer
}

var _ Store = (*S3)(nil)

// OpenS3 returns the bucket. It does not connect to the store.
func OpenS3(s *Settings) *S3 {
	return &S3{settings: s, identity: &identity{settings: s}, client: newClient(&s.TLS)}
}

// Close ends idle connections.
func (s *S3) Close() { s.client.CloseIdleConnections() }

func (s *S3) String() string { return "s3://" + path.Join(s.settings.Bucket, s.settings.Prefix) }

func (s *S3) key(key string) string {
	if s.settings.Prefix == "" {
		return key
	}
	return s.settings.Prefix + "/" + key
}

// Create implements Store. It depends on If-None-Match (Amazon S3 User Guide, "How to
// prevent object overwrites with conditional writes").
func (s *S3) Create(ctx context.Context, key string, o Object) error {
	header := s.describe(o)
	header.Set("If-None-Match", "*")
	_, err := s.do(ctx, request{op: "creating", method: http.MethodPut, key: key, header: header, body: o.Body})
	return err
}

// Put implements Store.
func (s *S3) Put(ctx context.Context, key string, o Object) error {
	_, err := s.do(ctx, request{op: "writing", method: http.MethodPut, key: key, header: s.describe(o), body: o.Body})
	return err
}

const metadataPrefix = "X-Amz-Meta-"

// describe returns the headers of an object. The checksum is for objects that are locked,
// which need one ("Object Lock considerations"). The signature has another.
func (s *S3) describe(o Object) http.Header {
	sum := sha256.Sum256(o.Body)
	header := http.Header{}
	for name, value := range map[string]string{
		"Content-Type":                                o.Type,
		"X-Amz-Checksum-Sha256":                       base64.StdEncoding.EncodeToString(sum[:]),
		"X-Amz-Storage-Class":                         o.Class,
		"X-Amz-Server-Side-Encryption":                s.settings.Encryption,
		"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": s.settings.KMSKeyID,
	} {
		if value != "" {
			header.Set(name, value)
		}
	}
	if o.Lock != nil {
		header.Set("X-Amz-Object-Lock-Mode", o.Lock.Mode)
		header.Set("X-Amz-Object-Lock-Retain-Until-Date", o.Lock.Until.UTC().Format(time.RFC3339))
	}
	for name, value := range o.Metadata {
		header.Set(metadataPrefix+name, value)
	}
	return header
}

// Read implements Store.
func (s *S3) Read(ctx context.Context, key string) (Object, error) {
	r, err := s.do(ctx, request{op: "reading", method: http.MethodGet, key: key})
	if err != nil {
		return Object{}, err
	}
	return Object{Body: r.body, Type: r.header.Get("Content-Type"), Metadata: metadata(r.header)}, nil
}

// Head implements Store.
func (s *S3) Head(ctx context.Context, key string) (Info, error) {
	r, err := s.do(ctx, request{op: "looking at", method: http.MethodHead, key: key})
	if err != nil {
		return Info{}, err
	}
	info := Info{Key: key, Metadata: metadata(r.header)}
	if info.Size, err = strconv.ParseInt(r.header.Get("Content-Length"), 10, 64); err != nil {
		return Info{}, s.unreadable("looking at", key, err)
	}
	if info.Modified, err = http.ParseTime(r.header.Get("Last-Modified")); err != nil {
		return Info{}, s.unreadable("looking at", key, err)
	}
	return info, nil
}

func metadata(header http.Header) map[string]string {
	m := map[string]string{}
	for name := range header {
		if key, ok := strings.CutPrefix(name, metadataPrefix); ok {
			m[strings.ToLower(key)] = header.Get(name)
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// listing is the answer of ListObjectsV2. Keys are escaped as in a URL, since XML cannot
// hold all characters.
type listing struct {
	EncodingType string
	IsTruncated  bool
	Contents     []struct {
		Key          string
		Size         int64
		LastModified time.Time
	}
}

// List implements Store.
func (s *S3) List(ctx context.Context, prefix, after string) (infos []Info, more bool, err error) {
	query := url.Values{"prefix": {s.key(prefix)}, "max-keys": {strconv.Itoa(Page)}}
	if after != "" {
		query.Set("start-after", s.key(after))
	}
	l, err := s.list(ctx, prefix, query)
	if err != nil {
		return nil, false, err
	}
	for _, o := range l.Contents {
		key := o.Key
		if l.EncodingType == "url" {
			if key, err = url.QueryUnescape(key); err != nil {
				return nil, false, s.unreadable("listing", prefix, err)
			}
		}
		key, ours := strings.CutPrefix(key, s.key(""))
		if !ours || key <= after {
			return nil, false, s.unreadable("listing", prefix, fmt.Errorf("it lists what was not asked for: a key beside the prefix, or one before %q", after))
		}
		infos = append(infos, Info{Key: key, Size: o.Size, Modified: o.LastModified})
	}
	return infos, l.IsTruncated, nil
}

func (s *S3) list(ctx context.Context, prefix string, query url.Values) (l listing, err error) {
	query.Set("list-type", "2")
	query.Set("encoding-type", "url")
	r, err := s.do(ctx, request{op: "listing", method: http.MethodGet, of: prefix, query: query})
	if err != nil {
		return l, err
	}
	if err := xml.Unmarshal(r.body, &l); err != nil {
		return l, s.unreadable("listing", prefix, err)
	}
	return l, nil
}

// Delete implements Store.
func (s *S3) Delete(ctx context.Context, key string) error {
	_, err := s.do(ctx, request{op: "deleting", method: http.MethodDelete, key: key})
	return err
}

// Reach implements Store. It lists a key: unlike a look at the bucket, that gives a reason
// when it is refused.
func (s *S3) Reach(ctx context.Context) error {
	_, err := s.list(ctx, "", url.Values{"prefix": {s.key("")}, "max-keys": {"1"}})
	return err
}
