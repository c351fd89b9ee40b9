package sourcetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

// boundsPositions lists more events within five minutes than a position can name. Their ids
// are nearly as long as an id may be.
func boundsPositions(s *session) {
	all := s.spread(3000, s.began, 100*time.Millisecond)
	for i := range all {
		all[i].ID += "-" + strings.Repeat("x", 236)
	}
	s.log.Append(all...)
	l := s.begin(beginning)
	for caughtUp := false; !caughtUp; {
		if !json.Valid(l.saved) || len(l.saved) > 512_000 {
			s.Fatalf("a position of %d bytes, JSON: %t", len(l.saved), json.Valid(l.saved))
		}
		p := l.next()
		l.save(p)
		caughtUp = p.CaughtUp
	}
	l.crash()
	l.catchUp()
	l.wantOnce(all)
}

func refusesPositions(s *session) {
	s.append(3, hour)
	l := s.begin(beginning)
	l.catchUp()
	own := l.saved
	for _, corrupt := range []string{"", "null", "{}", "[]", "1", `{"v":0}`, string(own[:len(own)/2]), string(own) + "}"} {
		s.wantUnusable(fmt.Sprintf("position %.40q", corrupt), l.source, source.Position(corrupt))
	}
	other := &lane{session: s, source: s.Other(s.TB)}
	defer other.crash()
	s.wantUnusable("a position of another log", other.source, own)
}

func (s *session) wantUnusable(what string, src source.Source, pos source.Position) {
	s.Helper()
	if r, err := src.Open(pos, source.Env{Log: zerolog.Nop()}); !errors.Is(err, source.ErrUnusable) || r != nil {
		s.Errorf("%s: Open returned %v, want source.ErrUnusable and no reader", what, err)
	}
	if _, err := src.Describe(pos); !errors.Is(err, source.ErrUnusable) {
		s.Errorf("%s: Describe returned %v, want source.ErrUnusable", what, err)
	}
}

func describesPositions(s *session) {
	all := s.append(30, 0)
	l := s.begin(beginning)
	if d := l.describe(); !d.Event.IsZero() || !d.Floor.IsZero() || !d.Through.IsZero() {
		s.Errorf("at the beginning: %+v", d)
	}
	l.catchUp()
	newest := all[len(all)-1].Time
	if d := l.describe(); !d.Event.Equal(newest) || d.Floor.After(newest) || d.Through.IsZero() {
		s.Errorf("behind the newest event, of %s: %+v", newest, d)
	}
}

func (l *lane) describe() source.Description {
	l.Helper()
	d, err := l.source.Describe(l.saved)
	if err != nil {
		l.Fatalf("Describe: %v", err)
	}
	return d
}
