package elasticsearch

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Type is the sink type elasticsearch.
var Type = sink.NewType("elasticsearch", Settings{
	DataStream:       defaultStream,
	DocumentID:       idEvent,
	Flavor:           flavorAuto,
	Compression:      "gzip",
	MaxRequestBytes:  4 << 20,
	MaxRequestEvents: 5000,
}, open)

// Settings are the keys of an elasticsearch sink.
type Settings struct {
	URL URLs `yaml:"url" required:"true" doc:"Address of a node or of a load balancer, such as https://es:9200, or of several nodes with commas between them. A node that does not answer is left out for 30 seconds."`

	DataStream string `yaml:"data_stream" pattern:"^[^A-Z\\\\/*?\"<>| ,#:_+-][^A-Z\\\\/*?\"<>| ,#:]{0,254}$" doc:"Data stream for the events. {dataset} is that of the source; for events of Sluice itself it is sluice.own. A record without @timestamp gets it."`
	Index      string `yaml:"index" pattern:"^[^A-Z\\\\/*?\"<>| ,#:_+-][^A-Z\\\\/*?\"<>| ,#:]{0,254}$" default:"none: the events go to data_stream" doc:"Index for the events, in place of a data stream. It may hold {dataset}."`
	Pipeline   string `yaml:"pipeline" default:"the default pipeline of the index" doc:"Ingest pipeline for the events. _none turns off the default pipeline."`
	DocumentID string `yaml:"document_id" values:"event|none" doc:"event makes the id of a document from the organization and the id of the event, so that no event is stored twice. none is for Amazon OpenSearch Serverless, which refuses ids in collections of time series."`
	Flavor     string `yaml:"flavor" values:"auto|elasticsearch|opensearch" doc:"What the server is. auto asks it."`

	APIKey   setting.Secret `yaml:"api_key" default:"none" doc:"API key, in the form that is called encoded where it is made. It is read again for each request, as are token and password."`
	Token    setting.Secret `yaml:"token" default:"none" doc:"Bearer token, such as that of a service account."`
	Username string         `yaml:"username" required:"with password" default:"none" doc:"Name of the user."`
	Password setting.Secret `yaml:"password" required:"with username" default:"none" doc:"Password of the user."`

	Compression      string       `yaml:"compression" values:"gzip|none" doc:"Compression of requests."`
	MaxRequestBytes  setting.Size `yaml:"max_request_bytes" least:"65536" doc:"Largest request before compression, from 64KiB to 100MiB. Elasticsearch works best with 5 to 15 MB."`
	MaxRequestEvents int          `yaml:"max_request_events" least:"1" doc:"Most events in a request."`

	CAFingerprint setting.Fingerprint `yaml:"ca_fingerprint" default:"tls decides" doc:"SHA-256 of the certificate of the authority that verifies the server, as Elasticsearch prints it when it first starts. It takes the place of tls.ca_file."`
	AllowHTTP     bool                `yaml:"allow_http" doc:"Send the credential in clear text to a host that is not loopback, with an address that begins with http://."`
	TLS           setting.TLS         `yaml:"tls" default:"the system's authorities" doc:"How TLS verifies the server, with an address that begins with https://."`
}

const (
	exampleURL = "https://es.example.com:9200"

	// defaultStream follows Elastic's scheme for names of data streams: type, dataset and
	// namespace. Records of the format ecs name the same in data_stream.*.
	defaultStream = "logs-{dataset}-default"
	datasetMark   = "{dataset}"
)

// Values of document_id.
const (
	idEvent = "event"
	idNone  = "none"
)

// Values of flavor.
const (
	flavorAuto    = "auto"
	flavorElastic = "elasticsearch"
	flavorOpen    = "opensearch"
)

const (
	minRequestBytes = 64 << 10
	// maxRequestBytes is the default of http.max_content_length.
	maxRequestBytes = 100 << 20
)

// URLs are the addresses of nodes.
type URLs []string

// UnmarshalText parses one address, or several separated by commas.
func (l *URLs) UnmarshalText(text []byte) error {
	*l = nil
	for part := range strings.SplitSeq(string(text), ",") {
		*l = append(*l, strings.TrimRight(strings.TrimSpace(part), "/"))
	}
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (l URLs) MarshalText() ([]byte, error) { return []byte(strings.Join(l, ", ")), nil }

// Form implements setting.Formed.
func (URLs) Form() setting.Form {
	const address = `[Hh][Tt][Tt][Pp][Ss]?://([^\[\]/?#@:, ]+|\[[^\[\]/?#@, ]+\])(:[0-9]{1,5})?(/[^?#, ]*)?`
	return setting.Form{Name: "addresses", Pattern: "^ *" + address + "( *, *" + address + ")* *$"}
}

func (l URLs) check(allowHTTP bool) error {
	if len(l) == 0 || len(l) == 1 && l[0] == "" {
		return fmt.Errorf("missing; write the address of a node, such as %s", exampleURL)
	}
	for _, text := range l {
		u, err := url.Parse(text)
		if err == nil && u.Host != "" && (u.User != nil || u.RawQuery != "" || u.Fragment != "") {
			return fmt.Errorf("has more than scheme, host and path, such as %s; write the credential under api_key, or under username and password", exampleURL)
		}
		if err == nil && u.Host != "" {
			text = httpclient.Origin(u)
		}
		if err := httpclient.CheckURL(text, exampleURL, allowHTTP); err != nil {
			return err
		}
	}
	return nil
}

// Validate reports every setting that is missing or invalid.
func (s *Settings) Validate() []error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, setting.Invalid(key, fmt.Errorf(format, args...)))
		}
	}
	if err := s.URL.check(s.AllowHTTP); err != nil {
		errs = append(errs, setting.Invalid("url", err))
	}
	if err := checkName(s.DataStream); err != nil {
		errs = append(errs, setting.Invalid("data_stream", err))
	}
	if err := checkName(s.Index); err != nil && s.Index != "" {
		errs = append(errs, setting.Invalid("index", err))
	}
	check(s.Index == "" || s.DataStream == defaultStream, "index", "an event goes to one place; remove index, or data_stream")
	check(s.DocumentID == idEvent || s.DocumentID == idNone, "document_id", "%q is unknown; write event or none", s.DocumentID)
	check(s.Flavor == flavorAuto || s.Flavor == flavorElastic || s.Flavor == flavorOpen, "flavor", "%q is unknown; write auto, elasticsearch or opensearch", s.Flavor)
	check(s.Compression == "gzip" || s.Compression == "none", "compression", "%q is unknown; write gzip or none", s.Compression)
	check(s.MaxRequestBytes >= minRequestBytes && s.MaxRequestBytes <= maxRequestBytes, "max_request_bytes",
		"%s is out of range; write a size from %s to %s", s.MaxRequestBytes, setting.Size(minRequestBytes), setting.Size(maxRequestBytes))
	check(s.MaxRequestEvents > 0, "max_request_events", "is %d; write a number of 1 or more", s.MaxRequestEvents)
	check(s.CAFingerprint == "" || s.TLS.CAFile == "", "ca_fingerprint", "names an authority, and so does tls.ca_file; remove one of them")
	check(s.CAFingerprint == "" || !s.TLS.InsecureSkipVerify, "ca_fingerprint", "is not compared with tls.insecure_skip_verify; remove that key")
	return append(errs, s.validateCredentials()...)
}

func (s *Settings) validateCredentials() (errs []error) {
	var given []string
	for _, c := range s.credentials() {
		if c.secret.IsSet() {
			given = append(given, c.key)
		}
		if err := c.secret.CheckToken(); err != nil && c.key != "password" {
			errs = append(errs, setting.Invalid(c.key, err))
		}
	}
	if value, err := s.APIKey.Value(); err == nil && strings.Contains(value, ":") {
		errs = append(errs, setting.Invalid("api_key", errors.New("has a colon; write the key in the form that is called encoded, the Base64 of ID:KEY")))
	}
	if len(given) > 1 {
		errs = append(errs, setting.Invalid(given[1], fmt.Errorf("there is also %s; write one credential", given[0])))
	}
	if s.Password.IsSet() != (s.Username != "") {
		missing, has := "username", "password"
		if s.Username != "" {
			missing, has = has, missing
		}
		errs = append(errs, setting.Invalid(missing, fmt.Errorf("missing; it belongs to %s", has)))
	}
	return errs
}

// keyed is a secret with its key.
type keyed struct {
	key    string
	secret setting.Secret
}

func (s *Settings) credentials() []keyed {
	return []keyed{{"api_key", s.APIKey}, {"token", s.Token}, {"password", s.Password}}
}

// credential is the one that requests carry; its secret is unset if they carry none.
func (s *Settings) credential() keyed {
	for _, c := range s.credentials() {
		if c.secret.IsSet() {
			return c
		}
	}
	return keyed{}
}

// maxName is the longest name of an index in bytes (MetadataCreateIndexService).
const maxName = 255

// checkName checks the name of a data stream or an index, whose dataset is a plain word.
func checkName(name string) error {
	plain := strings.ReplaceAll(name, datasetMark, "dataset")
	switch {
	case name == "":
		return fmt.Errorf("missing; write a name such as %s", defaultStream)
	case strings.ContainsAny(plain, `\/*?"<>| ,#:{}`) || strings.IndexFunc(plain, unicode.IsControl) >= 0:
		return errors.New("has a character that no name may have; write a name such as " + defaultStream)
	case strings.ToLower(plain) != plain:
		return errors.New("has capital letters; write it in lower case")
	case strings.HasPrefix(plain, "-") || strings.HasPrefix(plain, "_") || strings.HasPrefix(plain, "+") || plain == "." || plain == "..":
		return errors.New("begins with -, _ or +, or is a dot; write a name such as " + defaultStream)
	case len(plain) > maxName:
		return fmt.Errorf("has more than %d bytes; write a shorter name", maxName)
	}
	return nil
}

// target is where the events of a dataset go.
func (s *Settings) target(dataset string) string {
	name := s.DataStream
	if s.Index != "" {
		name = s.Index
	}
	return strings.ReplaceAll(name, datasetMark, dataset)
}

// peer describes a node to people.
func (s *Settings) peer(address string) setting.Peer {
	p := setting.Peer{
		Name: "node", Address: shownURL(address),
		Plain:     "write http:// in url (and allow_http: true, since the credential then crosses the network in clear text)",
		Encrypted: "write https:// in url",
		Authority: "the authority of a new Elasticsearch is config/certs/http_ca.crt there; it also prints the fingerprint for ca_fingerprint",
	}
	if strings.HasPrefix(address, "https:") {
		p.TLS = s.TLS.Trust(s.CAFingerprint, "")
	}
	return p
}

// NeedsJSON implements sink.NeedsJSON.
func (*Settings) NeedsJSON() string {
	return "Elasticsearch stores JSON objects: write ecs, ocsf or raw"
}

// Questions implements setting.Asker.
func (s *Settings) Questions() []setting.Question {
	return []setting.Question{
		{Key: "url", Text: "Address of Elasticsearch or OpenSearch, such as https://es:9200"},
		{Key: "api_key", Text: "API key that may create documents", Secret: true},
	}
}

// Destination implements setting.Destination.
func (s *Settings) Destination() string {
	shown := make([]string, len(s.URL))
	for i, text := range s.URL {
		shown[i] = shownURL(text)
	}
	what := "data stream "
	if s.Index != "" {
		what = "index "
	}
	return strings.Join(shown, ", ") + ", " + what + s.target(datasetMark)
}

// shownURL leaves out what may be a credential, such as a path.
func shownURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "url"
	}
	return httpclient.Origin(u)
}

// longPart is the least length of a part of a path that may be a credential by itself.
// Shorter parts are words that answers use too.
const longPart = 16

// hiddenParts returns what shownURL leaves out, which answers must not show either.
func hiddenParts(text string) []string {
	u, err := url.Parse(text)
	if err != nil {
		return nil // Validate refuses it.
	}
	parts := []string{u.EscapedPath()}
	for part := range strings.SplitSeq(u.Path, "/") {
		if len(part) >= longPart {
			parts = append(parts, part)
		}
	}
	return parts
}

// Rotation is that of the secret which requests carry.
func (s *Settings) Rotation() *setting.Rotation { return s.credential().secret.Rotation() }

// SentTo implements setting.Rotating.
func (s *Settings) SentTo() string { return strings.Join(s.URL, ",") }
