package objectstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// AzureSettings say where a container of Azure Blob Storage is, and as whom it is used.
type AzureSettings struct {
	Account    string         `yaml:"account" required:"true" pattern:"^[a-z0-9]{3,24}$" doc:"Storage account."`
	Container  string         `yaml:"container" required:"true" pattern:"^[a-z0-9]([a-z0-9-]{1,61})[a-z0-9]$" doc:"Container, which must exist."`
	Prefix     string         `yaml:"prefix" default:"none" pattern:"^[a-zA-Z0-9!_.*'()=-]+(/[a-zA-Z0-9!_.*'()=-]+)*$" doc:"First part of all names, without a slash at either end, such as audit/sluice."`
	AccountKey setting.Secret `yaml:"account_key" default:"sas_token, or Microsoft Entra: workload identity, or else the managed identity of the machine" pattern:"^[A-Za-z0-9+/]+=*$" doc:"Access key of the account. It is read again for each request, as is the next."`
	SASToken   setting.Secret `yaml:"sas_token" default:"account_key or Microsoft Entra" pattern:"^[!-~]+$" doc:"Shared access signature of the container, with the permissions to read, create, write and list."`
	Endpoint   string         `yaml:"endpoint" default:"https://ACCOUNT.blob.core.windows.net" pattern:"^[Hh][Tt][Tt][Pp][Ss]?://([^\\[\\]/?#@:, ]+|\\[[^\\[\\]/?#@, ]+\\])(:[0-9]{1,5})?/?$" doc:"Another address of the service: scheme, host and port, such as that of a sovereign cloud."`
	PathStyle  bool           `yaml:"path_style" doc:"Put the account into the path of requests, as Azurite needs it."`
	AllowHTTP  bool           `yaml:"allow_http" doc:"Send requests in clear text to a host that is not loopback, with an endpoint that begins with http://."`
	TLS        setting.TLS    `yaml:"tls" default:"the system's authorities" doc:"How TLS verifies the store."`
}

var (
	azureAccount = regexp.MustCompile(`^[a-z0-9]{3,24}$`)
	// Azure, "Naming and Referencing Containers, Blobs, and Metadata".
	azureContainer = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{1,61})[a-z0-9]$`)
	azureKey       = regexp.MustCompile(`^[A-Za-z0-9+/]+=*$`)
)

// Validate reports every setting that is missing or invalid.
func (s *AzureSettings) Validate() []error {
	errs := validatePlace(s.Prefix, s.Endpoint, "https://acme.blob.core.windows.net", s.AllowHTTP)
	invalid := func(bad bool, key, format string, args ...any) {
		if bad {
			errs = append(errs, setting.Invalid(key, fmt.Errorf(format, args...)))
		}
	}
	invalid(s.Account == "", "account", "missing; name the storage account")
	invalid(s.Account != "" && !azureAccount.MatchString(s.Account), "account", "%q is not the name of an account; write 3 to 24 of a-z and 0-9, without .blob.core.windows.net", s.Account)
	invalid(s.Container == "", "container", "missing; name the container, which must exist")
	invalid(s.Container != "" && (!azureContainer.MatchString(s.Container) || strings.Contains(s.Container, "--")), "container",
		"%q is not the name of a container; write 3 to 63 of a-z, 0-9 and single '-'", s.Container)
	invalid(s.AccountKey.IsSet() && s.SASToken.IsSet(), "sas_token", "is not used with account_key; remove one of them")
	if key, err := s.AccountKey.Value(); s.AccountKey.IsSet() && err == nil {
		_, err := base64.StdEncoding.DecodeString(key)
		invalid(err != nil || !azureKey.MatchString(key), "account_key", "is not a key; copy one of the two access keys of the account, which are in Base64")
	}
	if token, err := s.SASToken.Value(); s.SASToken.IsSet() && err == nil {
		invalid(!strings.Contains(token, "sig=") || s.SASToken.CheckToken() != nil, "sas_token", "is not a shared access signature; copy the whole token, which has sig= in it")
	}
	return errs
}

// Warnings says in which ways the settings weaken security.
func (s *AzureSettings) Warnings() []string { return warnings(s.Endpoint, &s.TLS) }

func (s *AzureSettings) address() string {
	return cmp.Or(s.Endpoint, "https://"+s.Account+".blob.core.windows.net")
}

// Destination is where the objects go, for people.
func (s *AzureSettings) Destination() string {
	return "azure://" + path.Join(s.Account, s.Container, s.Prefix) + elsewhere(s.Endpoint)
}

// Azure is a container of Azure Blob Storage.
type Azure struct {
	link
	settings *AzureSettings
	bearer   *bearer
	machine  string // the metadata server; empty: that of Azure

	mu    sync.Mutex
	pages map[string][]page
}

// page is where a page of a folder begins: behind the key last.
type page struct{ last, marker string }

var _ Store = (*Azure)(nil)

// OpenAzure returns the container. It does not connect to the store.
func OpenAzure(settings *AzureSettings) *Azure {
	a := &Azure{settings: settings, pages: map[string][]page{}}
	a.to, a.client = a, newClient(&settings.TLS)
	a.bearer = &bearer{sent: &a.sent, ask: a.ask}
	return a
}

func (a *Azure) String() string {
	return "azure://" + path.Join(a.settings.Account, a.settings.Container, a.settings.Prefix)
}

func (a *Azure) key(key string) string {
	if a.settings.Prefix == "" {
		return key
	}
	return a.settings.Prefix + "/" + key
}

// Create implements Store. It depends on If-None-Match (Azure Storage, "Specifying
// conditional headers for Blob service operations").
func (a *Azure) Create(ctx context.Context, key string, o Object) error {
	header := describeBlob(o)
	header.Set("If-None-Match", "*")
	_, err := a.do(ctx, request{op: "creating", method: http.MethodPut, key: key, header: header, body: o.Body})
	return err
}

// Put implements Store.
func (a *Azure) Put(ctx context.Context, key string, o Object) error {
	_, err := a.do(ctx, request{op: "writing", method: http.MethodPut, key: key, header: describeBlob(o), body: o.Body})
	return err
}

const blobMetadata = "X-Ms-Meta-"

// describeBlob returns the headers of an object. The names of metadata are identifiers, so
// they have _ in place of -.
func describeBlob(o Object) http.Header {
	sum := md5.Sum(o.Body)
	header := http.Header{"X-Ms-Blob-Type": {"BlockBlob"}, "Content-Md5": {base64.StdEncoding.EncodeToString(sum[:])}}
	if o.Type != "" {
		header.Set("Content-Type", o.Type)
	}
	for name, value := range o.Metadata {
		header.Set(blobMetadata+strings.ReplaceAll(name, "-", "_"), value)
	}
	return header
}

func blobMetadataOf(header http.Header) map[string]string {
	var m map[string]string
	for name := range header {
		if key, ok := strings.CutPrefix(name, blobMetadata); ok {
			if m == nil {
				m = map[string]string{}
			}
			m[strings.ReplaceAll(strings.ToLower(key), "_", "-")] = header.Get(name)
		}
	}
	return m
}

// Read implements Store.
func (a *Azure) Read(ctx context.Context, key string) (Object, error) {
	r, err := a.do(ctx, request{op: "reading", method: http.MethodGet, key: key})
	if err != nil {
		return Object{}, err
	}
	return Object{Body: r.body, Type: r.header.Get("Content-Type"), Metadata: blobMetadataOf(r.header)}, nil
}

// Head implements Store.
func (a *Azure) Head(ctx context.Context, key string) (Info, error) {
	r, err := a.do(ctx, request{op: "looking at", method: http.MethodHead, key: key})
	if err != nil {
		return Info{}, err
	}
	return a.known(key, r.header, blobMetadataOf(r.header))
}

// blobs is the answer of List Blobs.
type blobs struct {
	Blobs []struct {
		Name     string
		Modified string `xml:"Properties>Last-Modified"`
		Size     int64  `xml:"Properties>Content-Length"`
	} `xml:"Blobs>Blob"`
	NextMarker string
}

// List implements Store. Azure lists a folder from its beginning, or from where another page
// ended. So List remembers where pages begin, and skips the rest.
func (a *Azure) List(ctx context.Context, prefix, after string) (infos []Info, more bool, err error) {
	marker := a.begin(prefix, after)
	for {
		query := url.Values{"prefix": {a.key(prefix)}, "maxresults": {strconv.Itoa(pageOfBlobs)}}
		if marker != "" {
			query.Set("marker", marker)
		}
		l, err := a.list(ctx, prefix, query)
		if err != nil {
			return nil, false, err
		}
		last := ""
		for _, blob := range l.Blobs {
			key, ours := strings.CutPrefix(blob.Name, a.key(""))
			at, err := http.ParseTime(blob.Modified)
			if err != nil || !ours {
				return nil, false, a.unreadable("listing", prefix, fmt.Errorf("a key beside the prefix, or a time that is none: %q", blob.Modified))
			}
			if last = key; key > after {
				infos = append(infos, Info{Key: key, Size: blob.Size, Modified: at})
			}
		}
		a.remember(prefix, page{last, l.NextMarker})
		switch marker = l.NextMarker; {
		case len(infos) > Page:
			return infos[:Page], true, nil
		case marker == "":
			return infos, false, nil
		case len(infos) == Page:
			return infos, true, nil
		}
	}
}

// pageOfBlobs is the most that Azure lists at once.
const pageOfBlobs = 5000

// begin returns the marker of the last page that has the keys behind after.
func (a *Azure) begin(prefix, after string) (marker string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.pages[prefix] {
		if p.last > after {
			break
		}
		marker = p.marker
	}
	return marker
}

func (a *Azure) remember(prefix string, p page) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.pages[prefix]
	if p.last != "" && p.marker != "" && (len(known) == 0 || known[len(known)-1].last < p.last) {
		a.pages[prefix] = append(known, p)
	}
}

func (a *Azure) list(ctx context.Context, prefix string, query url.Values) (l blobs, err error) {
	query.Set("restype", "container")
	query.Set("comp", "list")
	r, err := a.do(ctx, request{op: "listing", method: http.MethodGet, of: prefix, query: query})
	if err != nil {
		return l, err
	}
	if err := xml.Unmarshal(bytes.TrimPrefix(r.body, []byte("\ufeff")), &l); err != nil {
		return l, a.unreadable("listing", prefix, err)
	}
	return l, nil
}

// Delete implements Store.
func (a *Azure) Delete(ctx context.Context, key string) error {
	_, err := a.do(ctx, request{op: "deleting", method: http.MethodDelete, key: key})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Reach implements Store. It lists a key, which needs no right beyond those of List.
func (a *Azure) Reach(ctx context.Context) error {
	_, err := a.list(ctx, "", url.Values{"prefix": {a.key("")}, "maxresults": {"1"}})
	return err
}

// kind implements dialect (Azure Storage, "Blob service error codes").
func (a *Azure) kind(op string, s *answer) error {
	switch {
	case s.code == "ContainerNotFound", s.code == "ContainerDisabled":
		return ErrNoBucket
	case s.status == http.StatusNotFound:
		return ErrNotFound
	case op == "creating" && (s.code == "BlobAlreadyExists" || s.status == http.StatusPreconditionFailed):
		return ErrExists
	case slices.Contains([]string{"BlobImmutableDueToPolicy", "BlobArchived", "SnapshotsPresent"}, s.code):
		return ErrRefused
	case s.status == http.StatusConflict, s.status == http.StatusTooManyRequests, s.status == http.StatusServiceUnavailable:
		return ErrBusy
	case s.status == http.StatusUnauthorized, s.status == http.StatusForbidden:
		return ErrRefused
	case s.status == http.StatusNotImplemented, s.status == http.StatusMethodNotAllowed, s.code == "UnsupportedHeader":
		return ErrUnsupported
	}
	return nil
}

// hint implements dialect.
func (a *Azure) hint(s *answer) string {
	switch kind := a.kind("", s); {
	case kind == ErrNoBucket:
		return fmt.Sprintf("create the container %s, or correct container or account: Sluice never creates one", a.settings.Container)
	case s.code == "AuthenticationFailed" && a.settings.AccountKey.IsSet():
		return "account_key is not a key of account, or the clock of this machine is more than 15 minutes wrong"
	case s.code == "AuthenticationFailed" && a.settings.SASToken.IsSet():
		return "sas_token is not complete, has expired, or is of another account: make a new one"
	case s.code == "BlobImmutableDueToPolicy":
		return "a policy of the container keeps objects from being replaced, which delivery: at_least_once needs: write exactly_once"
	case kind == ErrRefused:
		return "allow to read, create, write and list: Storage Blob Data Contributor on the container, or the permissions rcwl of a SAS (docs/object-stores.md)"
	}
	return ""
}

// peer implements dialect.
func (a *Azure) peer() setting.Peer {
	p := peerOf(a.settings.address(), &a.settings.TLS)
	if !a.settings.PathStyle && a.settings.Endpoint != "" {
		p.Elsewhere = "Azurite needs path_style: true"
	}
	return p
}

// forget implements dialect.
func (a *Azure) forget() { a.bearer.forget() }
