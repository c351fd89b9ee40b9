package hectest_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
)

const (
	token   = "secret"
	channel = "0a1b2c3d-0a1b-4c3d-8e5f-0a1b2c3d4e5f"
	event   = "/services/collector/event"
	ack     = "/services/collector/ack"
)

// ask makes a request; headers are "Name: value".
func ask(s *hectest.Server, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Splunk "+token)
	r.Header.Set("User-Agent", "test")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestWhatIsRefused(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := io.WriteString(w, `{"event":"a"}`); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	plain, acking := hectest.Config{Indexes: []string{"main"}}, hectest.Config{Ack: true}
	const good = `{"event":"a"}`
	tests := []struct {
		name    string
		config  hectest.Config
		path    string
		body    string
		headers []string
		want    string // status, and code with number or HTML
		indexed int
	}{
		{"a good one", plain, event, good, nil, `200 {"text":"Success","code":0}`, 1},
		{"its other names", plain, "/services/collector", good, nil, `200 {"text":"Success","code":0}`, 1},
		{"compressed", plain, event, zipped.String(), []string{"Content-Encoding: gzip"}, `200 {"text":"Success","code":0}`, 1},
		{"two, side by side", plain, event, good + good, nil, `200 {"text":"Success","code":0}`, 2},
		{"everything in it", plain, event, `{"time":1.5,"host":"h","source":"s","sourcetype":"t","index":"main","event":{},"fields":{"a":"b","c":[1,"d"]}}`, nil, `200 {"text":"Success","code":0}`, 1},
		{"time as text", plain, event, `{"time":"1700000000.123","event":"a"}`, nil, `200 {"text":"Success","code":0}`, 1},

		{"no token", plain, event, good, []string{"Authorization: "}, `401 {"text":"Token is required","code":2}`, 0},
		{"another scheme", plain, event, good, []string{"Authorization: Bearer secret"}, `401 {"text":"Invalid authorization","code":3}`, 0},
		{"another token", plain, event, good, []string{"Authorization: Splunk other"}, `403 {"text":"Invalid token","code":4}`, 0},
		{"a token in the address", plain, event + "?token=secret", good, nil, `400 {"text":"Query string authorization is not enabled","code":16}`, 0},
		{"no data", plain, event, "", nil, `400 {"text":"No data","code":5}`, 0},
		{"blank data", plain, event, " \n", nil, `400 {"text":"No data","code":5}`, 0},
		{"no JSON", plain, event, good + `{"event":"b"} x` + good, nil, `400 {"text":"Invalid data format","code":6,"invalid-event-number":2}`, 2},
		{"commas between", plain, event, good + "," + good, nil, `400 {"text":"Invalid data format","code":6,"invalid-event-number":1}`, 1},
		{"a list", plain, event, "[" + good + "]", nil, `400 {"text":"Invalid data format","code":6,"invalid-event-number":0}`, 0},
		{"not UTF-8", plain, event, "{\"event\":\"\xff\"}", nil, `400 {"text":"Invalid data format","code":6,"invalid-event-number":0}`, 0},
		{"a time that is none", plain, event, `{"time":"now","event":"a"}`, nil, `400 {"text":"Invalid data format","code":6,"invalid-event-number":0}`, 0},
		{"a time in exponents", plain, event, `{"time":1.7e9,"event":"a"}`, nil, `400 {"text":"Invalid data format","code":6,"invalid-event-number":0}`, 0},
		{"a host that is no text", plain, event, `{"host":1,"event":"a"}`, nil, `400 {"text":"Invalid data format","code":6,"invalid-event-number":0}`, 0},
		{"an event that is a number", plain, event, `{"event":1}`, nil, `400 {"text":"Invalid data format","code":6,"invalid-event-number":0}`, 0},
		{"another index", plain, event, good + `{"index":"other","event":"a"}`, nil, `400 {"text":"Incorrect index","code":7,"invalid-event-number":1}`, 1},
		{"another index, without an event", plain, event, `{"index":"other"}`, nil, `400 {"text":"Incorrect index","code":7,"invalid-event-number":0}`, 0},
		{"no event", plain, event, good + `{}`, nil, `400 {"text":"Event field is required","code":12,"invalid-event-number":1}`, 1},
		{"a blank event", plain, event, `{"event":" \n"}`, nil, `400 {"text":"Event field cannot be blank","code":13,"invalid-event-number":0}`, 0},
		{"null for an event", plain, event, `{"event":null}`, nil, `400 {"text":"Event field cannot be blank","code":13,"invalid-event-number":0}`, 0},
		{"fields in fields", plain, event, `{"event":"a","fields":{"a":{"b":"c"}}}`, nil, `400 {"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}`, 0},
		{"null in fields", plain, event, `{"event":"a","fields":{"a":null}}`, nil, `400 {"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}`, 0},
		{"fields that are none", plain, event, `{"event":"a","fields":"b"}`, nil, `400 {"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}`, 0},
		{"counted from one", hectest.Config{OneBased: true}, event, good + `{}`, nil, `400 {"text":"Event field is required","code":12,"invalid-event-number":2}`, 1},
		{"not counted", hectest.Config{Unnumbered: true}, event, good + `{}`, nil, `400 {"text":"Event field is required","code":12}`, 0},
		{"too large", hectest.Config{MaxBytes: 10}, event, good, nil, `413 HTML`, 0},
		{"too large once it is read", hectest.Config{MaxBytes: 100}, event, squeezed(t), []string{"Content-Encoding: gzip"}, `413 HTML`, 0},
		{"another encoding", plain, event, good, []string{"Content-Encoding: br"}, `415 HTML`, 0},
		{"another path", plain, "/services/collector/events", good, nil, `404 HTML`, 0},

		{"no channel", acking, event, good, nil, `400 {"text":"Data channel is missing","code":10}`, 0},
		{"a channel that is no GUID", acking, event, good, []string{"X-Splunk-Request-Channel: 1"}, `400 {"text":"Invalid data channel","code":11}`, 0},
		{"a channel", acking, event, good, []string{"X-Splunk-Request-Channel: " + channel}, `200 {"text":"Success","code":0,"ackId":0}`, 1},
		{"a channel in the address", acking, event + "?channel=" + channel, good, nil, `200 {"text":"Success","code":0,"ackId":0}`, 1},
		{"a channel that was not asked for", plain, event, good, []string{"X-Splunk-Request-Channel: " + channel}, `200 {"text":"Success","code":0}`, 1},
		{"a bad event on a channel", acking, event + "?channel=" + channel, good + "{}", nil, `400 {"text":"Event field is required","code":12,"invalid-event-number":1}`, 1},
		{"acknowledgement where there is none", plain, ack + "?channel=" + channel, `{"acks":[0]}`, nil, `400 {"text":"ACK is disabled","code":14}`, 0},
		{"a question that is none", acking, ack + "?channel=" + channel, `{}`, nil, `400 {"text":"Invalid data format","code":6}`, 0},
		{"a number that was not given", acking, ack + "?channel=" + channel, `{"acks":[7]}`, nil, `200 {"acks":{"7":false}}`, 0},
		{"health, of which nobody is kept out", plain, "/services/collector/health", "", []string{"Authorization: "}, `200 {"text":"HEC is healthy","code":17}`, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.config.Token = token
			s := hectest.NewServer(test.config)
			w := ask(s, test.path, test.body, test.headers...)
			got := fmt.Sprintf("%d %s", w.Code, w.Body)
			if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
				got = fmt.Sprintf("%d HTML", w.Code)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if got := len(s.Events()); got != test.indexed {
				t.Errorf("%d events are indexed, want %d", got, test.indexed)
			}
		})
	}
}

func squeezed(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := fmt.Fprintf(w, `{"event":%q}`, strings.Repeat("a", 1000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hectest.NewServer(hectest.Config{Token: token, Ack: true, AckDelay: time.Minute})
		in := "?channel=" + channel
		status := func(want string) {
			t.Helper()
			if got := ask(s, ack+in, `{"acks":[0,1]}`).Body.String(); got != want {
				t.Errorf("after %s: got %s, want %s", time.Now().Format("04:05"), got, want)
			}
		}
		ask(s, event+in, `{"event":"a"}`)
		time.Sleep(30 * time.Second)
		ask(s, event+in, `{"event":"b"}`)
		status(`{"acks":{"0":false,"1":false}}`)
		if got := len(s.Events()); got != 0 {
			t.Errorf("%d events are indexed, want none yet", got)
		}
		time.Sleep(30 * time.Second)
		status(`{"acks":{"0":true,"1":false}}`)
		status(`{"acks":{"0":false,"1":false}}`) // true comes only once
		time.Sleep(30 * time.Second)
		status(`{"acks":{"0":false,"1":true}}`)
		if got := len(s.Events()); got != 2 {
			t.Errorf("%d events are indexed, want 2", got)
		}
	})
}

func TestFaults(t *testing.T) {
	const body = `{"event":"a"}{"event":"b"}{"event":"c"}`
	busy := &hectest.Answer{Status: 503, Code: 9, RetryAfter: 7}
	tests := []struct {
		name    string
		fault   hectest.Fault
		want    string
		indexed int
	}{
		{"none", hectest.Fault{}, `200 {"text":"Success","code":0}`, 3},
		{"another answer", hectest.Fault{Answer: busy}, `503 {"text":"Server is busy","code":9}`, 0},
		{"another answer, half way", hectest.Fault{Answer: busy, Taken: 2}, `503 {"text":"Server is busy","code":9}`, 2},
		{"another answer, when all was done", hectest.Fault{Answer: busy, Handled: true}, `503 {"text":"Server is busy","code":9}`, 3},
		{"forgotten", hectest.Fault{Forget: true}, `200 {"text":"Success","code":0}`, 0},
		{"a page", hectest.Fault{Answer: &hectest.Answer{Status: 200, Raw: "hello"}}, `200 hello`, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := hectest.NewServer(hectest.Config{Token: token, Script: func(hectest.Request) hectest.Fault { return test.fault }})
			w := ask(s, event, body)
			if got := fmt.Sprintf("%d %s", w.Code, w.Body); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if got, want := w.Header().Get("Retry-After"), map[bool]string{true: "7"}[w.Code == 503]; got != want {
				t.Errorf("Retry-After %q, want %q", got, want)
			}
			if got := len(s.Events()); got != test.indexed {
				t.Errorf("%d events are indexed, want %d", got, test.indexed)
			}
		})
	}
}

func TestProof(t *testing.T) {
	const good, bad, in = `{"event":"a"}{"event":"b"}{"event":"c"}`, `{}`, "?channel=" + channel
	tests := []struct {
		name  string
		ack   bool
		body  string
		fault hectest.Fault // of every request
		want  string        // events with proof
	}{
		{"a success", false, good, hectest.Fault{}, "[a b c]"},
		{"a success that is lost", false, good, hectest.Fault{Handled: true, Answer: &hectest.Answer{Status: 502}}, "[]"},
		{"a bad event", false, good + bad, hectest.Fault{}, "[a b]"},
		{"an acknowledgement", true, good, hectest.Fault{}, "[a b c]"},
		{"an acknowledgement that is lost", true, good, hectest.Fault{Handled: true, Answer: &hectest.Answer{Status: 502}}, "[]"},
		{"a bad event, with acknowledgement", true, good + bad, hectest.Fault{}, "[]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			s := hectest.NewServer(hectest.Config{Token: token, Ack: test.ack,
				Script:    func(hectest.Request) hectest.Fault { return test.fault },
				Confirmed: func(e hectest.Event) { got = append(got, e.Text()) }})
			ask(s, event+in, test.body)
			ask(s, ack+in, `{"acks":[0]}`)
			ask(s, ack+in, `{"acks":[0]}`)
			if fmt.Sprint(got) != test.want {
				t.Errorf("got %v, want %s", got, test.want)
			}
		})
	}
}

// The memory and the acknowledgements of an indexer are lost with it.
func TestMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		move := false
		s := hectest.NewServer(hectest.Config{Token: token, Ack: true, AckDelay: time.Minute, Sticky: true,
			Script: func(hectest.Request) hectest.Fault { return hectest.Fault{Move: move} }})
		in := "?channel=" + channel
		given := ask(s, event+in, `{"event":"lost"}`).Result().Cookies()
		if len(given) != 1 {
			t.Fatalf("got cookies %v, want one", given)
		}
		cookie := given[0]
		if got := ask(s, event+in, `{"event":"lost"}`, "Cookie: "+cookie.String()).Result().Cookies(); len(got) > 0 {
			t.Errorf("a client that has its cookie gets another: %v", got)
		}
		move = true
		moved := ask(s, event+in, `{"event":"kept"}`, "Cookie: "+cookie.String())
		if got := moved.Result().Cookies(); len(got) != 1 || got[0].Value == cookie.Value {
			t.Errorf("cookies of another indexer: %v", got)
		}
		if got, want := moved.Body.String(), `{"text":"Success","code":0,"ackId":0}`; got != want {
			t.Errorf("got %s, want %s: numbers start again", got, want)
		}
		time.Sleep(time.Hour)
		if got := s.Events(); len(got) != 1 || got[0].Text() != "kept" {
			t.Errorf("indexed: %v", got)
		}
	})
}
