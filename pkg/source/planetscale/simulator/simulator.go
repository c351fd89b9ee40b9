// Package simulator is PlanetScale's audit-log API as a server: the documented
// contract to the letter, and a switch for everything the documentation leaves
// open. It stands for the API in tests, benchmarks and demonstrations.
//
// The log is a function of a seed. An event is computed from its number each
// time it is asked for, its id is a permutation of that number, and only what
// deviates (late, deleted, changed, hand-made events) is stored. So a million
// events take no memory, and two servers with one seed and one clock answer
// with the same bytes.
//
// Time is the server's clock, [Config].Now. The Date header and created_at both
// derive from it, and events that [Config].Rate asks for are appended when a
// request finds that time has passed. There is no goroutine, so that the server
// works inside a testing/synctest bubble; there, ask it through
// [Server.Transport], because a blocked socket freezes the bubble's clock.
//
// What goes wrong in the field is scripted: see [Server.Script] for one's own
// faults and [Scenarios] for those at hand.
//
// The simulator does not imitate PlanetScale's other endpoints, nor the
// undocumented filters of this one.
package simulator

import (
	"net/http"
	"sync"
	"time"
)

// Config says what log a Server serves and how. The zero value is an empty log
// of the organization "acme" that accepts any credentials.
type Config struct {
	// Seed decides the events. Default 0.
	Seed uint64

	// Events is how many there are at the start. The newest of them is at most a
	// second old. Default 0.
	Events int

	// Spacing is the mean time between the events of the start. Some of them
	// tie. All of them should fit between 1970 and now. Default 1 s.
	Spacing time.Duration

	// Rate is how many events a second are appended as the clock passes. Default
	// 0: none.
	Rate float64

	// Retention is how long after its created_at an event stays in the log.
	// Default 0: forever.
	Retention time.Duration

	// Tame leaves out hostile strings and whatever contradicts the schema, such
	// as metadata that is an array. Default false: they are there.
	Tame bool

	// Organization is the one that is served; every other is not found. Default
	// "acme".
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

	// Purged is the answer to a cursor that is not in the log, be it unknown,
	// deleted or past retention. Default NotFound404.
	Purged Purged

	// RequestsPerMinute is the number of requests in any 60 s beyond which the
	// answer is 429. PlanetScale documents 600. Default 0: no limit.
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

// Server is the API. It is an http.Handler, and all of its methods are safe for
// concurrent use.
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

// New makes a server whose log begins at the present of its clock.
func New(c Config) *Server {
	c = c.withDefaults()
	return &Server{
		config:   c,
		log:      newEventLog(c),
		cache:    pageCache{budget: c.CacheBytes},
		requests: requestLog{seen: make(map[pageName]int)},
	}
}

// advance moves the log to the present of the server's clock. The caller holds
// s.mu.
func (s *Server) advance() {
	s.log.advance(s.config.Now().UnixNano())
}
