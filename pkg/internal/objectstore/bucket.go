package objectstore

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// bucket has the operations of S3 and of Google Cloud Storage's XML API, which differ in
// the names of headers only.
type bucket struct {
	link
	prefix string // of all keys; empty: none
	vendor string // beginning of headers: X-Amz- or X-Goog-

	// condition is the header that lets a write create only, with its value.
	condition, absent string
	// checked are the headers of an object that differ: checksum and encryption.
	checked func(Object) http.Header
}

func (b *bucket) key(key string) string {
	if b.prefix == "" {
		return key
	}
	return b.prefix + "/" + key
}

// describe returns the headers of an object.
func (b *bucket) describe(o Object) http.Header {
	header := b.checked(o)
	set := func(name, value string) {
		if value != "" {
			header.Set(name, value)
		}
	}
	set("Content-Type", o.Type)
	set(b.vendor+"Storage-Class", o.Class)
	if o.Lock != nil {
		lock := o.Lock(time.Now())
		set(b.vendor+"Object-Lock-Mode", lock.Mode)
		set(b.vendor+"Object-Lock-Retain-Until-Date", lock.Until.UTC().Format(time.RFC3339))
	}
	for name, value := range o.Metadata {
		header.Set(b.vendor+"Meta-"+name, value)
	}
	return header
}

const notTheStore = "make sure that endpoint is the store itself, and that no proxy on the way answers in its place"

// about sends a request about an object. The store names its version (ETag), as every store
// does. Whatever else answers with success, such as a proxy that shows a page to people, has
// not stored anything.
func (b *bucket) about(ctx context.Context, r request) (response, error) {
	answered, err := b.do(ctx, r)
	if err == nil && answered.header.Get("ETag") == "" {
		return response{}, sink.Hint(b.unanswered(r, errors.New("the answer names no version of the object (ETag), so it is not the store's")), notTheStore)
	}
	return answered, err
}

// Create implements Store.
func (b *bucket) Create(ctx context.Context, key string, o Object) error {
	header := b.describe(o)
	header.Set(b.condition, b.absent)
	_, err := b.about(ctx, request{op: "creating", method: http.MethodPut, key: key, header: header, body: o.Body})
	return err
}

// Put implements Store.
func (b *bucket) Put(ctx context.Context, key string, o Object) error {
	_, err := b.about(ctx, request{op: "writing", method: http.MethodPut, key: key, header: b.describe(o), body: o.Body})
	return err
}

// Read implements Store.
func (b *bucket) Read(ctx context.Context, key string) (Object, error) {
	r, err := b.about(ctx, request{op: "reading", method: http.MethodGet, key: key})
	if err != nil {
		return Object{}, err
	}
	return Object{Body: r.body, Type: r.header.Get("Content-Type"), Metadata: b.metadata(r.header)}, nil
}

// Head implements Store.
func (b *bucket) Head(ctx context.Context, key string) (Info, error) {
	r, err := b.about(ctx, request{op: "looking at", method: http.MethodHead, key: key})
	if err != nil {
		return Info{}, err
	}
	return b.known(key, r.header, b.metadata(r.header))
}

func (b *bucket) metadata(header http.Header) map[string]string {
	m := map[string]string{}
	for name := range header {
		if key, ok := strings.CutPrefix(name, b.vendor+"Meta-"); ok {
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
	XMLName               xml.Name `xml:"ListBucketResult"` // HTML of a proxy is no empty list
	EncodingType          string
	IsTruncated           bool
	NextContinuationToken string
	Contents              []struct {
		Key          string
		Size         int64
		LastModified time.Time
	}
}

// List implements Store.
func (b *bucket) List(ctx context.Context, prefix, after string) (infos []Info, more bool, err error) {
	query := url.Values{"prefix": {b.key(prefix)}, "max-keys": {strconv.Itoa(Page)}}
	if after != "" {
		query.Set("start-after", b.key(after))
	}
	for {
		l, err := b.list(ctx, prefix, query)
		if err != nil {
			return nil, false, err
		}
		infos, err := b.contents(l, prefix, after)
		switch {
		case err != nil || len(infos) > 0 || !l.IsTruncated:
			return infos, l.IsTruncated && err == nil, err
		case l.NextContinuationToken == "" || l.NextContinuationToken == query.Get("continuation-token"):
			return nil, false, b.unreadable("listing", prefix, errors.New("it lists nothing, and says that there is more, but not where"))
		}
		// A page may be empty, and others follow.
		query.Set("continuation-token", l.NextContinuationToken)
	}
}

// contents returns the objects of a listing. The key of a folder, which consoles create, is
// none.
func (b *bucket) contents(l listing, prefix, after string) (infos []Info, err error) {
	for _, o := range l.Contents {
		key := o.Key
		if l.EncodingType == "url" {
			if key, err = url.QueryUnescape(key); err != nil {
				return nil, b.unreadable("listing", prefix, err)
			}
		}
		key, ours := strings.CutPrefix(key, b.key(""))
		if !ours || key <= after {
			return nil, b.unreadable("listing", prefix, fmt.Errorf("it lists what was not asked for: a key beside the prefix, or one before %q", after))
		}
		if !strings.HasSuffix(key, "/") {
			infos = append(infos, Info{Key: key, Size: o.Size, Modified: o.LastModified})
		}
	}
	return infos, nil
}

func (b *bucket) list(ctx context.Context, prefix string, query url.Values) (l listing, err error) {
	query.Set("list-type", "2")
	query.Set("encoding-type", "url")
	r, err := b.do(ctx, request{op: "listing", method: http.MethodGet, of: prefix, query: query})
	if err != nil {
		return l, err
	}
	if err := xml.Unmarshal(r.body, &l); err != nil {
		return l, sink.Hint(b.unreadable("listing", prefix, err), notTheStore)
	}
	return l, nil
}

// Delete implements Store.
func (b *bucket) Delete(ctx context.Context, key string) error {
	_, err := b.do(ctx, request{op: "deleting", method: http.MethodDelete, key: key})
	if errors.Is(err, ErrNotFound) { // Google says so, S3 does not.
		return nil
	}
	return err
}

// Reach implements Store. It lists a key: unlike a look at the bucket, that gives a reason
// when it is refused.
func (b *bucket) Reach(ctx context.Context) error {
	_, err := b.list(ctx, "", url.Values{"prefix": {b.key("")}, "max-keys": {"1"}})
	return err
}
