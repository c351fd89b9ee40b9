package estest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// inform answers what is not a bulk request.
func (s *Server) inform(r *http.Request, asked *Request) Answer {
	name := strings.TrimPrefix(asked.Path, "/")
	switch {
	case name == "" && s.config.Flavor == Serverless:
		return Answer{Status: http.StatusNotFound, Raw: `{"message":"Not Found"}`}
	case name == "":
		return s.root()
	case name == "_security/user/_has_privileges" && s.config.Flavor == Elasticsearch:
		return s.privileges(asked.Body)
	case strings.HasPrefix(name, "_data_stream/"):
		return s.dataStream(strings.TrimPrefix(name, "_data_stream/"))
	case strings.HasPrefix(name, "_index_template/"):
		return s.object(r, name, "manage_index_templates", asked.Body)
	case strings.HasPrefix(name, "_ingest/pipeline/"):
		return s.object(r, name, "manage_pipeline", asked.Body)
	}
	if r.Method == http.MethodHead && !strings.HasPrefix(name, "_") {
		if s.targets[name] == nil {
			return Answer{Status: http.StatusNotFound}
		}
		return Answer{Status: http.StatusOK}
	}
	return Answer{Status: http.StatusBadRequest, Raw: fmt.Sprintf(`{"error":"no handler found for uri [%s] and method [%s]"}`, asked.Path, r.Method)}
}

func (s *Server) root() Answer {
	if slices.Contains(s.config.Denied, "monitor") {
		return s.denied("cluster:monitor/main")
	}
	version := map[string]any{"number": s.config.Version}
	body := map[string]any{"name": "node-1", "cluster_name": "estest", "version": version, "tagline": "You Know, for Search"}
	if s.config.Flavor == OpenSearch {
		version["distribution"] = "opensearch"
		body["tagline"] = "The OpenSearch Project: https://opensearch.org/"
	}
	return Answer{Status: http.StatusOK, body: body}
}

func (s *Server) denied(action string) Answer {
	return Answer{Status: http.StatusForbidden, Type: "security_exception", Reason: fmt.Sprintf("action [%s] is unauthorized for API key id [x]", action)}
}

// privileges answers which privileges the credentials have.
func (s *Server) privileges(body []byte) Answer {
	var question struct {
		Cluster []string
		Index   []struct{ Names, Privileges []string }
	}
	if err := json.Unmarshal(body, &question); err != nil {
		return invalid("x_content_parse_exception", err.Error())
	}
	all := true
	has := func(privileges []string) map[string]bool {
		list := map[string]bool{}
		for _, p := range privileges {
			list[p] = !slices.Contains(s.config.Denied, p)
			all = all && list[p]
		}
		return list
	}
	index := map[string]any{}
	for _, i := range question.Index {
		for _, name := range i.Names {
			index[name] = has(i.Privileges)
		}
	}
	cluster := has(question.Cluster)
	return Answer{Status: http.StatusOK, body: map[string]any{"username": "sluice", "has_all_requested": all, "cluster": cluster, "index": index, "application": map[string]any{}}}
}

func (s *Server) dataStream(name string) Answer {
	t := s.targets[name]
	switch {
	case slices.Contains(s.config.Denied, "view_index_metadata"):
		return s.denied("indices:admin/data_stream/get")
	case t == nil || !t.stream:
		return Answer{Status: http.StatusNotFound, Type: "index_not_found_exception", Reason: fmt.Sprintf("no such index [%s]", name)}
	}
	return Answer{Status: http.StatusOK, body: map[string]any{"data_streams": []any{map[string]any{
		"name": name, "timestamp_field": map[string]any{"name": "@timestamp"}, "generation": len(t.ids),
	}}}}
}

// object reads, writes or deletes a template or a pipeline.
func (s *Server) object(r *http.Request, name, privilege string, body []byte) Answer {
	if slices.Contains(s.config.Denied, privilege) {
		return s.denied("cluster:admin/" + privilege)
	}
	kind, id := name[:strings.LastIndex(name, "/")], name[strings.LastIndex(name, "/")+1:]
	switch r.Method {
	case http.MethodPut:
		if a := s.acceptable(kind, body); a != nil {
			return *a
		}
		s.objects[name] = bytes.Clone(body)
		return Answer{Status: http.StatusOK, Raw: `{"acknowledged":true}`}
	case http.MethodGet:
		stored, has := s.objects[name]
		switch {
		case !has && kind == "_ingest/pipeline" && slices.Contains(s.config.Pipelines, id):
			stored = []byte(`{"description":"somebody's","processors":[]}`)
		case !has && kind == "_ingest/pipeline":
			return Answer{Status: http.StatusNotFound, Raw: "{}"}
		case !has:
			return Answer{Status: http.StatusNotFound, Type: "resource_not_found_exception", Reason: fmt.Sprintf("index template matching [%s] not found", id)}
		}
		if kind == "_ingest/pipeline" {
			return Answer{Status: http.StatusOK, body: map[string]json.RawMessage{id: stored}}
		}
		return Answer{Status: http.StatusOK, body: map[string]any{"index_templates": []any{map[string]any{"name": id, "index_template": json.RawMessage(stored)}}}}
	}
	return Answer{Status: http.StatusMethodNotAllowed, Type: "method_not_allowed", Reason: r.Method}
}

// acceptable refuses an object with a key that the server does not know.
func (s *Server) acceptable(kind string, body []byte) *Answer {
	known := []string{"description", "processors", "on_failure", "version"}
	if kind == "_index_template" {
		known = []string{"_meta", "composed_of", "data_stream", "index_patterns", "priority", "template", "version"}
	}
	if s.config.Flavor == Elasticsearch {
		known = append(known, "_meta", "allow_auto_create", "ignore_missing_component_templates", "deprecated")
	}
	top, err := members(body)
	if err != nil {
		a := invalid("x_content_parse_exception", err.Error())
		return &a
	}
	for key := range top {
		if !slices.Contains(known, key) {
			a := invalid("parse_exception", fmt.Sprintf("unknown field [%s]", key))
			return &a
		}
	}
	return nil
}
