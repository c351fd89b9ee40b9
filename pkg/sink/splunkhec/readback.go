package splunkhec

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// searchPath is where Splunk streams the results of a search (Splunk Enterprise, REST API
// Reference, "search/v2/jobs/export").
const searchPath = "/services/search/v2/jobs/export"

const exampleSearch = "https://splunk.example.com:8089"

// ReadBack implements sink.Readable: it searches for all events of the sourcetypes of the
// lanes. HEC only takes events, so access has the address of Splunk's management interface
// and an authentication token whose user may search the index.
func (s *Settings) ReadBack(ctx context.Context, lanes []sink.Env, access sink.Access, each func(sink.Stored) error) error {
	if access.URL == "" || access.Token == "" {
		return sink.Hint(errors.New("HEC only takes events, and gives none back"),
			"give the address of Splunk's management interface, such as --read-url "+exampleSearch+", and a file with an authentication token as --read-token-file; or export the events as JSON or CSV, and name the file in place of --sink")
	}
	if err := httpclient.CheckURL(access.URL, exampleSearch, s.AllowHTTP); err != nil {
		return fmt.Errorf("the address for reading %w", err)
	}
	var types []string
	for _, lane := range lanes {
		if t := cmp.Or(s.Sourcetype, defaultSourcetype(lane.Dataset)); !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	address := strings.TrimRight(access.URL, "/")
	r := reading{token: access.Token, peer: s.peer(), client: &http.Client{
		Transport:     s.TLS.Transport(newTransport()),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	defer r.client.CloseIdleConnections()
	r.peer.Name, r.peer.Address = "management interface", address
	if err := r.search(ctx, address+searchPath, searchFor(cmp.Or(s.Index, "*"), types), each); err != nil {
		return fmt.Errorf("searching %s: %w", address, err)
	}
	return nil
}

// searchFor returns a search for all events of sourcetypes.
func searchFor(index string, sourcetypes []string) string {
	for i, t := range sourcetypes {
		sourcetypes[i] = "sourcetype=" + quoted(t)
	}
	return fmt.Sprintf("search index=%s (%s) | fields _raw %s %s %s %s %s %s", quoted(index), strings.Join(sourcetypes, " OR "),
		"sluice_event_id", "sluice_organization", "sluice_action", "sluice_replayed", "sluice_epoch", "sluice_sequence")
}

// quoted is a value of a search (Splunk, Search Manual, "Quotes and escaping characters").
func quoted(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}

// reading is the reading of one server.
type reading struct {
	client *http.Client
	token  string
	peer   setting.Peer
	sent   echo.Filter
}

// row is a value of the answer: a result, or what the server has to say.
type row struct {
	Preview  bool                       `json:"preview"`
	Last     bool                       `json:"lastrow"`
	Result   map[string]json.RawMessage `json:"result"`
	Messages []struct{ Type, Text string }
}

func (r *reading) search(ctx context.Context, address, query string, each func(sink.Stored) error) error {
	form := url.Values{"search": {query}, "output_mode": {"json"}, "preview": {"false"}, "earliest_time": {"0"}}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Authorization", "Bearer "+r.token)
	r.sent.Request(q)
	answer, err := r.client.Do(q)
	if err != nil {
		return sink.Hint(r.sent.Error(err), r.peer.Explain(err).Hint)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return r.refused(answer)
	}
	rows, ended := 0, false
	for d := json.NewDecoder(answer.Body); ; {
		var got row
		err := d.Decode(&got)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the results break off after %d events: %w", rows, r.sent.Error(err))
		}
		for _, m := range got.Messages {
			if m.Type == "ERROR" || m.Type == "FATAL" {
				return fmt.Errorf("the server says: %s", httpclient.Excerpt(m.Text, &r.sent, 200))
			}
		}
		ended = ended || got.Last
		if got.Preview || got.Result == nil {
			continue
		}
		rows++
		if err := each(storedOf(got.Result, int64(rows))); err != nil {
			return err
		}
	}
	if rows > 0 && !ended {
		return fmt.Errorf("the results end after %d events, without the mark of the last one", rows)
	}
	return nil
}

func (r *reading) refused(answer *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10)) // It is only shown.
	var said row
	if json.Unmarshal(text, &said) == nil && len(said.Messages) > 0 {
		text = []byte(said.Messages[0].Text)
	}
	err := fmt.Errorf("status %d: %s", answer.StatusCode, httpclient.Excerpt(string(text), &r.sent, 120))
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return sink.Hint(err, "the token must be an authentication token (Settings, Tokens) of a user who may search the index; a token of HEC is none")
	case http.StatusNotFound:
		return sink.Hint(err, "give the management interface, mostly port 8089, as --read-url")
	}
	return err
}

// storedOf reads the fields of a result. A field with several values is one of a forged
// record, or is extracted twice: their first counts.
func storedOf(result map[string]json.RawMessage, n int64) sink.Stored {
	text := func(key string) string {
		var one string
		if json.Unmarshal(result[key], &one) == nil {
			return one
		}
		var many []string
		if json.Unmarshal(result[key], &many) == nil && len(many) > 0 {
			return many[0]
		}
		return ""
	}
	number := func(key string) uint64 {
		v, err := strconv.ParseUint(text(key), 10, 63)
		if err != nil {
			return 0
		}
		return v
	}
	return sink.Stored{Place: "result of the search", Line: n, Record: sink.Record{
		ID: text("sluice_event_id"), Organization: text("sluice_organization"), Action: text("sluice_action"),
		Replayed: text("sluice_replayed") == "true", Epoch: number("sluice_epoch"), Sequence: number("sluice_sequence"),
		Body: []byte(text("_raw")),
	}}
}
