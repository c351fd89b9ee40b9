package hectest

import (
	"fmt"
	"net/http"
	"strings"
)

// sticky is the cookie that leads a client to its indexer. Its value is the
// indexer's number and the number of moves; with Renew also the request's number.
const sticky = "hec-indexer"

// lead returns the number of the indexer that gets a request.
func (s *Server) lead(r *http.Request, asked Request) int {
	next := asked.Number % len(s.indexers)
	var at, moves int
	if c, err := r.Cookie(sticky); err == nil {
		if n, _ := fmt.Sscanf(c.Value, "%d.%d", &at, &moves); n == 2 && at >= 0 && at < len(s.indexers) {
			return at
		}
	}
	return next
}

// cookies returns the cookies that a load balancer and a firewall add to an answer.
func (s *Server) cookies(r *http.Request, asked Request, at int) (all []*http.Cookie) {
	if s.config.Sticky || s.moves > 0 {
		value := fmt.Sprintf("%d.%d", at, s.moves)
		if has, err := r.Cookie(sticky); err != nil || s.config.Renew || !strings.HasPrefix(has.Value, value) {
			if s.config.Renew {
				value += fmt.Sprintf(".%d", asked.Number)
			}
			all = append(all, &http.Cookie{Name: sticky, Value: value, Path: "/"})
		}
	}
	if s.config.Firewall {
		all = append(all,
			&http.Cookie{Name: "waf", Value: fmt.Sprint(asked.Number), Path: "/"},
			&http.Cookie{Name: fmt.Sprintf("waf-%d", asked.Number), Value: strings.Repeat("x", 100), Path: "/"})
	}
	return all
}
