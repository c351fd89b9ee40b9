package simulator

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// Failing returns a script in which a share of the answers, from 0 to 1, fails. Each
// fails in one of the ways in which a single answer can. The seed decides which fail and
// how.
func Failing(seed uint64, share float64) Script {
	draw := rand.New(rand.NewPCG(seed, 0xfa11))
	return func(r Request) Fault {
		if draw.Float64() >= share {
			return Fault{}
		}
		return hiccup(draw.IntN(hiccups), r)
	}
}

const hiccups = 14

func hiccup(kind int, r Request) Fault {
	const list = `{"type":"list","has_next":false,"has_prev":false,"cursor_start":null,"cursor_end":null,"data":`
	switch kind {
	case 0:
		return Fault{Status: http.StatusInternalServerError, Body: `{"code":"internal_server_error","message":"No"}`}
	case 1:
		return Fault{Status: http.StatusBadGateway, Body: "<html><body>Bad Gateway</body></html>"}
	case 2:
		return Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"1"}}}
	case 3:
		return Fault{Abort: true}
	case 4:
		return Fault{Cut: true}
	case 5:
		return Fault{Status: http.StatusOK, Body: "{}"}
	case 6:
		return Fault{Status: http.StatusOK, Body: list + "null}"}
	case 7:
		return Fault{Status: http.StatusNotFound, Body: `{"code":"not_found","message":"Not Found"}`}
	case 8:
		return Fault{Status: http.StatusUnprocessableEntity, Body: `{"code":"unprocessable","message":"Invalid cursor"}`}
	case 9:
		return altered(emptied)
	case 10:
		return altered(ended)
	case 11:
		return altered(func(p *Listing) { p.HasNext, p.End = true, "" })
	case 12:
		return altered(func(p *Listing) { p.HasNext, p.End = true, r.StartingAfter })
	}
	return Fault{Delay: time.Second}
}

// third stops failing after 60 requests, since every scenario must end.
var third = Scenario{"a-third-fails", "A third of the first answers fail, in every way in which a single answer can.", func(s *Server) {
	failing := Failing(s.config.Seed, 1.0/3)
	s.Script(func(r Request) Fault {
		if r.N > 60 {
			return Fault{}
		}
		return failing(r)
	})
}}
