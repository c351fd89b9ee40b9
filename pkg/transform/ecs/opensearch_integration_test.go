//go:build integration

package ecs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/opensearchnode"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

// TestOpenSearchKeepsEveryField gives the documents of the corpus and of all actions to a
// real node, with and without the pipeline. Each document comes back as it was sent, each
// of its values can be searched, and no field was added.
func TestOpenSearchKeepsEveryField(t *testing.T) {
	node := openSearch(opensearchnode.Start(t))
	node.install(t)
	sent := bodies(t)
	for stream, parameters := range map[string]string{
		"logs-planetscale.audit-default": "",
		"logs-planetscale.audit-plain":   "&pipeline=_none",
	} {
		t.Run(stream, func(t *testing.T) {
			wantStatus(t, node.create(t, stream, parameters, sent), http.StatusCreated, len(sent))
			got := node.documents(t, stream)
			if len(got) != len(sent) {
				t.Fatalf("%d documents, want %d", len(got), len(sent))
			}
			for id, body := range sent {
				compare(t, id, body, got[id], parameters == "")
			}
			node.wantMapping(t, stream)
		})
	}
	t.Run("the same events again", func(t *testing.T) {
		const stream = "logs-planetscale.audit-default"
		wantStatus(t, node.create(t, stream, "", sent), http.StatusConflict, len(sent))
		if got := node.documents(t, stream); len(got) != len(sent) {
			t.Errorf("%d documents, want %d", len(got), len(sent))
		}
	})
	t.Run("words and places", func(t *testing.T) {
		for name, query := range map[string]object{
			"metadata": {"match": object{"planetscale.audit.metadata": "customer"}},
			"name":     {"match": object{"planetscale.audit.object.name.text": "1842"}},
			"place":    {"geo_distance": object{"distance": "1km", "source.geo.location": object{"lat": 58.4167, "lon": 15.6167}}},
		} {
			if hits := node.search(t, "logs-planetscale.audit-plain", object{"query": query}); len(hits) == 0 {
				t.Errorf("nothing is found by %s", name)
			}
		}
	})
}

// bodies returns all documents by their ids. The events of the corpus share an id, so each
// gets the name of its case behind it.
func bodies(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	add := func(name string, e source.Event) {
		e.ID += "-" + name
		all[clean(e.ID)] = encode(t, full, e).Body
	}
	for _, c := range corpus.Cases() {
		add(c.Name, c.Event)
	}
	for _, action := range corpus.Actions() {
		e := corpus.Typical()
		e.Action = action
		add(action, e)
	}
	return all
}

// openSearch is the URL of a node.
type openSearch string

func (node openSearch) install(t *testing.T) {
	t.Helper()
	for path, file := range map[string]string{
		"_ingest/pipeline/logs-planetscale.audit": openSearchPipeline,
		"_index_template/logs-planetscale.audit":  openSearchTemplate,
	} {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		node.call(t, http.MethodPut, path, body, new(object))
	}
}

// create sends documents to a data stream and returns how often each status was answered.
func (node openSearch) create(t *testing.T, stream, parameters string, documents map[string][]byte) map[int]int {
	t.Helper()
	var body bytes.Buffer
	for _, document := range documents {
		fmt.Fprintf(&body, "{\"create\":{}}\n%s\n", document)
	}
	var answer struct {
		Items []map[string]struct {
			Status int
			Error  json.RawMessage
		}
	}
	node.call(t, http.MethodPost, stream+"/_bulk?refresh=true"+parameters, body.Bytes(), &answer)
	statuses := map[int]int{}
	for _, item := range answer.Items {
		result := item["create"]
		statuses[result.Status]++
		if result.Status != http.StatusCreated && result.Status != http.StatusConflict {
			t.Errorf("status %d: %s", result.Status, result.Error)
		}
	}
	return statuses
}

func wantStatus(t *testing.T, got map[int]int, status, n int) {
	t.Helper()
	if diff := cmp.Diff(map[int]int{status: n}, got); diff != "" {
		t.Errorf("answers by status (-want +got):\n%s", diff)
	}
}

// indexed is a document of the index: what was sent, and the values that can be searched.
type indexed struct {
	Source json.RawMessage `json:"_source"`
	Fields map[string][]any
}

// documents returns the documents of a data stream by their ids.
func (node openSearch) documents(t *testing.T, stream string) map[string]indexed {
	t.Helper()
	all := map[string]indexed{}
	// An answer has at most 100 searchable fields: index.max_docvalue_fields_search.
	for fields := range slices.Chunk(searchable(t), 100) {
		for _, hit := range node.search(t, stream, object{"size": 10_000, "docvalue_fields": fields}) {
			id := flatten(t, hit.Source).text("event.id")
			if before, ok := all[id]; ok {
				maps.Copy(before.Fields, hit.Fields)
				continue
			}
			all[id] = hit
		}
	}
	return all
}

// searchable returns a request for the values of each field of which the index has them.
func searchable(t *testing.T) []object {
	t.Helper()
	var all []object
	for path, kind := range kinds(openSearchProperties(t)) {
		switch kind {
		case "date":
			all = append(all, object{"field": path, "format": "epoch_millis"})
		case "keyword", "ip", "long", "boolean":
			all = append(all, object{"field": path})
		}
	}
	return all
}

// kinds returns the type of each field of a mapping.
func kinds(properties object) map[string]string {
	all := map[string]string{}
	for name, v := range properties {
		m := v.(object)
		inner, _ := m["properties"].(object)
		for path, kind := range kinds(inner) {
			all[name+"."+path] = kind
		}
		switch {
		case inner != nil:
		case m["index"] == false:
			all[name] = "kept, not indexed"
		default:
			all[name] = m["type"].(string)
		}
	}
	return all
}

// compare requires that a document came back as it was sent, with the time of the pipeline
// if it went through that, and that each of its values can be searched, except keywords
// that are too long for it.
func compare(t *testing.T, id string, sent []byte, got indexed, piped bool) {
	t.Helper()
	want, back := flatten(t, sent), flatten(t, got.Source)
	if piped {
		if _, err := time.Parse(time.RFC3339Nano, back.text("event.ingested")); err != nil {
			t.Errorf("%s: event.ingested: %v", id, err)
		}
		want["event.ingested"] = back["event.ingested"]
	}
	if diff := cmp.Diff(want, back); diff != "" {
		t.Errorf("%s (-want +got):\n%s", id, diff)
	}
	found := map[string][]string{}
	for path, vs := range got.Fields {
		found[path] = set(vs)
	}
	if diff := cmp.Diff(values(t, want), found); diff != "" {
		t.Errorf("%s: searchable values (-want +got):\n%s", id, diff)
	}
}

// flatten returns the fields of a document.
func flatten(t *testing.T, body []byte) document {
	t.Helper()
	d := document{}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := d.value(dec, ""); err != nil {
		t.Fatal(err)
	}
	return d
}

// values returns the values of a document as the index has them.
func values(t *testing.T, d document) map[string][]string {
	t.Helper()
	indexed := map[string][]string{}
	kinds := kinds(openSearchProperties(t))
	for path, v := range d {
		all, ok := v.([]any)
		if !ok {
			all = []any{v}
		}
		switch kinds[path] {
		case "date":
			all = []any{millis(t, v.(string))}
		case "keyword":
			all = slices.DeleteFunc(slices.Clone(all), tooLong)
		case "ip", "long", "boolean":
		default:
			continue
		}
		if len(all) > 0 {
			indexed[path] = set(all)
		}
	}
	return indexed
}

// tooLong reports whether a keyword is longer than ignore_above allows.
func tooLong(v any) bool { return len(utf16.Encode([]rune(v.(string)))) > 1024 }

func millis(t *testing.T, s string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

// set returns values as the index has them: sorted, each once.
func set(values []any) []string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

// wantMapping requires that the fields are those of the template, and no other.
func (node openSearch) wantMapping(t *testing.T, stream string) {
	t.Helper()
	var indexes map[string]struct {
		Mappings struct{ Properties object }
	}
	node.call(t, http.MethodGet, stream+"/_mapping", nil, &indexes)
	for name, index := range indexes {
		want, got := kinds(openSearchProperties(t)), kinds(index.Mappings.Properties)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("fields of %s (-want +got):\n%s", name, diff)
		}
	}
	if len(indexes) != 1 {
		t.Errorf("%d indexes, want 1", len(indexes))
	}
}

func (node openSearch) search(t *testing.T, stream string, request object) []indexed {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Hits struct{ Hits []indexed }
	}
	node.call(t, http.MethodPost, stream+"/_search", body, &answer)
	return answer.Hits.Hits
}

// call makes a request that must succeed, and decodes the answer.
func (node openSearch) call(t *testing.T, method, path string, body []byte, answer any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, string(node)+"/"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(answer); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
}
