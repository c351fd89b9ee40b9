// Package simulator is PlanetScale's audit-log API as a server. It follows the
// documented contract to the letter, and has a switch for everything the documentation
// leaves open. Tests, benchmarks and demonstrations use it in place of the API.
//
// The log is a function of a seed. The server computes an event from its number at each
// request. Its id is a permutation of that number. Only what deviates is stored: late,
// deleted, changed and hand-made events. So a million events need no memory, and two
// servers with the same seed and the same clock answer with the same bytes.
//
// Time is the server's clock, [Config].Now. The Date header and created_at derive from
// it. The server appends the events of [Config].Rate when a request finds that time has
// passed. It starts no goroutine, so it works inside a testing/synctest bubble. There,
// use [Server.Transport], because a blocked socket freezes the bubble's clock.
//
// Faults are scripted: [Server.Script] takes your own, and [Scenarios] lists those that
// happen in the field.
//
// The simulator does not imitate PlanetScale's other endpoints, nor the undocumented
// filters of this one.
//
// # Files
//
// A server is one type with parts that only make sense together, so they are in one
// package. The prefixes of its files name the parts, in the order of reading:
//
//   - simulator.go and switch.go: Config, its switches, and Server
//   - serve.go answers a request, page.go selects and renders a page, cache.go holds
//     rendered pages, request.go remembers requests. transport.go and pipe.go reach the
//     server without a socket.
//   - log.go is the log, log_timeline.go the times of its events, log_history.go
//     everything that was ever in it
//   - event.go makes an event of its number, from event_identity.go (ids),
//     event_cast.go (who and what), event_vocabulary.go (actions) and event_hostile.go
//   - control.go is what tests do to the log and ask of it
//   - fault.go is a script and its faults, scenario.go and scenario_*.go the scenarios
package simulator

import (
	"net/http"
	"sync"
	"time"
)

// Config describes the log of a Server and how it is served. The zero value is an empty
// log of the organization "acme" that accepts any credentials.
type Config struct {
	// Seed decides the events. Default 0.
	Seed uint64

	// Events is how many there are at the start. The newest of them is at most a
	// second old. Default 0.
	Events int

	// Spacing is the mean time between the events at the start. Some have the same
	// time. All of them should fit between 1970 and now. Default 1 s.
	Spacing time.Duration

	// Rate is how many events a second are appended as the clock passes. Default
	// 0: none.
	Rate float64

	// Retention is how long after its created_at an event stays in the log.
	// Default 0: forever.
	Retention time.Duration

	// Tame leaves out hostile strings and what contradicts the schema, such as metadata
	// that is an array. Default false: the log has them.
	Tame bool

	// Organization is the one whose log is served. Any other gets a 404. Default "acme".
	Organization string

	// ServiceTokenID and ServiceToken are accepted as "Authorization: ID:TOKEN",
	// AccessToken as "Authorization: Bearer TOKEN". Default: if all three are
	// empty, any credentials of either form are accepted.
	ServiceTokenID, ServiceToken, AccessToken string

	// Access is what the accepted credentials may do. Default Granted.
	Access Access

	// Order is how the log is listed. Default NewestFirst.
	Order Order

	// SortKey is what the log is ordered by. Default ByCreatedAt.
	SortKey SortKey

	// EndingBefore is which page ending_before selects. Default Adjacent.
	EndingBefore EndingBefore

	// Purged is the answer to a cursor that is not in the log: unknown, deleted or past
	// retention. Default NotFound404.
	Purged Purged

	// RequestsPerMinute limits the requests in any 60 s. Beyond it the answer is 429.
	// PlanetScale documents 600. Default 0: no limit.
	RequestsPerMinute int

	// Latency is how long each answer takes. Default 0.
	Latency time.Duration

	// CacheBytes bounds the memory of rendered pages. Default 32 MiB.
	CacheBytes int

	// Now is the server's clock. It must be safe for concurrent use. Default
	// time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.Events = max(0, c.Events)
	if c.Spacing <= 0 {
		c.Spacing = time.Second
	}
	if c.Organization == "" {
		c.Organization = "acme"
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = 32 << 20
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Server is the API. It is an http.Handler. Its methods are safe for concurrent use.
type Server struct {
	config Config

	scriptMu sync.Mutex // held while a script runs, so that scripts need no lock
	script   Script

	mu       sync.Mutex // guards what follows
	log      *eventLog
	cache    pageCache
	requests requestLog
}

var _ http.Handler = (*Server)(nil)

// New returns a server whose log begins at the current time of its clock.
func New(c Config) *Server {
	c = c.withDefaults()
	return &Server{
		config:   c,
		log:      newEventLog(c),
		cache:    pageCache{budget: c.CacheBytes},
		requests: requestLog{seen: make(map[pageName]int)},
	}
}

// advance moves the log to the current time of the server's clock. The caller holds
// s.mu.
func (s *Server) advance() {
	s.log.advance(s.config.Now().UnixNano())
}
