package estest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
)

// maxID is the longest id in bytes (IndexRequest.validate).
const maxID = 512

// action is one action of a bulk request, with its document.
type action struct {
	op, id string
	body   []byte
}

// bulk handles a bulk request: all its actions are parsed first, then each is done by
// itself.
func (s *Server) bulk(r *http.Request, asked *Request, fault Fault) Answer {
	target := strings.TrimPrefix(strings.TrimSuffix(asked.Path, "/_bulk"), "/")
	switch {
	case r.Method != http.MethodPost && r.Method != http.MethodPut:
		return Answer{Status: http.StatusMethodNotAllowed, Type: "method_not_allowed", Reason: "Incorrect HTTP method for uri"}
	case target == "" || strings.Contains(target, "/"):
		return invalid("illegal_argument_exception", "no target")
	}
	if a := s.parameters(r); a != nil {
		return *a
	}
	actions, refusal := parse(asked.Body)
	if refusal != nil {
		return *refusal
	}
	var items []json.RawMessage
	failed := false
	for i, act := range actions {
		it := s.do(r, asked, target, act, fault, i)
		failed = failed || it["error"] != nil
		items = append(items, encode(map[string]any{act.op: it}))
	}
	if fault.Twist != nil {
		items = fault.Twist(items)
	}
	return Answer{Status: http.StatusOK, body: map[string]any{"took": 3, "errors": failed, "items": items}}
}

func invalid(kind, reason string) Answer {
	return Answer{Status: http.StatusBadRequest, Type: kind, Reason: reason}
}

// parameters refuses what the server does not know.
func (s *Server) parameters(r *http.Request) *Answer {
	known := []string{"pipeline", "refresh", "timeout", "filter_path", "require_alias", "routing", "wait_for_active_shards", "_source"}
	if s.config.Flavor == Elasticsearch && s.atLeast("8.13") {
		known = append(known, "require_data_stream")
	}
	for name := range r.URL.Query() {
		if !slices.Contains(known, name) {
			a := invalid("illegal_argument_exception", fmt.Sprintf("request [%s] contains unrecognized parameter: [%s]", r.URL.Path, name))
			return &a
		}
	}
	return nil
}

// atLeast compares versions of two numbers.
func (s *Server) atLeast(version string) bool {
	var has, want [2]int
	_, _ = fmt.Sscanf(s.config.Version, "%d.%d", &has[0], &has[1])
	_, _ = fmt.Sscanf(version, "%d.%d", &want[0], &want[1])
	return slices.Compare(has[:], want[:]) >= 0
}

// lines splits a body.
func lines(body []byte) [][]byte {
	return bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))
}

// parse reads the actions of a body. One that is malformed refuses the whole request
// (BulkRequestParser).
func parse(body []byte) ([]action, *Answer) {
	refuse := func(kind, format string, args ...any) ([]action, *Answer) {
		a := invalid(kind, fmt.Sprintf(format, args...))
		return nil, &a
	}
	switch {
	case len(body) == 0:
		return refuse("parse_exception", "request body is required")
	case !bytes.HasSuffix(body, []byte("\n")):
		return refuse("illegal_argument_exception", `The bulk request must be terminated by a newline [\n]`)
	}
	var all []action
	rest := lines(body)
	for n := 0; n < len(rest); n += 2 {
		var line map[string]map[string]any
		if err := json.Unmarshal(rest[n], &line); err != nil || len(line) != 1 {
			return refuse("illegal_argument_exception", "Malformed action/metadata line [%d], expected START_OBJECT", n+1)
		}
		for op, meta := range line {
			if op != "create" && op != "index" {
				return refuse("illegal_argument_exception", "Malformed action/metadata line [%d], expected one of [create, delete, index, update] but found [%s]", n+1, op)
			}
			act := action{op: op}
			for key, value := range meta {
				text, isText := value.(string)
				if key != "_id" || !isText {
					return refuse("illegal_argument_exception", "Action/metadata line [%d] contains an unknown parameter [%s]", n+1, key)
				}
				act.id = text
			}
			if n+1 == len(rest) || len(rest[n+1]) == 0 {
				return refuse("action_request_validation_exception", "Validation Failed: 1: source is missing;")
			}
			if len(act.id) > maxID {
				return refuse("action_request_validation_exception", "Validation Failed: 1: id [%s] is too long, must be no longer than 512 bytes but was: %d;", act.id, len(act.id))
			}
			act.body = rest[n+1]
			all = append(all, act)
		}
	}
	return all, nil
}

// item is the answer to an action.
type item = map[string]any

func (s *Server) do(r *http.Request, asked *Request, name string, act action, fault Fault, i int) item {
	id := act.id
	if id != "" && s.config.Rename != nil {
		id = s.config.Rename(id)
	}
	d := Document{Index: name, Target: name, ID: id, Body: bytes.Clone(act.body)}
	var wrong ItemFault
	if fault.Item != nil {
		wrong = fault.Item(i)
	}
	if wrong.Type == "" || wrong.Taken {
		it := s.create(r, asked, act, d)
		if wrong.Type == "" {
			return it
		}
	}
	return failing(d, wrong)
}

func failing(d Document, f ItemFault) item {
	it := item{"_index": d.Index, "status": f.Status, "error": item{"type": f.Type, "reason": f.Reason}}
	if d.ID != "" {
		it["_id"] = d.ID
	}
	return it
}

// create does what one action asks for.
func (s *Server) create(r *http.Request, asked *Request, act action, d Document) item {
	refuse := func(status int, kind, reason string) item {
		return failing(d, ItemFault{Status: status, Type: kind, Reason: reason})
	}
	pipeline := r.URL.Query().Get("pipeline")
	stream := slices.ContainsFunc(s.config.Templates, func(pattern string) bool { ok, _ := path.Match(pattern, d.Target); return ok })
	switch {
	case slices.Contains(s.config.Denied, "create_doc"):
		return refuse(403, "security_exception", "action [indices:data/write/bulk[s]] is unauthorized for API key id [x]")
	case s.config.Flavor == Serverless && act.id != "":
		return refuse(400, "illegal_argument_exception", "Document ID is not supported in create/index operation request")
	case pipeline != "" && pipeline != "_none" && !slices.Contains(s.config.Pipelines, pipeline):
		return refuse(400, "illegal_argument_exception", fmt.Sprintf("pipeline with id [%s] does not exist", pipeline))
	case !stream && r.URL.Query().Get("require_data_stream") == "true":
		return refuse(404, "index_not_found_exception", fmt.Sprintf("no such index [%s] and [require_data_stream] request flag is [true] and [%s] is not a data stream", d.Target, d.Target))
	case stream && act.op != "create":
		return refuse(400, "illegal_argument_exception", "only write ops with an op_type of create are allowed in data streams")
	}
	at := s.target(d.Target, stream)
	d.Index = at.index()
	if d.ID == "" {
		d.ID = fmt.Sprintf("generated-%d", s.created+1)
	}
	kind, reason := s.judge(d, stream)
	switch {
	case kind != "" && s.config.FailureStore && stream:
		s.failures = append(s.failures, d)
		return item{"_index": strings.Replace(d.Index, ".ds-", ".fs-", 1), "_id": d.ID, "_version": 1, "result": "created", "status": 201, "failure_store": "used"}
	case kind != "":
		return refuse(400, kind, reason)
	case at.has(d.ID):
		asked.Conflict++
		return refuse(409, "version_conflict_engine_exception", fmt.Sprintf("[%s]: version conflict, document already exists (current version [1])", d.ID))
	}
	at.add(d.ID)
	s.created++
	if s.config.Created != nil {
		s.config.Created(d)
	} else {
		s.documents = append(s.documents, d)
	}
	return item{"_index": d.Index, "_id": d.ID, "_version": 1, "result": "created",
		"_shards": item{"total": 2, "successful": 1, "failed": 0}, "_seq_no": s.created, "_primary_term": 1, "status": 201}
}

// judge reads a document as the mapper does.
func (s *Server) judge(d Document, stream bool) (kind, reason string) {
	top, err := members(d.Body)
	if err != nil {
		return "document_parsing_exception", "[1:1] failed to parse: " + err.Error()
	}
	if stream {
		var at string
		if err := json.Unmarshal(top["@timestamp"], &at); err != nil {
			return "document_parsing_exception", "[1:1] failed to parse: data stream timestamp field [@timestamp] is missing"
		}
		if _, err := time.Parse(time.RFC3339Nano, at); err != nil {
			return "document_parsing_exception", fmt.Sprintf("[1:1] failed to parse field [@timestamp] of type [date] in document with id '%s'. Preview of field's value: '%s'", d.ID, at)
		}
	}
	if s.config.Refuse != nil {
		return s.config.Refuse(d)
	}
	return "", ""
}

// members returns the members of an object, which must have each key once.
func members(body []byte) (map[string][]byte, error) {
	if !json.Valid(body) || !utf8.Valid(body) || rawjson.Space(body, 0) == len(body) || body[rawjson.Space(body, 0)] != '{' {
		return nil, errors.New("not a JSON object")
	}
	all := map[string][]byte{}
	for at := rawjson.Space(body, 0) + 1; ; {
		key, value, ok := rawjson.Member(body, at)
		if !ok {
			return all, nil
		}
		end := rawjson.Value(body, value)
		name := rawjson.Text(key)
		if _, twice := all[name]; twice {
			return nil, fmt.Errorf("duplicate field '%s'", name)
		}
		all[name] = body[value:end]
		if at, ok = rawjson.Next(body, end); !ok {
			return all, nil
		}
	}
}
