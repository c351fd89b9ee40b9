package planetscale

import (
	"bytes"
	"errors"
	"time"
	"unsafe"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Parse reads events that did not come over the network: an answer of the API,
// or a single event. Like a page it yields an event for everything in it; what
// cannot be decoded is carried raw and says so in Problem. The error is of an
// answer that is no list of events. The events share memory with data, which
// must not be changed while they are in use.
func Parse(data []byte, organization string) ([]source.Event, error) {
	now := time.Now().UTC()
	body := data
	if !isAnswer(body) {
		body = append(append([]byte(`{"type":"list","has_next":false,"data":[`), bytes.TrimSpace(data)...), ']', '}')
	}
	return decode(&page{ahead: now.Add(future).UnixMilli(), read: now, body: body}, nil, organization)
}

var errAnswer = errors.New("is an answer")

// isAnswer tells an answer of the API from an event by a key that events lack.
// It looks no further than that, since an answer has one early.
func isAnswer(data []byte) bool {
	s := scanner{text: unsafe.String(unsafe.SliceData(data), len(data))}
	if s.peek() != '{' {
		return false
	}
	return errors.Is(s.object(0, nil, func(key string, _ bool) error {
		if key == "data" || key == "has_next" {
			return errAnswer
		}
		_, err := s.value(1)
		return err
	}), errAnswer)
}
