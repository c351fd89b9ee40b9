package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// readBackBatch is how many records are parsed at once.
const readBackBatch = 256

// readBack reads what the destination of a sink holds. One goroutine reads, and others parse.
func readBack(ctx context.Context, cfg *config.Config, name string, access sink.Access, parser *verify.Parser, to verify.Intake, log zerolog.Logger) error {
	s, err := sinkNamed(cfg, name)
	if err != nil {
		return usageError{err, ""}
	}
	readable, ok := s.Settings.(sink.Readable)
	if !ok {
		return unreadable(s)
	}
	var lanes []sink.Env
	for _, l := range cfg.Lanes() {
		if l.Sink.Name == name {
			lanes = append(lanes, sinkEnv(l, log))
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	batches := make(chan []sink.Stored, 2*runtime.GOMAXPROCS(0))
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			for batch := range batches {
				to.Add(claimsOf(batch, parser, to)...)
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(batches)
		var batch []sink.Stored
		send := func() error {
			select {
			case batches <- batch:
				batch = nil
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := readable.ReadBack(ctx, lanes, access, func(r sink.Stored) error {
			if batch = append(batch, r); len(batch) < readBackBatch {
				return nil
			}
			return send()
		})
		if err != nil {
			return fmt.Errorf("reading back sink %s: %w", name, err)
		}
		return send()
	})
	return group.Wait()
}

// claimsOf parses records. What is none of Sluice is foreign.
func claimsOf(batch []sink.Stored, parser *verify.Parser, to verify.Intake) []verify.Claim {
	claims := make([]verify.Claim, 0, len(batch))
	for i := range batch {
		r := &batch[i]
		beside := verify.Beside{
			Lane: r.Lane, ID: r.ID, Organization: r.Organization, Action: r.Action, Time: r.Time, Replayed: r.Replayed,
		}
		beside.Number.Epoch, beside.Number.Sequence = r.Epoch, r.Sequence
		claim, err := parser.Record(r.Body, beside)
		at := verify.Place{Name: r.Place, Line: r.Line}
		if err != nil {
			to.Foreign(at, verify.Why(err))
			continue
		}
		claim.Place = at
		claims = append(claims, claim)
	}
	return claims
}

// unreadable says what to export from a sink that cannot be read back.
func unreadable(s config.Sink) error {
	advice := "export its records from the destination as files, and name these in place of --sink"
	if e, ok := s.Settings.(sink.Exportable); ok {
		advice = e.Export() + ", in place of --sink"
	}
	return sink.Hint(usageError{fmt.Errorf("sink %s, of type %s, cannot be read back", s.Name, s.Type.Name), ""}, advice)
}

// readToken is the variable with the token for reading.
const readToken = "SLUICE_READ_TOKEN"

// accessOf returns how to read a sink. The token is in a file or in the environment, never
// among the arguments, which every user of the machine sees.
func accessOf(url, tokenFile string) (sink.Access, error) {
	access := sink.Access{URL: url, Token: os.Getenv(readToken)}
	if tokenFile == "" {
		return access, nil
	}
	text, err := os.ReadFile(tokenFile)
	if err != nil {
		return access, fmt.Errorf("the token for reading: %w", err)
	}
	if access.Token = strings.TrimSpace(string(text)); access.Token == "" {
		return access, usageError{errors.New("the file of --read-token-file is empty"), ""}
	}
	return access, nil
}
