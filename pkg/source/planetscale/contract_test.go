package planetscale_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
	"github.com/sluice-siem/sluice/pkg/source/sourcetest"
)

func TestContract(t *testing.T) {
	sourcetest.Run(t, func(testing.TB) sourcetest.Harness {
		log := &simulated{server: simulator.New(simulator.Config{})}
		open := func(organization string) func(t testing.TB) source.Source {
			return func(t testing.TB) source.Source {
				s := defaults
				s.Organization, s.PollInterval = organization, setting.Duration(100*time.Millisecond)
				return newSource(t, log.server, s)
			}
		}
		return sourcetest.Harness{Log: log, Open: open("acme"), Other: open("other")}
	})
}

// simulated serves the log of a simulator.
type simulated struct {
	server *simulator.Server
	last   simulator.Listing
}

func (s *simulated) Append(events ...sourcetest.Event) {
	for _, e := range events {
		s.server.Insert(simulator.Draft{ID: e.ID, Created: e.Time})
	}
}

func (s *simulated) Delete(ids ...string) {
	for _, id := range ids {
		s.server.Delete(id)
	}
}

func (s *simulated) Reverse() {
	s.server = simulator.New(simulator.Config{Order: simulator.OldestFirst})
}

func (s *simulated) Script(script func(sourcetest.Request) sourcetest.Fault) {
	s.server.Script(func(r simulator.Request) simulator.Fault {
		fault := sourcetest.None
		if script != nil {
			fault = script(sourcetest.Request{N: r.N, Cursor: r.StartingAfter})
		}
		switch {
		case fault == sourcetest.Unavailable:
			return simulator.Fault{Status: http.StatusServiceUnavailable}
		case fault == sourcetest.Unknown && r.StartingAfter != "":
			return simulator.Fault{Status: http.StatusNotFound}
		case fault == sourcetest.Throttled:
			wait := strconv.Itoa(int(sourcetest.Wait.Seconds()))
			return simulator.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {wait}}}
		case fault == sourcetest.Hang:
			return simulator.Fault{Delay: time.Hour} // the client gives up earlier
		}
		return simulator.Fault{Alter: func(p *simulator.Listing) { s.alter(p, fault, r.StartingAfter) }}
	})
}

func (s *simulated) alter(p *simulator.Listing, fault sourcetest.Fault, cursor string) {
	switch {
	case fault == sourcetest.Empty:
		*p = simulator.Listing{HasNext: true}
	case fault == sourcetest.Repeat && s.last.Data != nil:
		*p = s.last
	case fault == sourcetest.Twice && cursor != "" && cursor == s.last.End:
		p.Data = append(s.last.Data[len(s.last.Data)-1:], p.Data...)
		s.last = *p
	default:
		s.last = *p
		p.HasNext = p.HasNext && fault != sourcetest.Early
	}
}
