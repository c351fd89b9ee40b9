package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/source"
)

// runningSluice is the one that runs the lanes meanwhile. It is asked at its admin server.
type runningSluice struct {
	client  *http.Client
	address string // of its metrics
	failed  error  // why it cannot be asked; nil if it can
	log     zerolog.Logger
	told    bool // that it cannot be seen
}

// The time for its answer, and the most bytes of it.
const (
	besideTimeout = 5 * time.Second
	besideBytes   = 16 << 20
)

func newRunningSluice(a config.Admin, log zerolog.Logger) *runningSluice {
	d := &runningSluice{client: &http.Client{Transport: adminTransport(a)}, log: log}
	d.address, d.failed = adminURL(a, "/metrics")
	return d
}

// beside returns source.OpenEnv.Beside for a source.
func (d *runningSluice) beside(name string) func(context.Context) (source.Usage, bool) {
	return func(ctx context.Context) (source.Usage, bool) {
		usage, err := d.usage(ctx, name)
		if err != nil && ctx.Err() == nil && !d.told {
			d.told = true
			d.log.Warn().Err(err).Str("source", name).
				Msg("no running sluice is seen, so none is waited for: the requests of this command keep to requests_per_minute by themselves")
		}
		return usage, err == nil
	}
}

// usage returns what it has left of a source's budget, and what it used.
func (d *runningSluice) usage(ctx context.Context, name string) (usage source.Usage, err error) {
	if d.failed != nil {
		return usage, d.failed
	}
	ctx, cancel := context.WithTimeout(ctx, besideTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.address, nil)
	if err != nil {
		return usage, err
	}
	answer, err := d.client.Do(r)
	if err != nil {
		return usage, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return usage, fmt.Errorf("%s: %s", d.address, answer.Status)
	}
	left, used, err := budgetIn(io.LimitReader(answer.Body, besideBytes), name)
	if err != nil {
		return usage, fmt.Errorf("%s: %w", d.address, err)
	}
	return source.Usage{BudgetLeft: left, BudgetUsed: uint64(used)}, nil
}

// budgetIn reads the two metrics of a source's budget.
func budgetIn(metrics io.Reader, name string) (left, used float64, err error) {
	wanted := map[string]*float64{
		fmt.Sprintf("sluice_request_budget{source=%q}", name):            &left,
		fmt.Sprintf("sluice_request_budget_used_total{source=%q}", name): &used,
	}
	lines := bufio.NewScanner(metrics)
	for lines.Scan() && len(wanted) > 0 {
		metric, value, _ := strings.Cut(lines.Text(), " ")
		to := wanted[metric]
		if to == nil {
			continue
		}
		if *to, err = strconv.ParseFloat(value, 64); err != nil {
			return 0, 0, err
		}
		delete(wanted, metric)
	}
	if err := lines.Err(); err != nil {
		return 0, 0, err
	}
	if len(wanted) > 0 {
		return 0, 0, fmt.Errorf("it does not follow source %s", name)
	}
	return left, used, nil
}
