package console_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/pipeline"
)

// long is more time than a stream needs to look for changes.
const long = time.Minute

// client is an open stream, and the deadlines of what it was sent.
type client struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
	leave     context.CancelFunc
}

func (c *client) SetWriteDeadline(t time.Time) error {
	c.deadlines = append(c.deadlines, t)
	return nil
}

// follow opens a stream for a page that a client has. It ends when the client leaves.
func follow(t *testing.T, h http.Handler, page string) *client {
	t.Helper()
	shown := httptest.NewRecorder()
	h.ServeHTTP(shown, httptest.NewRequest(http.MethodGet, page, nil))
	var have []string
	for _, m := range regexp.MustCompile(`data-hash="([0-9a-f]+)"`).FindAllStringSubmatch(shown.Body.String(), -1) {
		have = append(have, m[1])
	}
	if len(have) < 4 {
		t.Fatalf("the page has only %d fragments", len(have))
	}
	ctx, leave := context.WithCancel(t.Context())
	c := &client{ResponseRecorder: httptest.NewRecorder(), leave: leave}
	query := url.Values{"page": {page}, "have": {strings.Join(have, ".")}}
	go h.ServeHTTP(c, httptest.NewRequestWithContext(ctx, http.MethodGet, "/live?"+query.Encode(), nil))
	return c
}

// sent returns the ids of the fragments that a client was sent.
func (c *client) sent(t *testing.T) (ids []string) {
	t.Helper()
	for _, line := range strings.Split(c.Body.String(), "\n") {
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var u struct{ Fragments []struct{ ID string } }
		if err := json.Unmarshal([]byte(data), &u); err != nil {
			t.Fatalf("%v in %.200s", err, data)
		}
		for _, f := range u.Fragments {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// twoLanes serves a console of two lanes that stay as they are until change is called.
func twoLanes() (h http.Handler, change func(pipeline.Status)) {
	all := []pipeline.Status{caughtUp("acme", "siem"), caughtUp("acme", "kafka")}
	for i := range all {
		all[i].Position.Expires = time.Time{} // what is left of it changes by itself
	}
	var mu sync.Mutex
	d := deps()
	d.Lanes = func() []pipeline.Status {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
	return console.Handler(d, console.NewHistory(d.Lanes), console.NewActivity(1<<20)), func(s pipeline.Status) {
		mu.Lock()
		defer mu.Unlock()
		all[0] = s
	}
}

func TestAStreamSendsOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, change := twoLanes()
		c := follow(t, h, "/")
		time.Sleep(long)
		synctest.Wait()
		if ids := c.sent(t); len(ids) > 0 {
			t.Errorf("got %v, although nothing changed", ids)
		}
		if !strings.HasPrefix(c.Body.String(), ": ") {
			t.Error("nothing says that the stream lives")
		}
		s := caughtUp("acme", "siem")
		s.Position.Expires, s.LastPublished = time.Time{}, s.LastPublished.Add(time.Second)
		change(s)
		time.Sleep(long)
		synctest.Wait()
		if got := strings.Join(c.sent(t), " "); got != "lane/acme/siem" {
			t.Errorf("got %q after a change of one lane, want lane/acme/siem", got)
		}
		c.leave()
	})
}

func TestAStreamSendsTheLanesInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, change := twoLanes()
		c := follow(t, h, "/")
		broken := caughtUp("acme", "siem")
		broken.Ready, broken.Position.Expires = false, time.Time{}
		broken.Troubles = []pipeline.Trouble{{Operation: "publish", Err: "connection refused"}}
		change(broken)
		time.Sleep(long)
		synctest.Wait()
		got := " " + strings.Join(c.sent(t), " ") + " "
		for _, want := range []string{"sentence", "facts", "troubles", "flow", "lanes"} {
			if !strings.Contains(got, " "+want+" ") {
				t.Errorf("got%s, want %s in it: another lane is first", got, want)
			}
		}
		c.leave()
	})
}

// TestStreamsAreBounded also requires that a stream ends with its request: a bubble does
// not end before all of its goroutines have.
func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := twoLanes()
		var open []*client
		for range 16 {
			open = append(open, follow(t, h, "/"))
		}
		synctest.Wait()
		refused := follow(t, h, "/")
		synctest.Wait()
		if refused.Code != http.StatusServiceUnavailable || !strings.Contains(refused.Body.String(), "16 pages") {
			t.Errorf("got %d %q beyond the limit, want 503 with the limit", refused.Code, refused.Body)
		}
		open[0].leave()
		synctest.Wait()
		next := follow(t, h, "/")
		synctest.Wait()
		if next.Code != http.StatusOK {
			t.Errorf("got status %d after another one left, want 200", next.Code)
		}
		for _, c := range append(open, next) {
			c.leave()
		}
		refused.leave()
	})
}

func TestEachEventHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := twoLanes()
		c := follow(t, h, "/")
		time.Sleep(long)
		synctest.Wait()
		if len(c.deadlines) < 4 {
			t.Fatalf("got %d deadlines, want two for each line that was sent", len(c.deadlines))
		}
		for i, d := range c.deadlines {
			if d.IsZero() != (i%2 == 1) {
				t.Errorf("deadline %d: got %v; one is set before each line and lifted behind it", i, d)
			}
		}
		c.leave()
	})
}

// Otherwise its page would ask again for ever.
func TestNoStreamOfAPageThatIsNot(t *testing.T) {
	h, _ := twoLanes()
	for _, page := range []string{"/nosuch", "/lanes/acme/gone", "/events/0123456789abcdef", "/live"} {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/live?"+url.Values{"page": {page}}.Encode(), nil))
		if answer.Code != http.StatusNotFound {
			t.Errorf("%s: got status %d, want 404", page, answer.Code)
		}
	}
}
