package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// preflight lists what run needs of this machine before it starts, and what is odd about
// the configuration. It changes nothing, and asks nobody but a sluice at admin.listen.
func preflight(ctx context.Context, cfg *config.Config) []finding {
	list := append(environment(), aboutSources(cfg)...)
	runs := sync.OnceValue(func() bool { return alreadyRuns(ctx, cfg) })
	if cfg.State.Type == "file" {
		list = append(list, stateDirectory(cfg, runs)...)
		list = append(list, lettersDirectory(cfg)...)
	}
	if noneFailed(list) {
		list = append(list, ownLogFiles(cfg)...)
		list = append(list, aboutFormer(cfg)...)
	}
	return append(append(list, adminListen(ctx, cfg, runs)), adminToken(cfg.Admin)...)
}

// preflightOfLanes is the part of preflight that a reload needs. What the process holds
// since it started, such as the state directory, cannot change in a reload.
func preflightOfLanes(cfg *config.Config) []finding {
	return append(aboutSources(cfg), aboutFormer(cfg)...)
}

func aboutSources(cfg *config.Config) []finding {
	return slices.Concat(sourceFiles(cfg), sameOrganization(cfg), aboutEvidence(cfg))
}

// aboutFormer finds what former lanes left in files.
func aboutFormer(cfg *config.Config) []finding {
	if cfg.State.Type != "file" {
		return nil
	}
	return append(formerInFiles(cfg), lettersOfFormer(cfg)...)
}

// sourceFiles describes the files that sources names.
func sourceFiles(cfg *config.Config) []finding {
	files := cfg.SourceFiles
	if files == nil {
		return nil
	}
	f := found("sources", several(len(files.Read), "file")+" of "+absolute(filepath.Dir(files.Read[0])), nil)
	if len(files.Skipped) > 0 {
		var names []string
		for _, path := range files.Skipped {
			names = append(names, oneLine(filepath.Base(path)))
		}
		f.mark = note
		f.text += "; not read: " + strings.Join(names, ", ")
		f.hint = "files of a directory are read if their names end in .yaml or .yml"
	}
	return []finding{f}
}

// sameOrganization warns of sources that read the same log.
func sameOrganization(cfg *config.Config) (list []finding) {
	type log struct{ kind, organization string }
	var order []log
	names := map[log][]string{}
	for _, s := range cfg.Sources {
		l := log{s.Type.Name, organization(s)}
		if names[l] == nil {
			order = append(order, l)
		}
		names[l] = append(names[l], s.Name)
	}
	for _, l := range order {
		if len(names[l]) > 1 && l.organization != "" {
			list = append(list, finding{
				about: "sources " + strings.Join(names[l], ", "), mark: warning,
				text: fmt.Sprintf("all follow organization %s, so a sink that follows them gets each event %d times", l.organization, len(names[l])),
				hint: "keep one of them, or name under sources of each sink which one it follows",
			})
		}
	}
	return list
}

// stateDirectory finds out whether checkpoint.Open would succeed.
func stateDirectory(cfg *config.Config, runs func() bool) []finding {
	missing, loose, err := checkpoint.Probe(cfg.State.Dir)
	list := directory("state directory", "state.settings.dir", cfg.State.Dir, missing, loose, err)
	if errors.Is(err, checkpoint.ErrInUse) && runs() {
		list[0].mark, list[0].hint = note, "the sluice that holds it runs these lanes: stop it before you start another one, or give this one its own state directory"
	}
	return list
}

// lettersDirectory finds out whether dead letters could be kept.
func lettersDirectory(cfg *config.Config) []finding {
	missing, loose, err := deadletter.Probe(cfg.DeadLetters.Dir)
	return directory("dead letters", "dead_letters.dir", cfg.DeadLetters.Dir, missing, loose, err)
}

// ownLogFiles finds out whether the own log could be written.
func ownLogFiles(cfg *config.Config) []finding {
	if cfg.State.Type != "file" || !cfg.HasOwnLanes() {
		return nil
	}
	if err := ownlog.ProbeFiles(ownLogDirectory(cfg)); err != nil {
		return []finding{found("own log", "", err)}
	}
	return nil
}

func directory(about, key, dir string, missing bool, loose string, err error) []finding {
	text := absolute(dir)
	if missing {
		text += " will be created"
	}
	list := []finding{found(about, text, err)}
	if e, ok := errors.AsType[*statedir.Error](err); ok {
		list[0].text = e.Path + ": " + e.Err.Error()
		list[0].hint = cmp.Or(e.Hint, "write under "+key+" a directory that sluice can create, or write to")
	}
	if f, ok := errors.AsType[*statedir.Forecast](err); ok {
		list[0] = list[0].foretold(f)
	}
	if loose != "" {
		list = append(list, finding{about: about, mark: warning, text: loose})
	}
	return list
}

// adminListen finds out whether the admin server could listen.
func adminListen(ctx context.Context, cfg *config.Config, runs func() bool) finding {
	if err := tryBind(ctx, cfg.Admin.Listen); err != nil {
		f := found("admin.listen", "", listenError{err})
		if errors.Is(err, syscall.EADDRINUSE) && runs() {
			f.mark, f.hint = note, "a sluice that runs these lanes listens there: stop it before you start another one, or write another host:port under admin.listen"
		}
		return f
	}
	return found("admin.listen", cfg.Admin.Listen, nil)
}

// adminToken warns of a token that others on the network can read.
func adminToken(a config.Admin) []finding {
	addr, err := net.ResolveTCPAddr("tcp", a.Listen) // As net.Listen does.
	if err != nil || !a.Token.IsSet() || a.TLS != nil || addr.IP.IsLoopback() {
		return nil
	}
	return []finding{{
		about: "admin.token", mark: warning,
		text: a.Listen + " is not loopback and has no TLS, so whoever sees the traffic gets the token and the events",
		hint: "set admin.tls, or listen on loopback behind a proxy that speaks TLS",
	}}
}

// alreadyRuns reports whether a sluice runs one of the lanes. It answers at admin.listen, or
// it holds a state directory in which one of the lanes has a position.
func alreadyRuns(ctx context.Context, cfg *config.Config) bool {
	lanes := configured(cfg)
	for _, l := range lanesAt(ctx, cfg.Admin) {
		if lanes[l] {
			return true
		}
	}
	if _, _, err := checkpoint.Probe(cfg.State.Dir); !errors.Is(err, checkpoint.ErrInUse) {
		return false
	}
	saved, err := checkpoint.List(cfg.State.Dir)
	return err == nil && slices.ContainsFunc(saved, func(c checkpoint.Checkpoint) bool { return lanes[c.Lane] })
}

const (
	readyTimeout = 3 * time.Second
	maxReadiness = 16 << 20
)

// lanesAt asks the sluice that listens there for its lanes. There are none if something else
// listens.
func lanesAt(ctx context.Context, a config.Admin) (names []string) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(a.Listen)
	if err != nil {
		return nil // config has checked it
	}
	u := url.URL{Scheme: scheme(a), Host: net.JoinHostPort(reachable(host), port), Path: "/readyz"}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil
	}
	answer, err := adminTransport(a).RoundTrip(r)
	if err != nil {
		return nil
	}
	defer answer.Body.Close()
	var ready admin.Readiness
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxReadiness)).Decode(&ready); err != nil {
		return nil
	}
	for _, l := range ready.Lanes {
		names = append(names, l.Lane)
	}
	return names
}

// absolute shows where a relative path leads.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
