package planetscale

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
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
	body, alone := data, !isAnswer(data)
	if alone {
		body = append(append([]byte(`{"type":"list","has_next":false,"data":[`), bytes.TrimSpace(data)...), ']', '}')
	}
	p, err := decode(body, nil)
	if alone && (err != nil || len(p.Events) != 1) {
		err = cmp.Or(flaw(data), err)
	}
	if err != nil {
		return nil, err
	}
	cursorlog.Complete(p.Events, organization, time.Now().UTC())
	return p.Events, nil
}

// flaw says where data, which should be one event, is not JSON.
func flaw(data []byte) error {
	var syntax *json.SyntaxError
	var value json.RawMessage
	switch err := json.Unmarshal(data, &value); {
	case !errors.As(err, &syntax):
		return nil
	case syntax.Error() == "unexpected end of JSON input":
		return fmt.Errorf("the event is not JSON: it ends after %d bytes, before it is complete", len(data))
	default:
		return fmt.Errorf("the event is not JSON: %w, at byte %d", err, syntax.Offset-1)
	}
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
