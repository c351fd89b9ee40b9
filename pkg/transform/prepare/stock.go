package prepare

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/transform/enrich"
)

// Stock is what the preparers of a process share: databases, each in memory once
// however many sinks name it. The zero value is empty and ready for use. New is
// not called concurrently, nor once Watch runs.
type Stock struct {
	databases map[string]*enrich.Database // by path
	watched   []refresher                 // what is read from files, also the keys of redactors
}

// refresher reads its file again where that changed.
type refresher interface {
	fmt.Stringer
	Refresh() (changed bool, err error)
}

const (
	// watchInterval is how often files are looked at. A database is read once it
	// was the same twice.
	watchInterval = 10 * time.Second
	// repeatAfter is how often a failure that lasts is logged again.
	repeatAfter = 5 * time.Minute
)

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

// Databases are those that are open.
func (s *Stock) Databases() []*enrich.Database {
	var all []*enrich.Database
	for _, w := range s.watched {
		if d, ok := w.(*enrich.Database); ok {
			all = append(all, d)
		}
	}
	return all
}

// Watch reads files again as they change, until ctx ends. What fails is logged,
// and what was read before stays in use.
func (s *Stock) Watch(ctx context.Context, log zerolog.Logger) error {
	if len(s.watched) == 0 {
		return nil
	}
	told := make([]time.Time, len(s.watched))
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for i, w := range s.watched {
			changed, err := w.Refresh()
			switch {
			case err != nil && time.Since(told[i]) >= repeatAfter:
				told[i] = time.Now()
				log.Error().Err(err).Msg("a file cannot be read again")
			case changed:
				told[i] = time.Time{}
				log.Info().Stringer("file", w).Msg("a file was read again")
			}
		}
	}
}
