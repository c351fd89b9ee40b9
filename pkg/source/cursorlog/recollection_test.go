package cursorlog

import (
	"context"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
)

// skimming is a client whose Decode loses an event that Skim lists.
type skimming struct{ plain }

func (c skimming) Skim(body []byte, l *Listing) error {
	p, err := c.plain.Decode(body, nil)
	*l = Listing{HasNext: p.HasNext, Cursor: p.Cursor}
	for i := range p.Events {
		l.Entries = append(l.Entries, entryOf(&p.Events[i]))
	}
	return err
}

func (c skimming) Decode(body []byte, buffer []source.Event) (Page, error) {
	p, err := c.plain.Decode(body, buffer)
	p.Events = p.Events[:len(p.Events)-1]
	return p, err
}

// The client loses an event: of a page in memory, and of a page that is read again.
func TestEventsThatWereListedAreDecoded(t *testing.T) {
	for _, buffer := range []setting.Size{0, 1 << 20} {
		s := Defaults
		s.WalkBuffer = buffer
		r := openNew(t, Options{Settings: s, Name: "acme", Log: zerolog.Nop(), Client: skimming{plain{
			list: func(_ context.Context, cursor string, _ int) (Answer, error) {
				switch cursor {
				case "":
					return Answer{Body: plainBody("8", 9, 8)}, nil
				case "8":
					return Answer{Body: plainBody("", 7, 6)}, nil
				}
				return Answer{Body: plainBody("")}, nil
			},
		}}})
		for range 2 { // behind the first page, and behind the last
			if p, err := r.Next(t.Context()); err != nil || len(p.Events) > 0 {
				t.Errorf("buffer %s: got %d events, %v, want a page that only saves what was listed", buffer, len(p.Events), err)
			}
		}
		if p, err := r.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "2 events were listed, 1 were decoded") {
			t.Errorf("buffer %s: got %d events, %v", buffer, len(p.Events), err)
		}
	}
}
