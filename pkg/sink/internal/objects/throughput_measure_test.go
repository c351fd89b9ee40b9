//go:build integration

package objects_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/internal/s3server"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Against a real server, the sink is five times as fast as a naive client that puts a page of
// a hundred events into each object, although the sink commits each object and its position.
// They take turns and the best run of each counts, since other load on the machine slows
// down one or the other.
func TestFiveTimesTheNaiveClient(t *testing.T) {
	server := s3server.Start(t, "versitygw")
	settings := s3server.Settings(server.Endpoint())
	store := objectstore.OpenS3(&settings)
	defer store.Close()
	l, err := openLedger("s3", server.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Position(t.Context()); err != nil {
		t.Fatal(err)
	}
	const large, perPage = 20_000, 100
	records := batch(0, large)
	for i := range records {
		records[i].Body = fmt.Appendf(nil, `{"n":%d,"text":"%0300d"}`, i, i)
	}
	var naive, sluice float64
	for run := range 5 {
		began := time.Now()
		for first := 0; first < 20*perPage; first += perPage {
			var body bytes.Buffer
			for _, r := range records[first : first+perPage] {
				body.Write(append(r.Body, '\n'))
			}
			if err := store.Put(t.Context(), fmt.Sprintf("naive/%d-%d", run, first), objectstore.Object{Body: body.Bytes()}); err != nil {
				t.Fatal(err)
			}
		}
		naive = max(naive, 20*perPage/time.Since(began).Seconds())
		began = time.Now()
		for first := 0; first < large; {
			n := l.(sink.Limiter).Limits().Fitting(records[first:])
			if err := l.PublishAt(t.Context(), records[first:first+n], nil, fmt.Appendf(nil, "[%d,%d]", run, first)); err != nil {
				t.Fatal(err)
			}
			first += n
		}
		sluice = max(sluice, large/time.Since(began).Seconds())
	}
	t.Logf("a page an object %.0f, sluice %.0f events a second: %.1f times the page", naive, sluice, sluice/naive)
	if sluice < 5*naive {
		t.Errorf("%.0f events a second, want five times %.0f", sluice, naive)
	}
}
