// Package baseline is the script that Sluice is measured against: what one writes in an
// afternoon to bring the audit log into a SIEM. It requests a page, decodes it with
// encoding/json, builds the ECS document of each event from maps, marshals it, and
// writes the page. Only then does it request the next.
//
// A test checks that its documents are those of package ecs for the same events, so both
// do the same work. There is one exception: metadata goes through a map, as in a script,
// and loses the digits that a float64 cannot hold. Otherwise the script is fair, not
// careless: structs where the shape is known, no field decoded twice, one write a page.
// It lacks what Sluice adds: retries, a position, limits, the order of the log, and a
// defense against hostile text and pages that cannot be decoded.
//
// The tests of this package measure four things: decoding and encoding, a whole catch-up
// in a process of its own, the time added to that of the API, and memory.
// docs/performance.md describes how to run them and their results. Only tests may import
// this package.
package baseline

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Script reads the audit log of an organization from its top to its end.
type Script struct {
	URL          string // scheme and host of the API
	Organization string
	Client       *http.Client
}

// answer is a page of the API.
type answer struct {
	HasNext   bool              `json:"has_next"`
	CursorEnd string            `json:"cursor_end"`
	Data      []json.RawMessage `json:"data"`
}

// Run writes the document of every event to w, one a line, and returns how many
// there were.
func (s *Script) Run(ctx context.Context, w io.Writer) (events int, err error) {
	out := bufio.NewWriterSize(w, 1<<20)
	for cursor, more := "", true; more; {
		body, err := s.fetch(ctx, cursor)
		if err != nil {
			return events, err
		}
		page, err := s.write(out, body)
		if err != nil {
			return events, err
		}
		if err := out.Flush(); err != nil {
			return events, err
		}
		events += len(page.Data)
		cursor, more = page.CursorEnd, page.HasNext
	}
	return events, nil
}

// Skim requests every page and only finds the next cursor in it. That is the least time
// a walk over the log can take.
func (s *Script) Skim(ctx context.Context) (pages int, err error) {
	for cursor, more := "", true; more; pages++ {
		body, err := s.fetch(ctx, cursor)
		if err != nil {
			return pages, err
		}
		if cursor, more, err = nextCursor(body); err != nil {
			return pages, err
		}
	}
	return pages, nil
}

// nextCursor reads the beginning of an answer, up to its events.
func nextCursor(body []byte) (cursor string, more bool, err error) {
	head, _, found := bytes.Cut(body, []byte(`,"data":`))
	if !found {
		return "", false, errors.New("the answer has no data")
	}
	var a answer
	if err := json.Unmarshal(append(bytes.Clone(head), '}'), &a); err != nil {
		return "", false, err
	}
	return a.CursorEnd, a.HasNext, nil
}

func (s *Script) fetch(ctx context.Context, cursor string) ([]byte, error) {
	address := s.URL + "/v1/organizations/" + url.PathEscape(s.Organization) + "/audit-log?limit=100"
	if cursor != "" {
		address += "&starting_after=" + url.QueryEscape(cursor)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer token")
	response, err := s.Client.Do(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the API answered %s", response.Status)
	}
	return body, nil
}
