package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"sync"
	"time"
)

// delays measures how long after an event became visible in its log each sink had its
// record.
type delays struct {
	mu      sync.Mutex
	visible map[string]time.Time // by the id of an event
	took    []time.Duration
}

// eventID finds ids of events in records, in JSON and in CEF. Other ids are not those of
// appended events.
var eventID = regexp.MustCompile(`(?:"id": ?"|externalId=)([^"\s]+)`)

// arrived looks for records of appended events in what a sink wrote.
func (d *delays) arrived(text []byte) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := map[string]bool{}
	for _, match := range eventID.FindAllSubmatch(text, -1) {
		id := string(match[1])
		if at, ok := d.visible[id]; ok && !seen[id] {
			seen[id] = true
			d.took = append(d.took, now.Sub(at))
		}
	}
}

// appendTo appends one event after the other to logs drawn at random, at a rate for each
// log, until ctx ends.
func (d *delays) appendTo(ctx context.Context, v *servers, rate float64) {
	random := rand.New(rand.NewPCG(1, 2))
	mean := float64(time.Second) / rate / float64(len(v.logs))
	for {
		select {
		case <-time.After(time.Duration(random.ExpFloat64() * mean)):
		case <-ctx.Done():
			return
		}
		d.mu.Lock()
		d.visible[v.logs[random.IntN(len(v.logs))].Append(1)[0]] = time.Now()
		d.mu.Unlock()
	}
}

// report returns how many records of how many events arrived, and how late they were.
func (d *delays) report() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.took) == 0 {
		return fmt.Sprintf("%d events appended, no record was seen; those in Kafka are not looked at", len(d.visible))
	}
	slices.Sort(d.took)
	n := len(d.took)
	return fmt.Sprintf("%d events appended, %d records arrived: p50 %s, p99 %s, most %s after they were visible",
		len(d.visible), n, d.took[n/2].Round(time.Millisecond), d.took[n*99/100].Round(time.Millisecond), d.took[n-1].Round(time.Millisecond))
}

// body reads the records of a request.
func body(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(r.Body)
	}
	unzipped, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(unzipped)
}

// watchFiles reads what is written to files, until ctx ends. It looks every 20 ms.
func (d *delays) watchFiles(ctx context.Context, paths []string) error {
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	read := make([]int64, len(paths))
	for first := true; ; first = false {
		for i, path := range paths {
			if err := d.readFile(path, &read[i], first); err != nil {
				return err
			}
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// readFile reads what was written to a file since read, or only notes its size.
func (d *delays) readFile(path string, read *int64, skip bool) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // The lane has not written yet.
	}
	if err != nil || info.Size() == *read {
		return err
	}
	if skip {
		*read = info.Size()
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	text := make([]byte, info.Size()-*read)
	if _, err := file.ReadAt(text, *read); err != nil {
		return err
	}
	*read = info.Size()
	d.arrived(text)
	return nil
}
