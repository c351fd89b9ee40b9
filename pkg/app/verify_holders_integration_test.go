//go:build integration

package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/sluice-siem/sluice/pkg/internal/committed"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/internal/opensearchnode"
	"github.com/sluice-siem/sluice/pkg/internal/rsyslogd"
	"github.com/sluice-siem/sluice/pkg/internal/s3server"
)

var (
	noteOfJSON = regexp.MustCompile(`"note":"((?:[^"\\]|\\.)*)"`)
	noteOfCEF  = regexp.MustCompile(`Note=([A-Za-z0-9_-]+)`)
)

// noteIn is the note that a record carries.
func noteIn(record string) string {
	if found := noteOfJSON.FindStringSubmatch(record); found != nil {
		var text string
		_ = json.Unmarshal([]byte(`"`+found[1]+`"`), &text) // Then it is no note.
		return text
	}
	if found := noteOfCEF.FindStringSubmatch(record); found != nil {
		text, _ := base64.RawURLEncoding.DecodeString(found[1]) // Then it is no note.
		return string(text)
	}
	return ""
}

// exported is a file with records, one a line.
type exported struct {
	site *site
	from func(t *testing.T) []string
	all  []string
}

func (e *exported) records(t *testing.T) []string {
	e.all = e.from(t)
	e.replace(t, e.all)
	return e.all
}

func (e *exported) replace(t *testing.T, records []string) {
	e.site.write(t, "export", strings.Join(records, "\n")+"\n")
}

func (e *exported) arguments() []string { return []string{e.site.path("export")} }

// What a topic of Kafka holds is exported and tampered with, and read back as it is.
func TestTamperedExportOfKafkaIsTold(t *testing.T) {
	t.Parallel()
	broker := startBroker(t)
	createTopic(t, broker, "audit")
	s := newSite(t, sealedLog())
	deliver(t, s, fmt.Sprintf("    type: kafka\n    settings: {brokers: [%q], topic: audit}\n", broker.address))
	var forged string
	s2 := &sealedSite{s, &exported{site: s, from: func(t *testing.T) (all []string) {
		_, err := committed.Read(t.Context(), []string{broker.address}, "audit", func(r committed.Record) error {
			all = append(all, string(r.Value))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		forged = action.ReplaceAllString(all[at(t, all, 400)], otherAction)
		return all
	}}}
	s2.tamper(t)
	s2.holds = s.sink()
	if got, code, out := s2.verify(t); got != "" || code != 0 {
		t.Errorf("the topic: got %q and exit code %d: %.3000s", got, code, out)
	}
	w := &kafkago.Writer{Addr: kafkago.TCP(broker.address), Topic: "audit"}
	headers := []kafkago.Header{{Key: "sluice-epoch", Value: []byte("1")}, {Key: "sluice-sequence", Value: []byte("400")}, {Key: "sluice-lane", Value: []byte("acme/siem")}}
	if err := w.WriteMessages(t.Context(), kafkago.Message{Value: []byte(forged), Headers: headers}); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	if got, code, out := s2.verify(t); got != "forged 400" || code != 1 {
		t.Errorf("a record that another program wrote: got %q and exit code %d: %.3000s", got, code, out)
	}
}

// What rsyslog wrote into a file, with the headers of syslog, is tampered with.
func TestTamperedFileOfRsyslogIsTold(t *testing.T) {
	t.Parallel()
	hop := rsyslogd.Start(t, rsyslogd.Config{Direct: true, AbortOver: 64 << 10})
	s := newSite(t, sealedLog())
	deliver(t, s, fmt.Sprintf("    type: syslog\n    format: cef\n    settings: {address: \"relp://%s\"}\n", hop.RELP))
	s2 := &sealedSite{s, &exported{site: s, from: func(t *testing.T) (all []string) {
		messages, err := hop.Messages()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			all = append(all, m.Raw)
		}
		return all
	}}}
	s2.tamper(t)
}

// sink is what --sink reads.
func (s *site) sink() holder { return readFrom{s} }

type readFrom struct{ *site }

func (r readFrom) records(*testing.T) []string  { return nil }
func (r readFrom) replace(*testing.T, []string) {}
func (r readFrom) arguments() []string {
	return []string{"--sink", "siem", "-c", r.path("sluice.yaml")}
}

// inBucket is a bucket of a real server.
type inBucket struct {
	readFrom
	store objectstore.Store
}

func (b *inBucket) keys(t *testing.T) (keys []string) {
	t.Helper()
	infos, _, err := b.store.List(t.Context(), "organization=acme/", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		keys = append(keys, info.Key)
	}
	return keys
}

func (b *inBucket) records(t *testing.T) (all []string) {
	t.Helper()
	for _, key := range b.keys(t) {
		o, err := b.store.Read(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(o.Body)) {
			all = append(all, strings.TrimSuffix(line, "\n"))
		}
	}
	return all
}

func (b *inBucket) replace(t *testing.T, records []string) {
	t.Helper()
	keys := b.keys(t)
	for _, key := range keys[1:] {
		if err := b.store.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	o := objectstore.Object{Body: []byte(strings.Join(records, "\n") + "\n"), Type: "application/x-ndjson"}
	if err := b.store.Put(t.Context(), keys[0], o); err != nil {
		t.Fatal(err)
	}
}

func TestTamperedBucketIsTold(t *testing.T) {
	t.Parallel()
	server := s3server.Start(t, "versitygw")
	settings := s3server.Settings(server.Endpoint())
	s := newSite(t, sealedLog())
	deliver(t, s, fmt.Sprintf(`    type: s3
    settings: {bucket: audit, prefix: sluice, endpoint: %q, region: us-east-1, path_style: true, access_key_id: sluicekey, secret_access_key: sluice-secret, flush_interval: 100ms, compression: none}
`, server.Endpoint()))
	store := objectstore.OpenS3(&settings)
	defer store.Close()
	(&sealedSite{s, &inBucket{readFrom: readFrom{s}, store: store}}).tamper(t)
}

// inIndex is an index of a real node.
type inIndex struct {
	readFrom
	url  string
	ids  map[string]string // of the documents, by their bodies
	made int
}

func (x *inIndex) ask(t *testing.T, method, path, body string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, x.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || bytes.Contains(text, []byte(`"errors":true`)) {
		t.Fatalf("%s %s: %v, %s: %.1000s", method, path, err, answer.Status, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func (x *inIndex) records(t *testing.T) (all []string) {
	t.Helper()
	var found struct {
		Hits struct {
			Hits []struct {
				ID     string          `json:"_id"`
				Source json.RawMessage `json:"_source"`
			}
		}
	}
	x.ask(t, http.MethodPost, "/audit/_refresh", "", new(any))
	x.ask(t, http.MethodPost, "/audit/_search", `{"size":10000}`, &found)
	x.ids = map[string]string{}
	for _, h := range found.Hits.Hits {
		x.ids[string(h.Source)] = h.ID
		all = append(all, string(h.Source))
	}
	return all
}

// replace deletes and creates documents so that the index has these.
func (x *inIndex) replace(t *testing.T, records []string) {
	t.Helper()
	var bulk strings.Builder
	wanted := map[string]bool{}
	for _, r := range records {
		if wanted[r] = true; x.ids[r] == "" {
			x.made++
			x.ids[r] = fmt.Sprint("made-", x.made)
			fmt.Fprintf(&bulk, "{\"index\":{\"_id\":%q}}\n%s\n", x.ids[r], r)
		}
	}
	for r, id := range x.ids {
		if !wanted[r] {
			fmt.Fprintf(&bulk, "{\"delete\":{\"_id\":%q}}\n", id)
			delete(x.ids, r)
		}
	}
	if bulk.Len() > 0 {
		x.ask(t, http.MethodPost, "/audit/_bulk?refresh=true", bulk.String(), new(any))
	}
}

func TestTamperedIndexIsTold(t *testing.T) {
	t.Parallel()
	url := opensearchnode.Start(t)
	s := newSite(t, sealedLog())
	deliver(t, s, fmt.Sprintf("    type: elasticsearch\n    settings: {url: %q, index: audit}\n", url))
	s2 := &sealedSite{s, &inIndex{readFrom: readFrom{s}, url: url}}
	s2.tamper(t)
	// All is delivered again, and the index keeps the first of each event.
	if out, err := exec.Command(s.binary, "checkpoint", "set", "-c", s.path("sluice.yaml"), "--to", "beginning", "acme/siem").CombinedOutput(); err != nil {
		t.Fatalf("checkpoint set: %v: %s", err, out)
	}
	for range 2 {
		if cmd, stderr := s.command("--once"); cmd.Run() != nil {
			t.Fatalf("delivering again: %v: %s", cmd.ProcessState, stderr)
		}
	}
	s2.holds.records(t) // It makes what was indexed visible.
	if got, code, out := s2.verify(t); got != "" || code != 0 || bytes.Contains(out, []byte(`"once": 0`)) {
		t.Errorf("delivered twice: got %q and exit code %d: %.3000s", got, code, out)
	}
}
