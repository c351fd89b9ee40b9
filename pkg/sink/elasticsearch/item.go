package elasticsearch

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
)

// item is what the server did with one document.
type item struct {
	ID           string
	Index        string
	Status       int
	Result       string
	FailureStore string
	Error        *cause
}

// readItems reads the items of an answer to a bulk request, each of which must be that of an
// action create, and of which there may be so many at most. An answer has as many items as documents, so they are scanned, not decoded.
func readItems(body []byte, most int) (all []item, err error) {
	s := &itemScanner{Scanner: rawjson.Scanner{In: body}}
	if s.Peek() != '{' {
		return nil, s.Unexpected("answer")
	}
	found := false
	err = s.Object(0, nil, func(key string) error {
		if key != "items" || s.Peek() != '[' {
			_, err := s.Value(1)
			return err
		}
		if found {
			return errors.New("the answer has items twice")
		}
		found = true
		return s.Array(1, func() error {
			if len(all) == most {
				return fmt.Errorf("the answer has more than %d items", most)
			}
			it, err := s.action()
			all = append(all, it)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return all, s.End()
}

// itemScanner scans items, which have the same keys in the same order.
type itemScanner struct {
	rawjson.Scanner
	actions, items rawjson.Keys
}

var errNoCreate = errors.New("an item is not that of an action create")

// action scans an object with one member, create.
func (s *itemScanner) action() (it item, err error) {
	if s.Peek() != '{' {
		return it, s.Unexpected("item")
	}
	members := 0
	err = s.Object(2, &s.actions, func(key string) error {
		if members++; key != "create" || s.Peek() != '{' {
			return errNoCreate
		}
		return s.Object(3, &s.items, func(key string) error { return s.member(&it, key) })
	})
	if err == nil && members != 1 {
		err = errNoCreate
	}
	return it, err
}

func (s *itemScanner) member(it *item, key string) (err error) {
	s.Peek()
	switch key {
	case "_id":
		it.ID, err = s.text()
	case "_index":
		it.Index, err = s.text()
	case "result":
		it.Result, err = s.text()
	case "failure_store":
		it.FailureStore, err = s.text()
	case "status":
		var digits string
		if digits, err = s.Value(4); err == nil {
			it.Status, err = strconv.Atoi(digits)
		}
	case "error":
		var text string
		if text, err = s.Value(4); err == nil {
			err = json.Unmarshal([]byte(text), &it.Error)
		}
	default:
		_, err = s.Value(4)
	}
	return err
}

// text scans a string. Other values are no text.
func (s *itemScanner) text() (string, error) {
	if s.Peek() == '"' {
		return s.Quoted()
	}
	_, err := s.Value(4)
	return "", err
}
