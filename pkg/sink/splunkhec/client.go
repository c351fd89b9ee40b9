package splunkhec

import (
	"context"
	"net/http"

	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// concurrency is how many requests of a Publish are in flight at once.
const concurrency = 8

// newTransport returns the transport that setting.TLS clones. It does not use
// HTTP/2, which HEC does not support.
func newTransport() *http.Transport {
	t := posting.NewTransport(concurrency)
	t.ForceAttemptHTTP2, t.HTTP2 = false, nil
	return t
}

func (h *hec) newClient(over http.RoundTripper) *posting.Client {
	s := &h.settings
	return posting.NewClient(over, posting.Access{
		Shown: h.at.shown, Hidden: h.at.hidden, Peer: s.peer(), Jar: &h.cookies,
		Credential: posting.Token(h.log, "token", s.Token, func(r *http.Request, token string) {
			r.Header.Set("Authorization", s.AuthScheme+" "+token)
		}),
	})
}

// postEvents sends encoded records.
func (h *hec) postEvents(ctx context.Context, channel string, q posting.Request) (answer, error) {
	compression := posting.Compression(h.settings.Compression)
	sent, err := q.Encode(compression)
	if err != nil {
		return answer{}, h.wrap(err)
	}
	return h.post(ctx, channel, h.at.event, sent, compression)
}

// post sends a body to an address of HEC on a channel, and reads the answer. An error
// means that there was no answer. If a token that was rotated is refused, post sends the
// body again with the former one: a refused request was not taken.
func (h *hec) post(ctx context.Context, channel, address string, body []byte, compression posting.Compression) (a answer, err error) {
	build := func(ctx context.Context) (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/json")
		if compression != posting.None {
			r.Header.Set("Content-Encoding", string(compression))
		}
		if h.settings.Ack != ackOff {
			r.Header.Set("X-Splunk-Request-Channel", channel)
		}
		return r, nil
	}
	_, _, err = h.client.Post(ctx, build, body, func(reply posting.Reply) posting.Rule {
		a = h.read(reply)
		return a.judge()
	})
	return a, err
}

// read returns the answer of a reply.
func (h *hec) read(reply posting.Reply) answer {
	h.answered.Store(true)
	return readAnswer(reply)
}
