package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"sync"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// ownLog is Sluice's own log, which is kept with the state: in a directory, or in what
// replicas share. There is none, and it takes nothing, if no sink gets its events.
type ownLog struct {
	store  ownlog.Store // nil: there is none
	shared sharedOwnLog // nil: it is in files

	mu       sync.Mutex
	prepared bool
}

// openOwnLog opens the own log of a configuration. It does not connect.
func openOwnLog(cfg *config.Config, log zerolog.Logger) (*ownLog, error) {
	if !cfg.HasOwnLanes() {
		return &ownLog{}, nil
	}
	if shared := sharedOf(cfg); shared != nil {
		log := shared.ownLog(log)
		return &ownLog{store: log, shared: log}, nil
	}
	store, err := ownlog.OpenFiles(ownLogDirectory(cfg))
	if err != nil {
		return nil, fmt.Errorf("own log: %w", err)
	}
	return &ownLog{store: store}, nil
}

// ownLogDirectory is where the own log is kept in files.
func ownLogDirectory(cfg *config.Config) string { return filepath.Join(cfg.State.Dir, "own-log") }

// kept reports whether there is one.
func (o *ownLog) kept() bool { return o != nil && o.store != nil }

// prepare creates or verifies what replicas share, until that succeeded once.
func (o *ownLog) prepare(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.shared == nil || o.prepared {
		return nil
	}
	err := o.shared.Prepare(ctx)
	o.prepared = err == nil
	return err
}

// Append implements ownlog.Log.
func (o *ownLog) Append(ctx context.Context, e ownlog.Event) error {
	if o.store == nil {
		return nil
	}
	if err := o.prepare(ctx); err != nil {
		return err
	}
	return (&ownlog.Writer{Store: o.store, Instance: instance()}).Append(ctx, e)
}

// source returns the log as the source of its lanes.
func (o *ownLog) source() source.Source { return ownlog.NewSource(o.store) }

func (o *ownLog) close() error {
	if o.store == nil {
		return nil
	}
	return o.store.Close()
}

// openSourcesAndOwn opens the sources of all lanes of a configuration: those that it lists,
// and the own log. Without create there is none unless it was created before. Closing what
// it returns closes all.
func openSourcesAndOwn(ctx context.Context, cfg *config.Config, create bool, log zerolog.Logger) (sources, error) {
	opened, err := openSources(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(ownLogDirectory(cfg)); err != nil && cfg.State.Type == "file" && !create {
		return opened, nil
	}
	own, err := openOwnLog(cfg, log)
	if err != nil {
		return nil, errors.Join(err, opened.close())
	}
	if own.store != nil {
		opened[cfg.Own.Name] = ownSource{own.source(), own}
	}
	return opened, nil
}

// openSourceOf opens the source of a lane, which may be the own log.
func openSourceOf(ctx context.Context, cfg *config.Config, l config.Lane, env source.OpenEnv) (source.Source, error) {
	if !cfg.IsOwn(l) {
		return openSource(ctx, l.Source, env)
	}
	own, err := openOwnLog(cfg, env.Log)
	if err != nil {
		return nil, err
	}
	return ownSource{own.source(), own}, nil
}

// ownSource is the own log as a source that is all that uses it.
type ownSource struct {
	source.Source
	own *ownLog
}

func (c ownSource) Close() error { return errors.Join(c.Source.Close(), c.own.close()) }

// Start prepares the log, as whoever sets a position may be the first who needs it.
func (c ownSource) Start(ctx context.Context, at source.Start) (source.Position, error) {
	if err := c.own.prepare(ctx); err != nil {
		return nil, err
	}
	return c.Source.Start(ctx, at)
}

// instance is this process.
func instance() ownlog.Instance {
	return ownlog.Instance{Host: hostname(), PID: os.Getpid(), Version: buildVersion()}
}

// tell appends an event about what somebody did with a command to the own log of a
// configuration. The event names that person.
func (c *command) tell(ctx context.Context, cfg *config.Config, e ownlog.Event) (err error) {
	own, err := openOwnLog(cfg, newLogger(c.stderr, cfg.Log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, own.close()) }()
	e.Actor = caller()
	return own.Append(ctx, e)
}

// caller is the user who runs this process: behind sudo, the one who ran that. nil if the
// system does not know.
func caller() *ownlog.Party { return callerAs(os.Geteuid()) }

// callerAs is caller for a process with that effective uid. Anybody can set the variables of
// sudo, so only those of root are believed.
func callerAs(uid int) *ownlog.Party {
	if name := os.Getenv("SUDO_USER"); name != "" && uid == 0 {
		return &ownlog.Party{ID: os.Getenv("SUDO_UID"), Type: "user", Name: name}
	}
	u, err := user.Current()
	if err != nil {
		return nil
	}
	return &ownlog.Party{ID: u.Uid, Type: "user", Name: u.Username}
}
