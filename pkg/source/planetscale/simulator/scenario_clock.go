package simulator

import (
	"math/rand/v2"
	"time"
)

// clockScenarios have a wrong Date header.
func clockScenarios() []Scenario {
	const day = 24 * time.Hour
	return []Scenario{
		dated("date-a-day-back", "The Date of some answers is a day back.", shifted(-day), 2, 5, 9, 10, 11),
		dated("date-ahead", "The Date of some answers is 20 minutes ahead.", shifted(20*time.Minute), 1, 4, 9, 10, 11),
		dated("date-a-day-ahead", "The Date of some answers is a day ahead.", shifted(day), 2, 3, 8, 12),
		dated("date-missing", "Some answers have no Date.", func(time.Time) time.Time { return time.Time{} }, 1, 2, 6, 7),
		{"date-jumps", "Each Date is up to a day off, either way, or missing.", func(s *Server) {
			draw := rand.New(rand.NewPCG(s.config.Seed, 0xda7e))
			s.Script(func(r Request) Fault {
				if r.N > 90 {
					return Fault{}
				}
				by := time.Duration(draw.Int64N(int64(2*day))) - day
				if draw.IntN(5) == 0 {
					return Fault{Date: func(time.Time) time.Time { return time.Time{} }}
				}
				return Fault{Date: shifted(by)}
			})
		}},
	}
}

func dated(name, doc string, change func(time.Time) time.Time, requests ...int) Scenario {
	return faulty(name, doc, Fault{Date: change}, requests...)
}

func shifted(by time.Duration) func(time.Time) time.Time {
	return func(t time.Time) time.Time { return t.Add(by) }
}
