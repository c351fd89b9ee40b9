package cursorlog

import (
	"context"
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// plain is a client whose bodies are simple JSON.
type plain struct {
	list func(ctx context.Context, cursor string, limit int) (Answer, error)
}

type plainEvent struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}

type plainPage struct {
	Data    []json.RawMessage `json:"data"`
	HasNext bool              `json:"has_next"`
	Cursor  string            `json:"cursor"`
}

func (c plain) List(ctx context.Context, cursor string, limit int) (Answer, error) {
	return c.list(ctx, cursor, limit)
}

func (plain) Decode(body []byte, buffer []source.Event) (Page, error) {
	var p plainPage
	if err := json.Unmarshal(body, &p); err != nil {
		return Page{}, err
	}
	events := buffer
	for _, raw := range p.Data {
		e := plainEvent{}
		if err := json.Unmarshal(raw, &e); err != nil {
			return Page{}, err
		}
		events = append(events, source.Event{ID: e.ID, Time: e.At, Raw: raw})
	}
	return Page{Events: events, HasNext: p.HasNext, Cursor: p.Cursor}, nil
}

// openNew opens a reader of a new source at the beginning of its log. Both are closed when
// the test ends.
func openNew(t *testing.T, o Options) source.Reader {
	t.Helper()
	src, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	pos, err := src.Start(t.Context(), source.Start{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := src.Open(pos, source.Env{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// plainBody is a page of events a second apart, newest first, before noon.
func plainBody(cursor string, ids ...int) []byte {
	p := plainPage{HasNext: cursor != "", Cursor: cursor, Data: []json.RawMessage{}}
	for _, id := range ids {
		raw, err := json.Marshal(plainEvent{ID: strconv.Itoa(id), At: noon.Add(time.Duration(id-1000) * time.Second)})
		if err != nil {
			panic(err)
		}
		p.Data = append(p.Data, raw)
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return body
}
