package elasticsearch

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

const (
	hitsAtOnce = 1000            // documents in an answer; both servers allow 10,000
	keepAlive  = "5m"            // how long a scroll may wait for the next request
	patience   = 2 * time.Minute // with one answer
)

// ReadBack implements sink.Readable: it reads all documents of the lanes' data streams or
// indices with a scroll, which both servers have. A credential that may only create
// documents may not read them, so access can name another: an API key, USER:PASSWORD, or a
// bearer token if the sink has one.
func (s *Settings) ReadBack(ctx context.Context, lanes []sink.Env, access sink.Access, each func(sink.Stored) error) error {
	r, err := s.newReading(access)
	if err != nil {
		return err
	}
	defer r.client.CloseIdleConnections()
	var targets []string
	missing := 0
	for _, lane := range lanes {
		target := s.target(lane.Dataset)
		if slices.Contains(targets, target) {
			continue
		}
		targets = append(targets, target)
		err := r.target(ctx, target, each)
		if status := new(refusedSearch); errors.As(err, &status) && status.code == http.StatusNotFound {
			lane.Log.Warn().Str("index", target).Msg("it does not exist, so it holds no records")
			missing++
			continue
		}
		if err != nil {
			return fmt.Errorf("reading %s of %s: %w", target, r.shown, err)
		}
	}
	if missing == len(targets) {
		return sink.Hint(fmt.Errorf("%s has none of %s", r.shown, strings.Join(targets, ", ")), "see url, data_stream and index of the sink")
	}
	return nil
}

// reading is the reading of one server.
type reading struct {
	client *http.Client
	peer   setting.Peer
	base   string // scheme, host and path
	shown  string
	header string // Authorization; empty: none
	sent   echo.Filter
}

func (s *Settings) newReading(access sink.Access) (*reading, error) {
	r := &reading{base: s.URL[0]}
	if access.URL != "" {
		if err := httpclient.CheckURL(access.URL, exampleURL, s.AllowHTTP); err != nil {
			return nil, fmt.Errorf("the address for reading %w", err)
		}
		r.base = strings.TrimRight(access.URL, "/")
	}
	r.shown, r.peer = shownURL(r.base), s.peer(r.base)
	over := s.TLS.Trust(s.CAFingerprint, hostOf(r.base)).Transport(http.DefaultTransport.(*http.Transport).Clone())
	r.client = &http.Client{
		Transport: over, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var err error
	r.header, err = s.readingAs(access.Token)
	return r, err
}

// readingAs returns the header with the credential.
func (s *Settings) readingAs(token string) (string, error) {
	basic := func(user, password string) string {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	c := s.credential()
	if user, password, both := strings.Cut(token, ":"); both {
		return basic(user, password), nil
	}
	if token == "" {
		if !c.secret.IsSet() {
			return "", nil
		}
		var err error
		if token, err = c.secret.Value(); err != nil {
			return "", fmt.Errorf("%s: %w", c.key, err)
		}
		if c.key == "password" {
			return basic(s.Username, token), nil
		}
	}
	if c.key == "token" {
		return "Bearer " + token, nil
	}
	return "ApiKey " + token, nil
}

// target reads a data stream or an index.
func (r *reading) target(ctx context.Context, name string, each func(sink.Stored) error) error {
	query := map[string]any{"size": hitsAtOnce, "sort": []string{"_doc"}, "track_total_hits": true}
	path := "/" + url.PathEscape(name) + "/_search?scroll=" + keepAlive
	read := int64(0)
	for {
		page, err := r.ask(ctx, path, query, func(h hit) error { return each(h.stored()) })
		if err != nil {
			return err
		}
		read += page.hits
		switch {
		case page.TimedOut || page.Shards.Failed > 0:
			return fmt.Errorf("the answer is not complete: %d shards failed", page.Shards.Failed)
		case page.ScrollID == "":
			return errors.New("the answer has no _scroll_id, so it cannot be all")
		case page.hits == 0 && read != page.total:
			return fmt.Errorf("the server has %d documents, and gave %d", page.total, read)
		case page.hits == 0:
			return r.end(ctx, page.ScrollID)
		}
		path, query = "/_search/scroll", map[string]any{"scroll": keepAlive, "scroll_id": page.ScrollID}
	}
}

// end frees the scroll, which ends by itself, too.
func (r *reading) end(ctx context.Context, id string) error {
	body, err := json.Marshal(map[string]string{"scroll_id": id})
	if err != nil {
		return err
	}
	answer, err := r.do(ctx, http.MethodDelete, "/_search/scroll", body)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// hit is a document.
type hit struct {
	Index  string          `json:"_index"`
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
}

// stored returns the record. The id of a document has the organization and the event's id,
// unless they are strange or long.
func (h hit) stored() sink.Stored {
	s := sink.Stored{Place: h.Index + "/" + h.ID, Record: sink.Record{Body: h.Source}}
	if organization, id, both := strings.Cut(h.ID, "|"); both {
		s.Organization, s.ID = organization, id
	}
	return s
}

// found is an answer without its hits.
type found struct {
	ScrollID string
	TimedOut bool
	Shards   struct{ Failed int64 }
	total    int64
	hits     int64
}

// ask sends a search and calls each for the hits of the answer.
func (r *reading) ask(ctx context.Context, path string, query any, each func(hit) error) (f found, err error) {
	body, err := json.Marshal(query)
	if err != nil {
		return f, err
	}
	answer, err := r.do(ctx, http.MethodPost, path, body)
	if err != nil {
		return f, err
	}
	defer answer.Body.Close()
	d := json.NewDecoder(answer.Body)
	err = members(d, func(key string) error {
		switch key {
		case "_scroll_id":
			return d.Decode(&f.ScrollID)
		case "timed_out":
			return d.Decode(&f.TimedOut)
		case "_shards":
			return d.Decode(&f.Shards)
		case "hits":
			return members(d, func(key string) error { return f.read(d, key, each) })
		}
		return d.Decode(new(json.RawMessage))
	})
	if err != nil {
		return f, fmt.Errorf("the answer of a search: %w", err)
	}
	return f, nil
}

// read reads a member of hits.
func (f *found) read(d *json.Decoder, key string, each func(hit) error) error {
	switch key {
	case "total":
		var total struct{ Value int64 }
		err := d.Decode(&total)
		f.total = total.Value
		return err
	case "hits":
		if err := expect(d, '['); err != nil {
			return err
		}
		for d.More() {
			var h hit
			if err := d.Decode(&h); err != nil {
				return err
			}
			f.hits++
			if err := each(h); err != nil {
				return err
			}
		}
		return expect(d, ']')
	}
	return d.Decode(new(json.RawMessage))
}

// members calls each before the value of each member of an object, which it reads.
func members(d *json.Decoder, each func(key string) error) error {
	if err := expect(d, '{'); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		if err := each(fmt.Sprint(key)); err != nil {
			return err
		}
	}
	return expect(d, '}')
}

func expect(d *json.Decoder, want json.Delim) error {
	got, err := d.Token()
	if err == nil && got != want {
		err = fmt.Errorf("%v where %v belongs", got, want)
	}
	return err
}

// refusedSearch is an answer other than 200.
type refusedSearch struct {
	code int
	said string
}

func (e *refusedSearch) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("status %d: %s", e.code, e.said), ": ")
}

// ErrorHint implements failure's question.
func (e *refusedSearch) ErrorHint() string {
	switch e.code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "the credential needs the privilege read on it; the sink's own needs none to deliver, so give another with --read-token-file"
	}
	return "see url of the sink, or give the address for reading with --read-url"
}

func (r *reading) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/json")
	if r.header != "" {
		q.Header.Set("Authorization", r.header)
	}
	r.sent.Request(q)
	answer, err := r.client.Do(q)
	if err != nil {
		return nil, sink.Hint(r.sent.Error(err), r.peer.Explain(err).Hint)
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10)) // It is only shown.
	var why struct{ Error struct{ Reason string } }
	if json.Unmarshal(text, &why) == nil {
		text = []byte(cmp.Or(why.Error.Reason, string(text)))
	}
	return nil, &refusedSearch{answer.StatusCode, httpclient.Excerpt(string(text), &r.sent, 120)}
}
