package prepare

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/transform/enrich"
)

// Stock holds what the preparers of a process share: databases, each in memory once
// however many sinks use it. The zero value is empty and ready for use. Its methods may
// be called concurrently.
type Stock struct {
	mu        sync.Mutex
	databases map[string]*enrich.Database // by path
	watched   []refresher                 // the files of databases and of redactors' keys
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
	if d, known := s.databases[path]; known {
		return d, nil
	}
	d, err := open(path)
	if err != nil {
		return nil, err
	}
	if s.databases == nil {
		s.databases = map[string]*enrich.Database{}
	}
	s.databases[path] = d
	s.watched = append(s.watched, d)
	return d, nil
}

// Databases returns the open databases.
func (s *Stock) Databases() []*enrich.Database {
	var all []*enrich.Database
	for _, w := range s.files() {
		if d, ok := w.(*enrich.Database); ok {
			all = append(all, d)
		}
	}
	return all
}

// files returns the files that Watch reloads.
func (s *Stock) files() []refresher {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.watched)
}

// Watch reloads files that change, until ctx ends. It logs failures, and the former
// content stays in use.
func (s *Stock) Watch(ctx context.Context, log zerolog.Logger) error {
	told := map[refresher]time.Time{}
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
			switch {
			case err != nil && time.Since(told[w]) >= repeatAfter:
				told[w] = time.Now()
				log.Error().Err(err).Msg("file could not be reloaded")
			case changed:
				told[w] = time.Time{}
				log.Info().Stringer("file", w).Msg("file reloaded")
			}
		}
	}
}
