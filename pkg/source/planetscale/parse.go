package planetscale

import (
	"bytes"
	"errors"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/cursorlog"
)

// Parse reads an answer of the API, or a single event, that did not come over the
// network. Every element becomes an event. One that cannot be decoded is kept raw, with
// the reason in Problem. Parse fails for an answer that is not a list of events. The
// events share memory with data, which must not change while they are in use.
func Parse(data []byte, organization string) ([]source.Event, error) {
	body := data
	if !isAnswer(body) {
		body = append(append([]byte(`{"type":"list","has_next":false,"data":[`), bytes.TrimSpace(data)...), ']', '}')
	}
	p, err := decode(body, nil)
	if err != nil {
		return nil, err
	}
	cursorlog.Complete(p.Events, organization, time.Now().UTC())
	return p.Events, nil
}

var errAnswer = errors.New("is an answer")

// isAnswer reports whether data is an answer of the API rather than an event: it has a
// key that events lack. The scan stops there.
func isAnswer(data []byte) bool {
	s := rawjson.Scanner{In: data}
	if s.Peek() != '{' {
		return false
	}
	return errors.Is(s.Object(0, nil, func(key string) error {
		if key == "data" || key == "has_next" {
			return errAnswer
		}
		_, err := s.Value(1)
		return err
	}), errAnswer)
}
