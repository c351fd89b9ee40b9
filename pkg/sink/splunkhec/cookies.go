package splunkhec

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	// maxCookies is how many cookies of one address a client should support (RFC 6265,
	// section 6.1).
	maxCookies = 50
	// maxCookieBytes limits the size of all cookies. Servers limit the length of a
	// header line, nginx to 8 KiB by default (large_client_header_buffers).
	maxCookieBytes = 7 << 10
)

// cookies implements http.CookieJar for the one address of the sink. A load balancer
// uses cookies to lead a client to the same indexer.
//
// A changed cookie proves nothing. An Application Load Balancer of AWS encrypts its
// AWSALB with a rotating key, and sends a new value in every answer (AWS, "Sticky
// sessions for your Application Load Balancer"); web application firewalls add
// cookies of their own. So values are sent back but never interpreted.
//
// When the limits are reached, older cookies stay: a balancer may set its cookie
// once, while a firewall may add one with a new name to each answer.
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

// set stores a cookie in place of the one with its name, if it fits the limits.
func (s *cookies) set(c cookie) {
	at := slices.IndexFunc(s.list, func(old cookie) bool { return old.name == c.name })
	free := maxCookieBytes
	for i, old := range s.list {
		if i != at {
			free -= old.size()
		}
	}
	valid := !c.expired() && c.size() <= free
	switch {
	case at < 0 && valid && len(s.list) < maxCookies:
		s.list = append(s.list, c)
	case at >= 0 && valid:
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

// clear deletes all cookies, so that a load balancer chooses an indexer again.
func (s *cookies) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = nil
}
