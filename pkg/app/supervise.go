package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
)

// supervise tells systemd that the daemon is ready, that it lives, and that it stops
// (sd_notify(3)). It lives if its admin server answers, which needs memory, descriptors
// and a scheduler, but no destination. Without systemd it only waits for ctx.
func supervise(ctx context.Context, a config.Admin, address string, log zerolog.Logger) error {
	notify := func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			log.Warn().Err(err).Msg("notifying systemd failed")
		}
	}
	notify(daemon.SdNotifyReady)
	defer notify(daemon.SdNotifyStopping)
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn().Err(err).Msg("WATCHDOG_USEC cannot be used: systemd is not told that sluice lives")
	}
	if every == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(every / 2) // as sd_watchdog_enabled(3) recommends
	defer tick.Stop()
	for {
		if err := lives(ctx, a, address, every/2); err == nil {
			notify(daemon.SdNotifyWatchdog)
		} else if ctx.Err() == nil {
			log.Warn().Err(err).Msg("the admin server does not answer; systemd will restart sluice if this lasts")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// lives asks this process's own /healthz, which answers 200 and nothing else.
func lives(ctx context.Context, a config.Admin, address string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	u := url.URL{Scheme: scheme(a), Host: address, Path: "/healthz"}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Transport: adminTransport(a)}).Do(r)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return errors.Join(fmt.Errorf("GET %s: status %s", u.Path, answer.Status), answer.Body.Close())
	}
	return answer.Body.Close()
}
