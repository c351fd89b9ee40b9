package objectstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// rig is a server and settings for it.
type rig struct {
	store    *objectstoretest.Store
	settings *objectstore.Settings
	seen     atomic.Pointer[http.Header] // of the last request
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{store: objectstoretest.New()}
	handler := objectstoretest.Server{Store: r.store}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		seen := req.Header.Clone()
		r.seen.Store(&seen)
		handler.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	r.settings = &objectstore.Settings{
		Bucket: objectstoretest.BucketName, Prefix: "team/audit", Region: objectstoretest.BucketRegion, Endpoint: server.URL, PathStyle: true,
		AccessKeyID: setting.NewSecret(objectstoretest.KeyID), SecretAccessKey: setting.NewSecret(objectstoretest.Secret),
	}
	return r
}

func (r *rig) open(t *testing.T) *objectstore.S3 {
	s := objectstore.OpenS3(r.settings)
	t.Cleanup(s.Close)
	return s
}

func TestS3(t *testing.T) { objectstoretest.Run(t, newRig(t).open(t)) }

func TestS3ListsBeyondAPage(t *testing.T) {
	r := newRig(t)
	for i := range objectstore.Page + 1 {
		if err := r.store.Create(t.Context(), fmt.Sprintf("team/audit/log/%04d", i), objectstore.Object{}); err != nil {
			t.Fatal(err)
		}
	}
	infos, more, err := r.open(t).List(t.Context(), "log/", "")
	if err != nil || !more || len(infos) != objectstore.Page {
		t.Fatalf("got %d objects, more %v, %v", len(infos), more, err)
	}
	infos, more, err = r.open(t).List(t.Context(), "log/", infos[len(infos)-1].Key)
	if err != nil || more || len(infos) != 1 || infos[0].Key != "log/1000" {
		t.Errorf("got %v, more %v, %v", infos, more, err)
	}
}

// answers is a bucket whose store answers every request in this way.
func answers(t *testing.T, handler http.HandlerFunc) *objectstore.S3 {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	r := newRig(t)
	r.settings.Endpoint = server.URL
	return r.open(t)
}

// A page may be empty though others follow.
func TestS3FollowsAnEmptyPage(t *testing.T) {
	store := answers(t, func(w http.ResponseWriter, req *http.Request) {
		page := "<IsTruncated>true</IsTruncated><NextContinuationToken>a+b</NextContinuationToken>"
		if req.URL.Query().Get("continuation-token") == "a+b" {
			page = "<Contents><Key>team/audit/log/</Key></Contents><Contents><Key>team/audit/log/1</Key></Contents>"
		}
		fmt.Fprintf(w, "<ListBucketResult>%s</ListBucketResult>", page)
	})
	infos, more, err := store.List(t.Context(), "log/", "")
	if err != nil || more || len(infos) != 1 || infos[0].Key != "log/1" {
		t.Errorf("got %v, more %v, %v, want log/1, without the key of the folder", infos, more, err)
	}
}

func TestS3ListsNothingOfAPageThatLeadsNowhere(t *testing.T) {
	for _, token := range []string{"", "<NextContinuationToken>again</NextContinuationToken>"} {
		store := answers(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "<ListBucketResult><IsTruncated>true</IsTruncated>%s</ListBucketResult>", token)
		})
		if infos, _, err := store.List(t.Context(), "log/", ""); err == nil {
			t.Errorf("got %v, want an error", infos)
		}
	}
}

// A proxy, a page of maintenance or a captive portal answers with success, too.
func TestS3TakesNoWordOfAnother(t *testing.T) {
	store := answers(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Last-Modified", "Mon, 30 Nov 2026 12:00:00 GMT")
		fmt.Fprint(w, "<html>We are back in a minute</html>")
	})
	ctx, object := t.Context(), objectstore.Object{Body: []byte("event")}
	_, read := store.Read(ctx, "k")
	_, head := store.Head(ctx, "k")
	_, _, list := store.List(ctx, "log/", "")
	for op, err := range map[string]error{"Create": store.Create(ctx, "k", object), "Put": store.Put(ctx, "k", object), "Read": read, "Head": head, "List": list} {
		if err == nil || !strings.Contains(failure.Hint(err), "proxy") || failure.Class(err) == "destination" {
			t.Errorf("%s: got %v with hint %q, want an error that may pass", op, err, failure.Hint(err))
		}
	}
}

func TestS3AnswersByTheirCode(t *testing.T) {
	for _, tt := range []struct {
		status     int
		body, hint string
		kind       error
	}{
		{http.StatusNotFound, "<html>no such page</html>", "", nil},
		{http.StatusNotFound, "<Error><Code>NoSuchKey</Code></Error>", "", objectstore.ErrNotFound},
		{http.StatusBadRequest, "<Error><Code>InvalidRequest</Code><Message>Bucket is missing Object Lock Configuration</Message></Error>", "object_lock", objectstore.ErrUnsupported},
	} {
		store := answers(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		})
		_, err := store.Read(t.Context(), "k")
		if err == nil || !errors.Is(err, tt.kind) && tt.kind != nil || tt.kind == nil && errors.Is(err, objectstore.ErrNotFound) || !strings.Contains(failure.Hint(err), tt.hint) {
			t.Errorf("%s: got %v with hint %q, want %v", tt.body, err, failure.Hint(err), tt.kind)
		}
	}
}

func TestS3Headers(t *testing.T) {
	r := newRig(t)
	r.settings.Encryption, r.settings.KMSKeyID = "aws:kms", "alias/audit"
	until := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	o := objectstore.Object{Body: []byte("x"), Type: "application/gzip", Class: "STANDARD_IA", Metadata: map[string]string{"sluice-count": "1"}}
	o.Lock = func(time.Time) *objectstore.Lock { return &objectstore.Lock{Mode: "COMPLIANCE", Until: until} }
	if err := r.open(t).Create(t.Context(), "a/b", o); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"If-None-Match":                               "*",
		"Content-Type":                                "application/gzip",
		"X-Amz-Storage-Class":                         "STANDARD_IA",
		"X-Amz-Server-Side-Encryption":                "aws:kms",
		"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "alias/audit",
		"X-Amz-Object-Lock-Mode":                      "COMPLIANCE",
		"X-Amz-Object-Lock-Retain-Until-Date":         "2027-01-02T03:04:05Z",
		"X-Amz-Meta-Sluice-Count":                     "1",
	} {
		if got := r.seen.Load().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if err := r.open(t).Delete(t.Context(), "a/b"); !errors.Is(err, objectstore.ErrRefused) {
		t.Errorf("deleting what is locked: got %v, want ErrRefused", err)
	}
}

// After a long outage an object is kept as long as any other.
func TestS3RetentionBeginsWithEachRequest(t *testing.T) {
	r := newRig(t)
	var until time.Time
	o := objectstore.Object{Lock: func(sent time.Time) *objectstore.Lock {
		if time.Since(sent).Abs() > time.Minute {
			t.Errorf("asked for what is sent at %v", sent)
		}
		until = until.Add(time.Hour)
		return &objectstore.Lock{Mode: "GOVERNANCE", Until: until}
	}}
	store := r.open(t)
	for range 2 {
		if err := store.Put(t.Context(), "a", o); err != nil {
			t.Fatal(err)
		}
		if got := r.seen.Load().Get("X-Amz-Object-Lock-Retain-Until-Date"); got != until.Format(time.RFC3339) {
			t.Errorf("got %s, want %s", got, until)
		}
	}
}

func TestS3Faults(t *testing.T) {
	for _, tt := range []struct {
		fault objectstoretest.Fault
		kind  error
		class string
		after time.Duration
		hint  string
	}{
		{objectstoretest.Busy, objectstore.ErrBusy, "", 2 * time.Second, ""},
		{objectstoretest.Conflict, objectstore.ErrBusy, "", time.Second, ""},
		{objectstoretest.Refused, objectstore.ErrRefused, "destination", 30 * time.Second, "s3:PutObject"},
		{objectstoretest.NoBucket, objectstore.ErrNoBucket, "destination", 30 * time.Second, "create the bucket audit"},
		{objectstoretest.Region, objectstore.ErrRegion, "destination", 30 * time.Second, "region: us-west-2"},
		{objectstoretest.Lost, nil, "", 0, ""},
	} {
		r := newRig(t)
		r.store.Interfere(func(objectstoretest.Op, string) objectstoretest.Fault { return tt.fault })
		err := r.open(t).Create(t.Context(), "a/b", objectstore.Object{})
		if err == nil || tt.kind != nil && !errors.Is(err, tt.kind) {
			t.Errorf("fault %d: got %v, want %v", tt.fault, err, tt.kind)
		}
		if got := failure.Class(err); got != tt.class {
			t.Errorf("%v: got class %q, want %q", err, got, tt.class)
		}
		if got := failure.RetryAfter(err); got != tt.after {
			t.Errorf("%v: got pause %v, want %v", err, got, tt.after)
		}
		if got := failure.Hint(err); !strings.Contains(got, tt.hint) {
			t.Errorf("%v: got hint %q, want one with %q", err, got, tt.hint)
		}
	}
}

// A lost answer is not asked for again: the second Create would find the first one's
// object, and tell its caller that somebody else was first.
func TestS3SendsARequestOnce(t *testing.T) {
	r := newRig(t)
	r.store.Interfere(func(objectstoretest.Op, string) objectstoretest.Fault { return objectstoretest.Lost })
	err := r.open(t).Create(t.Context(), "a/b", objectstore.Object{})
	if errors.Is(err, objectstore.ErrExists) || r.store.Asked(objectstoretest.Create) != 1 {
		t.Errorf("got %v after %d requests, want an open outcome after 1", err, r.store.Asked(objectstoretest.Create))
	}
}

func TestS3Credentials(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*objectstore.Settings)
		hint   string // empty: they are accepted
	}{
		{"those of the settings", func(*objectstore.Settings) {}, ""},
		{"another secret", func(s *objectstore.Settings) { s.SecretAccessKey = setting.NewSecret("another-secret") }, "does not belong to access_key_id"},
		{"an unknown key", func(s *objectstore.Settings) { s.AccessKeyID = setting.NewSecret("AKIAUNKNOWN") }, "no such access key"},
		{"a temporary key", func(s *objectstore.Settings) { s.SessionToken = setting.NewSecret("FwoGZXIvYXdzEBY") }, ""},
	} {
		r := newRig(t)
		tt.change(r.settings)
		err := r.open(t).Reach(t.Context())
		if tt.hint == "" && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.hint != "" && (!failure.IsRefused(err) || !strings.Contains(failure.Hint(err), tt.hint)) {
			t.Errorf("%s: got %v with hint %q, want one with %q", tt.name, err, failure.Hint(err), tt.hint)
		}
		if err != nil && strings.Contains(err.Error(), "another-secret") {
			t.Errorf("%s: the error shows the secret: %v", tt.name, err)
		}
	}
}

// chain keeps the credentials of whoever runs the tests out of them.
func chain(t *testing.T) (file string) {
	t.Helper()
	for _, name := range os.Environ() {
		if name, _, _ := strings.Cut(name, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	file = filepath.Join(t.TempDir(), "credentials")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "config"))
	return file
}

func TestS3FindsCredentialsAsAmazonsToolsDo(t *testing.T) {
	without := func(t *testing.T) *rig {
		r := newRig(t)
		r.settings.AccessKeyID, r.settings.SecretAccessKey = setting.Secret{}, setting.Secret{}
		return r
	}
	t.Run("nowhere", func(t *testing.T) {
		chain(t)
		err := without(t).open(t).Reach(t.Context())
		if !errors.Is(err, objectstore.ErrRefused) || !strings.Contains(failure.Hint(err), "access_key_id") {
			t.Errorf("got %v with hint %q", err, failure.Hint(err))
		}
	})
	t.Run("in the environment", func(t *testing.T) {
		chain(t)
		t.Setenv("AWS_ACCESS_KEY_ID", objectstoretest.KeyID)
		t.Setenv("AWS_SECRET_ACCESS_KEY", objectstoretest.Secret)
		if err := without(t).open(t).Reach(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("in a shared file that changes", func(t *testing.T) {
		file := chain(t)
		write := func(secret string) {
			text := "[default]\naws_access_key_id = " + objectstoretest.KeyID + "\naws_secret_access_key = " + secret + "\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("outdated")
		store := without(t).open(t)
		if err := store.Reach(t.Context()); !failure.IsRefused(err) {
			t.Fatalf("got %v, want a refusal", err)
		}
		write(objectstoretest.Secret)
		if err := store.Reach(t.Context()); err != nil {
			t.Errorf("after the file changed: %v", err)
		}
	})
	t.Run("no region", func(t *testing.T) {
		chain(t)
		r := newRig(t)
		r.settings.Region, r.settings.Endpoint = "", ""
		if err := r.open(t).Reach(t.Context()); !strings.Contains(failure.Hint(err), "region") {
			t.Errorf("got %v with hint %q", err, failure.Hint(err))
		}
	})
	t.Run("in a container", func(t *testing.T) {
		chain(t)
		container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"AccessKeyId":%q,"SecretAccessKey":%q,"Token":"session","Expiration":%q}`, objectstoretest.KeyID, objectstoretest.Secret, time.Now().Add(time.Hour).Format(time.RFC3339))
		}))
		defer container.Close()
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.URL)
		if err := without(t).open(t).Reach(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("a role with an external id", func(t *testing.T) {
		chain(t)
		sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("Action") != "AssumeRole" || r.FormValue("ExternalId") != "4711" || r.FormValue("RoleArn") != "arn:aws:iam::123456789012:role/sluice" {
				t.Errorf("got %v", r.Form)
			}
			fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>session</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
				objectstoretest.KeyID, objectstoretest.Secret, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		}))
		defer sts.Close()
		t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
		r := newRig(t)
		r.settings.AccessKeyID, r.settings.SecretAccessKey = setting.NewSecret("AKIAOTHER"), setting.NewSecret("other-secret")
		r.settings.RoleARN, r.settings.ExternalID = "arn:aws:iam::123456789012:role/sluice", "4711"
		if err := r.open(t).Reach(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A store, or whoever poses as it, may repeat in its answer what it was sent.
func TestS3ShowsNoSecret(t *testing.T) {
	const session = "FwoGZXIvYXdzEBYaDsessiontoken"
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<Error><Code>AccessDenied</Code><Message>\x1b[31m%s %s</Message></Error>", r.Header.Get("X-Amz-Security-Token"), r.Header.Get("Authorization"))
	}))
	defer echo.Close()
	r := newRig(t)
	r.settings.Endpoint, r.settings.SessionToken = echo.URL, setting.NewSecret(session)
	err := r.open(t).Reach(t.Context())
	if err == nil || strings.Contains(err.Error(), session) || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("got %v", err)
	}
}

func TestS3FollowsNoRedirect(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer other.Close()
	first := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer first.Close()
	r := newRig(t)
	r.settings.Endpoint = first.URL
	if err := r.open(t).Reach(t.Context()); !errors.Is(err, objectstore.ErrRegion) {
		t.Errorf("got %v, want ErrRegion", err)
	}
}

func TestS3EndsWithItsContext(t *testing.T) {
	asked := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	defer hangs.Close()
	r := newRig(t)
	r.settings.Endpoint = hangs.URL
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if err := r.open(t).Reach(ctx); !errors.Is(err, context.Canceled) || failure.IsRefused(err) {
		t.Errorf("got %v, want Canceled", err)
	}
}

func TestS3HostOfABucket(t *testing.T) {
	for _, tt := range []struct {
		s      objectstore.Settings
		region string
		want   string
	}{
		{objectstore.Settings{Bucket: "audit"}, "eu-central-1", "https://audit.s3.eu-central-1.amazonaws.com/a%27b%3D%28c%29"},
		{objectstore.Settings{Bucket: "audit", Prefix: "p/q=r"}, "us-gov-west-1", "https://audit.s3.us-gov-west-1.amazonaws.com/p/q%3Dr/a%27b%3D%28c%29"},
		{objectstore.Settings{Bucket: "audit"}, "cn-north-1", "https://audit.s3.cn-north-1.amazonaws.com.cn/a%27b%3D%28c%29"},
		{objectstore.Settings{Bucket: "audit.acme"}, "eu-central-1", "https://s3.eu-central-1.amazonaws.com/audit.acme/a%27b%3D%28c%29"},
		{objectstore.Settings{Bucket: "audit", PathStyle: true, Endpoint: "https://minio:9000/"}, "us-east-1", "https://minio:9000/audit/a%27b%3D%28c%29"},
		{objectstore.Settings{Bucket: "audit", Endpoint: "https://s3-fips.us-east-1.amazonaws.com"}, "us-east-1", "https://audit.s3-fips.us-east-1.amazonaws.com/a%27b%3D%28c%29"},
	} {
		if got, err := objectstore.OpenS3(&tt.s).Address(tt.region, "a'b=(c)"); got != tt.want {
			t.Errorf("got %s, %v, want %s", got, err, tt.want)
		}
	}
}
