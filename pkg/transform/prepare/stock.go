package prepare

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
	"weak"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/transform/enrich"
	"github.com/sluice-siem/sluice/pkg/transform/redact"
)

// Stock holds what the preparers of a process share: databases, each in memory once
// however many sinks use it. What no preparer uses any more, the collector takes: nobody
// has to give a preparer back. The zero value is empty and ready for use. Its methods may
// be called concurrently.
type Stock struct {
	mu        sync.Mutex
	databases []database
	redactors []weak.Pointer[redact.Redactor] // whose keys are read again
}

// database is a database that was opened.
type database struct {
	path string
	weak.Pointer[enrich.Database]
}

// refresher reloads its file if it changed.
type refresher interface {
	fmt.Stringer
	Refresh() (changed bool, err error)
}

const (
	// watchInterval is how often files are checked. A database is reloaded when its file
	// is the same at two checks.
	watchInterval = 10 * time.Second
	// repeatAfter is how often a lasting failure is logged.
	repeatAfter = 5 * time.Minute
)

// database is called with the mutex held.
func (s *Stock) database(path string, open func(string) (*enrich.Database, error)) (*enrich.Database, error) {
	if path == "" {
		return nil, nil
	}
	for _, known := range s.databases {
		if d := known.Value(); d != nil && known.path == path {
			return d, nil
		}
	}
	d, err := open(path)
	if err != nil {
		return nil, err
	}
	s.databases = append(s.databases, database{path, weak.Make(d)})
	return d, nil
}

// Databases returns the open databases.
func (s *Stock) Databases() []*enrich.Database {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*enrich.Database
	s.databases = slices.DeleteFunc(s.databases, func(known database) bool {
		d := known.Value()
		if d != nil {
			all = append(all, d)
		}
		return d == nil
	})
	return all
}

// keys returns the redactors that are in use.
func (s *Stock) keys() []*redact.Redactor {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*redact.Redactor
	s.redactors = slices.DeleteFunc(s.redactors, func(w weak.Pointer[redact.Redactor]) bool {
		r := w.Value()
		if r != nil {
			all = append(all, r)
		}
		return r == nil
	})
	return all
}

// files returns the files that Watch reloads.
func (s *Stock) files() []refresher {
	var all []refresher
	for _, d := range s.Databases() {
		all = append(all, d)
	}
	for _, r := range s.keys() {
		all = append(all, r)
	}
	return all
}

// Watch reloads files that change, until ctx ends. It logs failures, and the former
// content stays in use.
func (s *Stock) Watch(ctx context.Context, log zerolog.Logger) error {
	told := map[string]time.Time{} // by address: a pointer would keep the file in memory
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, w := range s.files() {
			changed, err := w.Refresh()
			at := fmt.Sprintf("%p", w)
			switch {
			case err != nil && time.Since(told[at]) >= repeatAfter:
				told[at] = time.Now()
				log.Error().Err(err).Msg("file could not be reloaded")
			case changed:
				delete(told, at)
				log.Info().Stringer("file", w).Msg("file reloaded")
			}
		}
	}
}
