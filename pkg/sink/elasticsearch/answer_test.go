package elasticsearch_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch/estest"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

func classOf(err error) string {
	var class interface{ ErrorClass() string }
	var refused interface{ ErrorRefused() bool }
	switch {
	case err == nil:
		return "delivered"
	case sink.IsPermanent(err):
		return "rejected"
	case errors.As(err, &refused):
		return "credential"
	case errors.As(err, &class):
		return class.ErrorClass()
	}
	return "retry"
}

// TestItems is the table of docs/elasticsearch.md: what the outcome of one document means.
// The documents around it are delivered in every case.
func TestItems(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault estest.ItemFault
		want  string
		hint  string
	}{
		{"no fault", estest.ItemFault{}, "delivered", ""},
		{"a document that cannot be parsed", estest.ItemFault{Status: 400, Type: "document_parsing_exception", Reason: "[1:20] failed to parse field [x]"}, "rejected", ""},
		{"the same of an older server", estest.ItemFault{Status: 400, Type: "mapper_parsing_exception", Reason: "failed to parse"}, "rejected", ""},
		{"a mapping that takes no other field", estest.ItemFault{Status: 400, Type: "strict_dynamic_mapping_exception", Reason: "dynamic introduction of [x] is not allowed"}, "rejected", ""},
		{"an argument", estest.ItemFault{Status: 400, Type: "illegal_argument_exception", Reason: "field [x] not present as part of path [x.y]"}, "rejected", ""},
		{"a pipeline that fails on purpose", estest.ItemFault{Status: 500, Type: "fail_processor_exception", Reason: "no"}, "rejected", ""},
		{"a conflict", estest.ItemFault{Status: 409, Type: "version_conflict_engine_exception", Reason: "document already exists"}, "delivered", ""},
		{"another conflict", estest.ItemFault{Status: 409, Type: "resource_already_exists_exception", Reason: "x"}, "retry", ""},
		{"a full queue", estest.Busy, "retry", ""},
		{"a breaker of memory", estest.ItemFault{Status: 429, Type: "circuit_breaking_exception", Reason: "Data too large"}, "retry", ""},
		{"no primary shard", estest.Unavailable, "retry", ""},
		{"an error of the server", estest.ItemFault{Status: 500, Type: "null_pointer_exception", Reason: "x"}, "retry", ""},
		{"a full disk", estest.ItemFault{Status: 429, Type: "cluster_block_exception", Reason: "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark"}, "destination", "make room"},
		{"an index that is read-only", estest.ItemFault{Status: 403, Type: "cluster_block_exception", Reason: "index [x] blocked by: [FORBIDDEN/8/index write (api)]"}, "destination", "remove the block"},
		{"a privilege", estest.ItemFault{Status: 403, Type: "security_exception", Reason: "unauthorized"}, "credential", "create_doc"},
		{"no data stream", estest.ItemFault{Status: 404, Type: "index_not_found_exception", Reason: "no such index"}, "destination", "sluice assets install"},
		{"no pipeline", estest.ItemFault{Status: 400, Type: "illegal_argument_exception", Reason: "pipeline with id [x] does not exist"}, "destination", "create the ingest pipeline"},
		{"a collection that refuses ids", estest.ItemFault{Status: 400, Type: "illegal_argument_exception", Reason: "Document ID is not supported in create/index operation request"}, "destination", "document_id: none"},
		{"too many fields", estest.ItemFault{Status: 400, Type: "illegal_argument_exception", Reason: "Limit of total fields [1000] has been exceeded"}, "rejected", ""},
		{"a data stream takes nothing but create", estest.ItemFault{Status: 400, Type: "illegal_argument_exception", Reason: "only write ops with an op_type of create are allowed in data streams"}, "destination", "sluice assets install"},
		{"a closed index", estest.ItemFault{Status: 400, Type: "index_closed_exception", Reason: "closed"}, "destination", ""},
		{"too many shards", estest.ItemFault{Status: 400, Type: "validation_exception", Reason: "Validation Failed: 1: this action would add [2] shards"}, "destination", ""},
		{"an error with success", estest.ItemFault{Status: 201, Type: "x", Reason: "y"}, "retry", "bulk API"},
		{"an unknown status", estest.ItemFault{Status: 418, Type: "x", Reason: "y"}, "retry", "bulk API"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
				r.Change(func(c *estest.Config) {
					c.Script = only(estest.Fault{Item: func(i int) estest.ItemFault {
						if i == 1 {
							return tt.fault
						}
						return estest.ItemFault{}
					}}, 1)
				})
				err := r.publish(t, batch(3))
				var named sink.BatchError
				switch {
				case tt.want == "delivered" && err == nil:
					return
				case !errors.As(err, &named) || len(named) != 1 || named[0].Index != 1:
					t.Fatalf("got %v, want an error of record 1 alone", err)
				}
				if got := classOf(named[0].Err); got != tt.want {
					t.Errorf("%s: got %s, want %s: %v", tt.fault.Type, got, tt.want, named[0].Err)
				}
				if !strings.Contains(named[0].Err.Error(), tt.fault.Type) {
					t.Errorf("the error does not say why: %v", named[0].Err)
				}
				if got := failure.Hint(err); !strings.Contains(got, tt.hint) {
					t.Errorf("hint %q, want %q", got, tt.hint)
				}
				if len(r.Documents()) != 2 {
					t.Errorf("%d documents, want 2", len(r.Documents()))
				}
			})
		})
	}
}

// Servers repeat values of a document in the reason why they refuse it, and a script of a
// pipeline throws what it likes. So whoever names a branch decides nothing by that name.
func TestTheTextOfAnEventDecidesNothing(t *testing.T) {
	for _, name := range []string{
		"validation_exception", "index_closed_exception", "invalid_index_name_exception", "cluster_block_exception", "version_conflict_engine_exception",
		"fail_processor_exception", "pipeline with id [x", "Limit of total fields", "Document ID is not supported", "only write ops with an op_type of create are allowed",
	} {
		preview := "[1:57] failed to parse field [target.id] of type [long] in document with id 'acme|id-000001'. Preview of field's value: '" + name + "'"
		for _, tt := range []struct {
			kind   string
			status int
			error  string
			want   string
		}{
			{"a value", 400, `{"type":"document_parsing_exception","reason":` + quoted(preview) + `}`, "rejected"},
			{"a value of an older server", 400, `{"type":"mapper_parsing_exception","reason":` + quoted(name) + `,"caused_by":{"type":"illegal_argument_exception","reason":` + quoted(name) + `}}`, "rejected"},
			{"a script", 400, `{"type":"script_exception","reason":"runtime error","caused_by":{"type":"illegal_argument_exception","reason":` + quoted(name) + `}}`, "rejected"},
			{"an argument", 400, `{"type":"illegal_argument_exception","reason":` + quoted("unable to convert ["+name+"]") + `}`, "rejected"},
			{"a text alone", 400, quoted(name), "rejected"},
			{"no primary shard", 503, `{"type":"unavailable_shards_exception","reason":` + quoted("[x][0] primary shard is not active, request: [source[{\"name\":\""+name+"\"}]]") + `}`, "retry"},
			{"an error of the server", 500, `{"type":"null_pointer_exception","reason":` + quoted(name) + `}`, "retry"},
			{"a full queue", 429, `{"type":"es_rejected_execution_exception","reason":` + quoted(name) + `}`, "retry"},
			{"a privilege", 403, `{"type":"security_exception","reason":` + quoted(name) + `}`, "credential"},
			{"another conflict", 409, `{"type":"x","reason":` + quoted(name) + `}`, "retry"},
		} {
			t.Run(name+"/"+tt.kind, func(t *testing.T) {
				bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
					r.Change(func(c *estest.Config) {
						c.Script = only(estest.Fault{Twist: func(items []json.RawMessage) []json.RawMessage {
							items[1] = json.RawMessage(fmt.Sprintf(`{"create":{"_id":"acme|id-000001","status":%d,"error":%s}}`, tt.status, tt.error))
							return items
						}}, 1)
					})
					var named sink.BatchError
					if err := r.publish(t, batch(3)); !errors.As(err, &named) || len(named) != 1 || classOf(named[0].Err) != tt.want {
						t.Errorf("got %v, want record 1 %s", err, tt.want)
					}
				})
			})
		}
	}
}

func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // impossible for a text
	}
	return string(b)
}

// The document of a pipeline that fails on purpose is refused, however deep the server
// wraps the error, and with no other status.
func TestAPipelineThatFailsIsKnownByItsType(t *testing.T) {
	for status, want := range map[int]string{500: "rejected", 503: "retry", 429: "retry"} {
		bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
			r.Change(func(c *estest.Config) {
				c.Script = only(estest.Fault{Twist: func(items []json.RawMessage) []json.RawMessage {
					items[0] = json.RawMessage(fmt.Sprintf(`{"create":{"_id":"acme|id-000000","status":%d,"error":{"type":"exception","reason":"x","caused_by":{"type":"fail_processor_exception","reason":"no"}}}}`, status))
					return items
				}}, 1)
			})
			var named sink.BatchError
			if err := r.publish(t, batch(2)); !errors.As(err, &named) || len(named) != 1 || classOf(named[0].Err) != want {
				t.Errorf("%d: got %v, want %s", status, err, want)
			}
		})
	}
}

// A document with too many fields is refused alone, and its dead letter says what to do.
func TestTooManyFieldsAreTheDocuments(t *testing.T) {
	bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
		r.Change(func(c *estest.Config) {
			c.Script = only(estest.Fault{Item: func(int) estest.ItemFault {
				return estest.ItemFault{Status: 400, Type: "illegal_argument_exception", Reason: "Limit of total fields [1000] has been exceeded"}
			}}, 1)
		})
		err := r.publish(t, batch(1))
		if outcome(1, err)[0] != "refused" || !strings.Contains(err.Error(), "index.mapping.total_fields.limit") {
			t.Errorf("got %v, want a refusal with the setting", err)
		}
	})
}

// Only the result created says that a document is there: one that a pipeline drops has
// status 200, too.
func TestTheResultProvesDelivery(t *testing.T) {
	for _, tt := range []struct {
		item, want, says string
	}{
		{`"_version":1,"result":"created","status":201`, "delivered", ""},
		{`"_version":1,"result":"created","status":200`, "delivered", ""},
		// As a drop processor makes both servers answer (BulkRequestModifier.markItemAsDropped).
		{`"_version":-3,"result":"noop","_shards":{"total":0,"successful":0,"failed":0},"status":200`, "rejected", "an ingest pipeline dropped it"},
		{`"_version":2,"result":"updated","status":200`, "retry", "without the result created"},
		{`"status":201`, "retry", "without the result created"},
		{`"result":1,"status":201`, "retry", "without the result created"},
		{`"result":"created","status":202`, "retry", ""},
	} {
		t.Run(tt.item, func(t *testing.T) {
			bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
				r.Change(func(c *estest.Config) {
					c.Script = only(estest.Fault{Twist: func(items []json.RawMessage) []json.RawMessage {
						items[1] = json.RawMessage(`{"create":{"_id":"acme|id-000001",` + tt.item + `}}`)
						return items
					}}, 1)
				})
				err := r.publish(t, batch(3))
				got := "delivered"
				if named := sink.BatchError(nil); errors.As(err, &named) && len(named) == 1 && named[0].Index == 1 {
					got = classOf(named[0].Err)
				} else if err != nil {
					t.Fatalf("got %v, want an error of record 1 alone", err)
				}
				if got != tt.want || tt.says != "" && !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %s, want %s: %v", got, tt.want, err)
				}
			})
		})
	}
}

// read counts what is read of the longest answer to a bulk request.
type read struct {
	http.RoundTripper
	longest int
}

func (r *read) RoundTrip(q *http.Request) (*http.Response, error) {
	a, err := r.RoundTripper.RoundTrip(q)
	if err == nil && q.Method == http.MethodPost {
		a.Body = &readBody{a.Body, r, 0}
	}
	return a, err
}

type readBody struct {
	io.ReadCloser
	all *read
	n   int
}

func (b *readBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += n
	b.all.longest = max(b.all.longest, b.n)
	return n, err
}

// An answer is read as far as one to so many documents can be long, also if it was compressed.
func TestAnswersAreBounded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"version":{"number":"9.1.0"}}`)
			return
		}
		var to io.Writer = w
		if r.URL.Query().Get("pipeline") == "zipped" {
			w.Header().Set("Content-Encoding", "gzip")
			zipped := gzip.NewWriter(w)
			defer zipped.Close()
			to = zipped
		}
		_, _ = io.WriteString(to, `{"took":1,"errors":false,"items":[`+strings.Repeat(" ", 8<<20)) // The client may be gone.
	}))
	defer server.Close()
	for _, pipeline := range []string{"plain", "zipped"} {
		count := &read{RoundTripper: (*setting.TLS)(nil).Transport(posting.NewTransport(1))}
		r := &rig{settings: defaults(server.URL), transport: count}
		r.settings.Pipeline = pipeline
		if err := r.publish(t, batch(1)); err == nil || sink.IsPermanent(err) {
			t.Errorf("%s: got %v, want an error that passes", pipeline, err)
		}
		if count.longest < 64<<10 || count.longest > 80<<10 {
			t.Errorf("%s: %d bytes of an answer to one document were read", pipeline, count.longest)
		}
	}
}

// TestAnswers is the second table: what an answer as a whole means.
func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		answer estest.Answer
		want   string
		hint   string
	}{
		{estest.Answer{Status: 400, Type: "illegal_argument_exception", Reason: "Malformed action/metadata line [1]"}, "destination", "mistake of Sluice"},
		{estest.Answer{Status: 400, Type: "illegal_argument_exception", Reason: "Unexpected end of ZLIB input stream"}, "destination", "mistake of Sluice"},
		{estest.Answer{Status: 403, Type: "security_exception", Reason: "cluster_block_exception"}, "credential", "create_doc"},
		{estest.Answer{Status: 400, Type: "e_o_f_exception", Reason: "Unexpected end of ZLIB input stream"}, "retry", ""},
		{estest.Answer{Status: 401, Type: "security_exception", Reason: "unable to authenticate"}, "credential", "api_key"},
		{estest.Answer{Status: 403, Type: "security_exception", Reason: "action [indices:data/write/bulk] is unauthorized"}, "credential", "create_doc"},
		{estest.Answer{Status: 403, Type: "cluster_block_exception", Reason: "blocked by: [FORBIDDEN/8]"}, "destination", "remove the block"},
		{estest.Answer{Status: 404, Type: "index_not_found_exception", Reason: "no such index"}, "destination", "sluice assets install"},
		{estest.Answer{Status: 302, Location: "https://elsewhere"}, "destination", "redirects are not followed"},
		{estest.Answer{Status: 405, HTML: true}, "destination", ""},
		{estest.Answer{Status: 406, Type: "media_type_header_exception", Reason: "x"}, "destination", "bulk API"},
		{estest.Answer{Status: 415, HTML: true}, "destination", "compression: none"},
		{estest.Answer{Status: 408, HTML: true}, "retry", ""},
		{estest.Answer{Status: 429, Type: "es_rejected_execution_exception", Reason: "rejected", RetryAfter: 7}, "retry", ""},
		{estest.Answer{Status: 500, Type: "x", Reason: "y"}, "retry", ""},
		{estest.Answer{Status: 502, HTML: true}, "retry", ""},
		{estest.Answer{Status: 503, Type: "cluster_block_exception", Reason: "no master"}, "retry", ""},
		{estest.Answer{Status: 504, HTML: true}, "retry", ""},
		{estest.Answer{Status: 200, HTML: true}, "retry", "bulk API"},
		{estest.Answer{Status: 200, Raw: `{}`}, "retry", "bulk API"},
		{estest.Answer{Status: 200, Raw: `{"took":1,"errors":false,"items":[]}`}, "retry", "bulk API"},
		{estest.Answer{Status: 200, Raw: `{"took":1,"errors":false,"items":null}`}, "retry", "bulk API"},
		{estest.Answer{Status: 200, Raw: `null`}, "retry", "bulk API"},
		{estest.Answer{Status: 201, Raw: `{}`}, "retry", "bulk API"},
		{estest.Answer{Status: 204, Raw: ` `}, "retry", "bulk API"},
	} {
		t.Run(fmt.Sprintf("%d %s%.20s", tt.answer.Status, tt.answer.Type, tt.answer.Raw), func(t *testing.T) {
			bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
				r.Change(func(c *estest.Config) { c.Script = only(estest.Fault{Answer: &tt.answer}, 1) })
				err := r.publish(t, batch(3))
				if said := outcome(3, err); len(said) != 3 || said[0] != "again" {
					t.Fatalf("got %v of %v, want all again", said, err)
				}
				if got := classOf(err); got != tt.want {
					t.Errorf("got %s, want %s: %v", got, tt.want, err)
				}
				if got := failure.Hint(err); !strings.Contains(got, tt.hint) {
					t.Errorf("hint %q, want %q", got, tt.hint)
				}
				if wait := failure.RetryAfter(err); tt.answer.RetryAfter > 0 && wait != 7*time.Second {
					t.Errorf("the lane waits %s", wait)
				}
				if len(r.Documents()) > 0 {
					t.Error("a document was stored")
				}
			})
		})
	}
}

// An answer that does not have each document in its place proves nothing, whatever it says.
func TestAnswersThatProveNothing(t *testing.T) {
	swap := func(items []json.RawMessage) []json.RawMessage {
		items[0], items[1] = items[1], items[0]
		return items
	}
	twists := map[string]func([]json.RawMessage) []json.RawMessage{
		"another order":     swap,
		"an item missing":   func(items []json.RawMessage) []json.RawMessage { return items[1:] },
		"an item too many":  func(items []json.RawMessage) []json.RawMessage { return append(items, items[0]) },
		"an item twice":     func(items []json.RawMessage) []json.RawMessage { items[2] = items[0]; return items },
		"another operation": func(items []json.RawMessage) []json.RawMessage { return replaced(items, `"create"`, `"index"`) },
		"two operations": func(items []json.RawMessage) []json.RawMessage {
			items[1] = json.RawMessage(`{"create":{"_id":"acme|id-000001","status":201},"index":{"status":201}}`)
			return items
		},
		"no id":      func(items []json.RawMessage) []json.RawMessage { return replaced(items, `"_id"`, `"id"`) },
		"no status":  func(items []json.RawMessage) []json.RawMessage { return replaced(items, `"status"`, `"state"`) },
		"null items": func(items []json.RawMessage) []json.RawMessage { items[1] = json.RawMessage(`null`); return items },
		"no create":  func(items []json.RawMessage) []json.RawMessage { items[1] = json.RawMessage(`{}`); return items },
	}
	for name, twist := range twists {
		t.Run(name, func(t *testing.T) {
			bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
				r.Change(func(c *estest.Config) { c.Script = only(estest.Fault{Twist: twist}, 1) })
				snk, records := r.open(t), batch(3)
				err := snk.Publish(t.Context(), records)
				if said := outcome(3, err); !maps.Equal(said, map[int]string{0: "again", 1: "again", 2: "again"}) {
					t.Errorf("got %v of %v, want all again", said, err)
				}
				if _, err := settle(t.Context(), snk, records); err != nil {
					t.Fatal(err)
				}
				r.wantOnce(t, records)
			})
		})
	}
}

func replaced(items []json.RawMessage, old, new string) []json.RawMessage {
	for i := range items {
		items[i] = json.RawMessage(strings.Replace(string(items[i]), old, new, 1))
	}
	return items
}

// A document in the failure store is no event that somebody would find: it is rejected with
// the reason, although the status is that of success.
func TestTheFailureStoreIsNoDelivery(t *testing.T) {
	bubble(t, estest.Config{FailureStore: true, Refuse: isBad}, func(t *testing.T, r *rig) {
		records := batch(5)
		spoil(records, 1, 3)
		err := r.publish(t, records)
		if diff := cmp.Diff(map[int]string{1: "refused", 3: "refused"}, outcome(5, err)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if !strings.Contains(err.Error(), "failure store of "+stream) || len(r.Failures()) != 2 {
			t.Errorf("%d documents in the failure store, and the error is %v", len(r.Failures()), err)
		}
	})
}

// A pipeline that changes ids would make every answer prove nothing. That is said.
func TestAPipelineThatChangesIDsIsSaid(t *testing.T) {
	bubble(t, estest.Config{Rename: func(string) string { return "another" }}, func(t *testing.T, r *rig) {
		err := r.publish(t, batch(1))
		if err == nil || sink.IsPermanent(err) || !strings.Contains(failure.Hint(err), "an ingest pipeline changes _id") {
			t.Errorf("got %v, hint %q", err, failure.Hint(err))
		}
	})
}

// Without ids, answers are compared by their number alone.
func TestServerlessCollection(t *testing.T) {
	bubble(t, estest.Config{Flavor: estest.Serverless, Refuse: isBad}, func(t *testing.T, r *rig) {
		err := r.publish(t, batch(3))
		if classOf(err) != "destination" || !strings.Contains(failure.Hint(err), "document_id: none") {
			t.Errorf("with ids: got %v, hint %q", err, failure.Hint(err))
		}
		r.settings.DocumentID, r.settings.Index = "none", "audit"
		records := batch(3)
		spoil(records, 2)
		if diff := cmp.Diff(map[int]string{2: "refused"}, outcome(3, r.publish(t, records))); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if len(r.Documents()) != 2 {
			t.Errorf("%d documents, want 2", len(r.Documents()))
		}
	})
}

// A request that is too large is split, down to one record.
func TestTooLargeRequestsAreSplit(t *testing.T) {
	bubble(t, estest.Config{MaxBytes: 2000}, func(t *testing.T, r *rig) {
		records := batch(50)
		records[7].Body = fmt.Appendf(nil, `{"@timestamp":"2026-03-04T05:06:07.000Z","pad":"%02000d"}`, 1)
		refused, err := settle(t.Context(), r.open(t), records)
		if err != nil || len(refused) != 1 || refused[0] != records[7].ID {
			t.Fatalf("refused %q, %v", refused, err)
		}
		r.wantOnce(t, append(records[:7:7], records[8:]...))
	})
}

// An Elasticsearch that knows the parameter is told that the target is a data stream. One
// that does not, and OpenSearch, would refuse the whole request.
func TestRequiresADataStreamWhereTheServerCan(t *testing.T) {
	for _, tt := range []struct {
		name    string
		config  estest.Config
		index   string
		flavor  string
		require bool
	}{
		{"Elasticsearch", estest.Config{}, "", "auto", true},
		{"an old Elasticsearch", estest.Config{Version: "8.12.2"}, "", "auto", false},
		{"the first one that knows it", estest.Config{Version: "8.13.0"}, "", "auto", true},
		{"a credential that may not ask for the version", estest.Config{Denied: []string{"monitor"}}, "", "auto", false},
		{"an index", estest.Config{}, "audit", "auto", false},
		{"OpenSearch", estest.Config{Flavor: estest.OpenSearch}, "", "auto", false},
		{"a server that is said to be OpenSearch", estest.Config{}, "", "opensearch", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, tt.config, func(t *testing.T, r *rig) {
				r.settings.Index, r.settings.Flavor = tt.index, tt.flavor
				if err := r.publish(t, batch(2)); err != nil {
					t.Fatal(err)
				}
				if got := strings.Contains(r.bulks()[0].Query, "require_data_stream=true"); got != tt.require {
					t.Errorf("it is required: %v, want %v", got, tt.require)
				}
			})
		})
	}
}

// Without a template the events would land in an index with guessed mappings.
func TestMissingTemplate(t *testing.T) {
	bubble(t, estest.Config{Templates: []string{}}, func(t *testing.T, r *rig) {
		err := r.publish(t, batch(2))
		if len(outcome(2, err)) != 2 || !strings.Contains(failure.Hint(err), "sluice assets install") || len(r.Documents()) > 0 {
			t.Errorf("Elasticsearch: %d documents, got %v, hint %q", len(r.Documents()), err, failure.Hint(err))
		}
	})
	bubble(t, estest.Config{Flavor: estest.OpenSearch, Templates: []string{}}, func(t *testing.T, r *rig) {
		snk := r.open(t)
		for i := range 2 {
			if err := snk.Publish(t.Context(), batch(2+i)); err != nil {
				t.Fatal(err)
			}
		}
		if n := strings.Count(r.log.String(), "no index template makes it a data stream"); n != 1 {
			t.Errorf("OpenSearch: it was said %d times, want once: %s", n, r.log.String())
		}
	})
}

// TestCredentials: each kind of credential is sent as the server wants it, and never shown.
func TestCredentials(t *testing.T) {
	const secret = "correct-horse-battery"
	for name, c := range map[string]struct {
		plain  string
		change func(*rig)
	}{
		"API key":        {apiKey, func(r *rig) { r.settings.APIKey = setting.NewSecret(apiKey) }},
		"a bearer token": {secret, func(r *rig) { r.settings.APIKey, r.settings.Token = setting.Secret{}, setting.NewSecret(secret) }},
		"name and password": {secret, func(r *rig) {
			r.settings.APIKey, r.settings.Username, r.settings.Password = setting.Secret{}, "sluice", setting.NewSecret(secret)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, estest.Config{User: "sluice", Password: secret, Bearer: secret}, func(t *testing.T, r *rig) {
				c.change(r)
				if err := r.publish(t, batch(1)); err != nil {
					t.Fatal(err)
				}
				sent := r.bulks()[0].Header.Get("Authorization")
				refused := estest.Answer{Status: http.StatusUnauthorized, Type: "security_exception", Reason: "refused " + sent + " " + c.plain}
				r.Change(func(c *estest.Config) { c.Script = only(estest.Fault{Answer: &refused}, 1) })
				err := r.publish(t, batch(2))
				if classOf(err) != "credential" || strings.Contains(err.Error(), c.plain) || strings.Contains(err.Error(), strings.Fields(sent)[1]) {
					t.Errorf("%s: %v", classOf(err), err)
				}
			})
		})
	}
}
