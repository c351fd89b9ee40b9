package splunkhec

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	// maxCookies is how many cookies of one address a client should be able to keep
	// (RFC 6265, section 6.1).
	maxCookies = 50
	// maxCookieBytes is for all of them together. Servers bound a line of a request's
	// header, to 8 KiB by default in nginx (large_client_header_buffers).
	maxCookieBytes = 7 << 10
)

// cookies implements http.CookieJar for the one address that the sink speaks to.
// They lead a client to its indexer through a load balancer.
//
// A cookie that changes proves nothing. An Application Load Balancer of AWS
// encrypts its AWSALB with a key that rotates, and sends it with another value in
// every answer (AWS, "Sticky sessions for your Application Load Balancer"); web
// application firewalls add cookies of their own. So values are sent back and never
// looked at.
//
// Those that came first stay, since a balancer may set its cookie once while a
// firewall adds one with a new name to each answer.
type cookies struct {
	mu   sync.Mutex
	list []cookie
}

type cookie struct {
	name, value string
	quoted      bool
	expires     time.Time // zero: never
}

func (c cookie) size() int { return len(c.name) + len("=") + len(c.value) + len("; ") }

func (c cookie) expired() bool { return !c.expires.IsZero() && !time.Now().Before(c.expires) }

// SetCookies implements http.CookieJar.
func (s *cookies) SetCookies(_ *url.URL, set []*http.Cookie) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, cookie.expired)
	for _, c := range set {
		s.set(cookie{c.Name, c.Value, c.Quoted, deadline(c)})
	}
}

// set keeps a cookie in the place of the one of its name, if there is room.
func (s *cookies) set(c cookie) {
	at := slices.IndexFunc(s.list, func(old cookie) bool { return old.name == c.name })
	room := maxCookieBytes
	for i, old := range s.list {
		if i != at {
			room -= old.size()
		}
	}
	keep := !c.expired() && c.size() <= room
	switch {
	case at < 0 && keep && len(s.list) < maxCookies:
		s.list = append(s.list, c)
	case at >= 0 && keep:
		s.list[at] = c
	case at >= 0:
		s.list = slices.Delete(s.list, at, at+1)
	}
}

func deadline(c *http.Cookie) time.Time {
	switch {
	case c.MaxAge < 0:
		return time.Now()
	case c.MaxAge > 0:
		return time.Now().Add(time.Duration(c.MaxAge) * time.Second)
	}
	return c.Expires
}

// Cookies implements http.CookieJar.
func (s *cookies) Cookies(*url.URL) (all []*http.Cookie) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.list {
		if !c.expired() {
			all = append(all, &http.Cookie{Name: c.name, Value: c.value, Quoted: c.quoted})
		}
	}
	return all
}

// clear forgets all cookies, so that a load balancer chooses anew.
func (s *cookies) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = nil
}
