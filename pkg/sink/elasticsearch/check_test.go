package elasticsearch_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch/estest"
)

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config estest.Config
		change func(*rig)
		want   string // in the text, or in the error
		hint   string
		warns  string // in the log; empty: no warning
	}{
		{"all is well", estest.Config{}, (*rig).installed,
			"Elasticsearch 9.1.0 at http://localhost:9200; data stream logs-planetscale.audit-default exists; the credential may write it", "", ""},
		{"nothing is installed", estest.Config{}, nil,
			"data stream logs-planetscale.audit-default does not exist yet; the credential may write it", "", "index template logs-planetscale.audit is not installed"},
		{"the credential sees nothing", estest.Config{Denied: []string{"manage_index_templates", "manage_pipeline", "view_index_metadata", "monitor"}}, nil,
			"Elasticsearch of unknown version at http://localhost:9200; data stream logs-planetscale.audit-default may not be seen with this credential; the credential may write it", "", ""},
		{"no create_doc", estest.Config{Denied: []string{"create_doc"}}, nil, "lacks the privilege create_doc", "create_doc and auto_configure", ""},
		{"no auto_configure, and no data stream", estest.Config{Denied: []string{"auto_configure"}}, nil, "lacks the privilege auto_configure", "create_doc and auto_configure", ""},
		{"no auto_configure, and it exists", estest.Config{Denied: []string{"auto_configure"}}, (*rig).installed, "the credential may write it", "", ""},
		{"another credential", estest.Config{}, func(r *rig) { r.Change(func(c *estest.Config) { c.APIKey = "another" }) }, "unable to authenticate", "api_key", ""},
		{"no pipeline", estest.Config{}, func(r *rig) { r.settings.Pipeline = "geo" }, "the ingest pipeline geo does not exist", "create the ingest pipeline", ""},
		{"a pipeline", estest.Config{Pipelines: []string{"geo"}}, func(r *rig) { r.installed(); r.settings.Pipeline = "geo" }, "exists", "", ""},
		{"an index", estest.Config{}, func(r *rig) { r.settings.Index = "audit" }, "index audit does not exist yet", "", ""},
		{"OpenSearch", estest.Config{Flavor: estest.OpenSearch}, (*rig).installed,
			"OpenSearch 2.19.6 at http://localhost:9200; data stream logs-planetscale.audit-default exists; --send-test proves that it can be written", "", ""},
		{"a collection of Amazon", estest.Config{Flavor: estest.Serverless}, func(r *rig) { r.settings.Index = "audit" },
			"a server of unknown kind at http://localhost:9200; index audit does not exist yet; --send-test proves", "", ""},
		{"a server in trouble", estest.Config{Script: func(estest.Request) estest.Fault {
			return estest.Fault{Answer: &estest.Answer{Status: 503, HTML: true}}
		}}, nil, "503 Service Unavailable", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, tt.config, func(t *testing.T, r *rig) {
				if tt.change != nil {
					tt.change(r)
				}
				before := len(r.Documents())
				text, err := r.open(t).(sink.Checker).Check(t.Context())
				if err != nil {
					text = err.Error()
				}
				if !strings.Contains(text, tt.want) {
					t.Errorf("got %q, want %q", text, tt.want)
				}
				if got := failure.Hint(err); !strings.Contains(got, tt.hint) || (tt.hint == "") != (got == "") {
					t.Errorf("hint %q, want %q", got, tt.hint)
				}
				if got := r.log.String(); !strings.Contains(got, tt.warns) || (tt.warns == "") != (got == "") {
					t.Errorf("log %q, want %q", got, tt.warns)
				}
				for _, q := range r.Requests() {
					if q.Bulk() || q.Method == http.MethodPut {
						t.Errorf("check made the request %s %s", q.Method, q.Path)
					}
				}
				if len(r.Documents()) != before {
					t.Error("check wrote a document")
				}
			})
		})
	}
}

// installed brings the rig into the state after installation and the first event.
func (r *rig) installed() {
	product := "elasticsearch"
	r.Change(func(c *estest.Config) {
		if c.Flavor != estest.Elasticsearch {
			product = "opensearch"
		}
	})
	all, err := elasticsearch.Assets(product)
	if err != nil {
		panic(err) // They are embedded.
	}
	for _, a := range all {
		r.Put(a.Path(), a.Body)
	}
	r.Rollover(stream)
}

func TestInstall(t *testing.T) {
	for _, product := range []string{"elasticsearch", "opensearch"} {
		t.Run(product, func(t *testing.T) {
			bubble(t, estest.Config{Flavor: product}, func(t *testing.T, r *rig) {
				want := strings.Join([]string{
					"_ingest/pipeline/logs-planetscale.audit", "_index_template/logs-planetscale.audit",
					"_ingest/pipeline/logs-sluice.own", "_index_template/logs-sluice.own",
				}, "\n")
				step := func(name string, how elasticsearch.Installation, done string) {
					t.Helper()
					how.Product = product
					var got []string
					how.Report = func(a elasticsearch.Asset, _ elasticsearch.State, did string) {
						if did != done {
							t.Errorf("%s: %s %s, want %s", name, a, did, done)
						}
						got = append(got, a.Path())
					}
					if err := r.install(t, how); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if strings.Join(got, "\n") != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				step("a dry run", elasticsearch.Installation{DryRun: true}, "would be installed")
				if r.Object("_index_template/logs-sluice.own") != nil {
					t.Error("a dry run installs")
				}
				step("the first time", elasticsearch.Installation{}, "installed")
				step("again", elasticsearch.Installation{}, "kept")
				for _, path := range strings.Split(want, "\n") {
					// An older version, which the server stores with its own additions.
					r.Put(path, []byte(`{"description":"as Sluice writes it","_meta":{"description":"as Sluice writes it"},"version":1}`))
				}
				step("over an older version", elasticsearch.Installation{}, "replaced")
			})
		})
	}
}

// Somebody else's object is never overwritten without being told to, and then nothing is.
func TestInstallKeepsWhatIsNotSluices(t *testing.T) {
	bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
		const path = "_index_template/logs-sluice.own"
		r.Put(path, []byte(`{"index_patterns":["logs-*"],"_meta":{"description":"mine"}}`))
		how := elasticsearch.Installation{Product: "elasticsearch", Report: func(elasticsearch.Asset, elasticsearch.State, string) {}}
		err := r.install(t, how)
		if err == nil || !strings.Contains(err.Error(), "index template logs-sluice.own is there, but Sluice did not make it") || !strings.Contains(failure.Hint(err), "--replace") {
			t.Errorf("got %v, hint %q", err, failure.Hint(err))
		}
		if r.Object("_ingest/pipeline/logs-planetscale.audit") != nil || !strings.Contains(string(r.Object(path)), "mine") {
			t.Error("something was changed")
		}
		how.Replace = true
		if err := r.install(t, how); err != nil || strings.Contains(string(r.Object(path)), "mine") {
			t.Errorf("with Replace: %v, %s", err, r.Object(path))
		}
	})
}

func TestInstallNamesWhatIsWrong(t *testing.T) {
	for name, tt := range map[string]struct {
		config estest.Config
		want   string
		hint   string
	}{
		"another product": {estest.Config{Flavor: estest.OpenSearch}, "is OpenSearch 2.19.6", "sluice assets install opensearch"},
		"no privilege":    {estest.Config{Denied: []string{"manage_pipeline"}}, "may not be seen with this credential", "manage_index_templates"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, tt.config, func(t *testing.T, r *rig) {
				err := r.install(t, elasticsearch.Installation{Product: "elasticsearch"})
				if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(failure.Hint(err), tt.hint) {
					t.Errorf("got %v, hint %q", err, failure.Hint(err))
				}
			})
		})
	}
}

// An object is installed once the server acknowledged it and has it.
func TestInstallIsConfirmed(t *testing.T) {
	for name, fault := range map[string]estest.Fault{
		"not acknowledged":  {Answer: &estest.Answer{Status: 200, Raw: `{"acknowledged":false}`}, Handled: true},
		"nothing said":      {Answer: &estest.Answer{Status: 200, Raw: `{}`}, Handled: true},
		"a page of a proxy": {Answer: &estest.Answer{Status: 200, HTML: true}, Handled: true},
		"but not there":     {Answer: &estest.Answer{Status: 200, Raw: `{"acknowledged":true}`}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
				r.Change(func(c *estest.Config) {
					c.Script = func(q estest.Request) estest.Fault {
						if q.Method == http.MethodPut {
							return fault
						}
						return estest.Fault{}
					}
				})
				err := r.install(t, elasticsearch.Installation{Product: "elasticsearch", Report: func(a elasticsearch.Asset, _ elasticsearch.State, done string) {
					t.Errorf("%s %s", a, done)
				}})
				if err == nil || !strings.Contains(err.Error(), "acknowledge") || !strings.Contains(failure.Hint(err), "run sluice assets install again") {
					t.Errorf("got %v, hint %q", err, failure.Hint(err))
				}
			})
		})
	}
}

func (r *rig) install(t *testing.T, how elasticsearch.Installation) error {
	t.Helper()
	return elasticsearch.InstallOver(t.Context(), r.transport, r.settings, zerolog.Nop(), how)
}
