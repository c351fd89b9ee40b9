//go:build integration

package app_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
)

var toVerify = flag.Int("verify", 100_000, "records of TestVerifyIsFastAndBounded")

// An export of a million records is verified in 256 MiB, and in seconds on a machine that
// does nothing else: go test -tags integration ./pkg/app -run VerifyIsFast -v -args -verify 1000000.
func TestVerifyIsFastAndBounded(t *testing.T) {
	const mostMemory = 256 << 10 // KiB
	dir := t.TempDir()
	size := writeSealed(t, filepath.Join(dir, "export.ndjson"), filepath.Join(dir, "acme.pub"), *toVerify)
	began := time.Now()
	cmd := exec.Command("sluice", "verify", "--key", filepath.Join(dir, "acme.pub"), filepath.Join(dir, "export.ndjson"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "clean: ") {
		t.Fatalf("%v: %.300s", err, out)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	t.Logf("%d records of %d bytes: %s, %s of CPU, %d MiB", *toVerify, size/int64(*toVerify), time.Since(began).Round(10*time.Millisecond),
		cmd.ProcessState.UserTime().Round(10*time.Millisecond), usage.Maxrss>>10)
	if usage.Maxrss > mostMemory {
		t.Errorf("it took %d MiB, want at most %d", usage.Maxrss>>10, mostMemory>>10)
	}
}

// writeSealed writes an export of that many ordinary records, and the key that signed it.
func writeSealed(t *testing.T, export, public string, records int) (size int64) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	private, verifier, err := evidence.NewKey("acme")
	check(err)
	key, err := evidence.ParseKey(private)
	check(err)
	check(os.WriteFile(public, []byte(verifier), 0o600))
	kind := planetscale.Type()
	catalogue, err := transform.ParseCatalogue(kind.Catalogue)
	check(err)
	tr, err := ecs.Format.New(transform.Options{Original: true, Host: "forwarder-1", Version: "1.2.3", Product: kind.Product, Catalogue: catalogue})
	check(err)
	file, err := os.Create(export)
	check(err)
	w := bufio.NewWriterSize(file, 1<<20)
	var body []byte
	add := func(e *source.Event) {
		r, err := tr.Transform(body[:0], e)
		check(err)
		body = append(r.Body, '\n')
		n, err := w.Write(body)
		check(err)
		size += int64(n)
	}
	state, at := evidence.New("acme", "acme/siem"), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	state.Epoch = 1
	seal := func(kindOf evidence.Kind) {
		check(state.Write(kindOf, at, func(n *evidence.Note) { n.Lane = "acme/siem" }, key))
		n, err := evidence.Parse(state.Pending[0])
		check(err)
		e, err := evidence.NewEvent(kind.Product.Keys, "acme", n, state.Pending[0])
		check(err)
		state.Pending = nil
		add(&e)
	}
	seal(evidence.Open)
	for i := range records {
		at = at.Add(time.Second)
		when := at.Format("2006-01-02T15:04:05.000Z")
		events, err := kind.Parse(fmt.Appendf(nil, `{"id":"q7x%09d","type":"AuditLogEvent","actor_id":"u1k9f3jd82ma","actor_type":"User","auditable_id":"d8s0k2lq91xz",`+
			`"auditable_type":"DeployRequest","target_id":"b5v7n1mc3p0w","target_type":"Database","location":"Chicago, IL","target_display_name":"orders",`+
			`"audit_action":"deploy_request.queued","action":"queued","actor_display_name":"ada.lovelace@example.com","auditable_display_name":"Deploy request #1842",`+
			`"remote_ip":"203.0.113.77","created_at":%q,"updated_at":%q,"metadata":{"from":"add-customer-index","into":"main","number":1842}}`, i, when, when), "acme")
		check(err)
		e := &events[0]
		e.Number = source.Number{Epoch: 1, Sequence: state.Tree.Size}
		facts := evidence.FactsOf(e, false)
		state.Append(facts.Leaf())
		add(e)
		if len(state.Tags) == 256 {
			seal(evidence.Seal)
		}
	}
	seal(evidence.Seal)
	check(w.Flush())
	check(file.Close())
	return size
}
