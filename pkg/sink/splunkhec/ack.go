package splunkhec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

const (
	// firstPoll is how soon acknowledgements are asked for; twice as long after
	// each question, up to lastPoll.
	firstPoll = 100 * time.Millisecond
	lastPoll  = time.Second
)

// receipt is what HEC gives for a request that it took.
type receipt struct {
	session *session
	id      int64
	request request
}

// confirm asks for the acknowledgements of everything that HEC took, all at once,
// until they are there. true is given a single time, so that one whose answer was
// lost never comes again: what is not acknowledged in time is not delivered.
func (p *publication) confirm(ctx context.Context) {
	p.untangle()
	overdue := time.Now().Add(p.settings.AckTimeout.Std())
	var trouble error // of the last question
	for wait := firstPoll; len(p.pending) > 0; wait = min(2*wait, lastPoll) {
		if a, ok := trouble.(answer); ok {
			wait = max(wait, a.wait)
		}
		pause(ctx, wait)
		switch {
		case ctx.Err() != nil:
			p.giveUp(p.posting(context.Cause(ctx)))
		case p.pending[0].session != p.sessions.now():
			p.giveUp(p.moved())
		case time.Now().After(overdue):
			p.giveUp(p.unacknowledged(trouble))
		default:
			trouble = p.ask(ctx)
		}
	}
}

// untangle sorts out what cannot be asked for: receipts of sessions that ended,
// and all of them where two have one id. Then several indexers answer on the
// channel, and nobody knows which of them a true comes from.
func (p *publication) untangle() {
	now, rest := p.sessions.now(), p.pending[:0]
	given, twice := map[int64]bool{}, false
	for _, r := range p.pending {
		if r.session != now {
			p.note(r.request, p.moved())
			continue
		}
		twice = twice || given[r.id]
		given[r.id] = true
		rest = append(rest, r)
	}
	p.pending = rest
	if twice {
		p.giveUp(sink.Hint(p.posting(errors.New("several indexers answer on one channel, so that no acknowledgement can be trusted")), stickyHint))
	}
}

// ask asks for all that is pending, once. The error is why nothing was learned.
func (p *publication) ask(ctx context.Context) error {
	ids := make([]int64, len(p.pending))
	for i, r := range p.pending {
		ids[i] = r.id
	}
	a, err := p.query(ctx, p.pending[0].session, ids)
	switch {
	case err != nil:
		return err
	case p.pending[0].session != p.sessions.now():
		return nil // Another indexer gave this answer, which knows nothing.
	case a.Acks != nil && a.status == http.StatusOK:
		rest := p.pending[:0]
		for _, r := range p.pending {
			if a.Acks[strconv.FormatInt(r.id, 10)] {
				p.note(r.request, nil)
			} else {
				rest = append(rest, r)
			}
		}
		p.pending = rest
		return nil
	case a.judge().verdict == misled:
		p.giveUp(p.fault(a))
	}
	return a
}

// giveUp notes that what is pending is not delivered. The channel is not used
// again, on which an id may mean one of these for ever.
func (p *publication) giveUp(err error) {
	for _, r := range p.pending {
		p.note(r.request, err)
	}
	p.pending = nil
	p.sessions.renew()
}

const stickyHint = "with indexer acknowledgement a load balancer must lead all requests of a client to one indexer, by a cookie that stays the same"

func (p *publication) moved() error {
	return sink.Hint(p.posting(errors.New("another indexer answers, which cannot acknowledge what was sent before")), stickyHint)
}

func (p *publication) unacknowledged(trouble error) error {
	err := fmt.Errorf("no acknowledgement after %s for %d requests that Splunk took", p.settings.AckTimeout, len(p.pending))
	if trouble != nil {
		err = fmt.Errorf("%w: %w", err, trouble)
	}
	return sink.Hint(p.posting(err), "see that the indexers write what they take, and raise ack_timeout if they need longer")
}

// query asks what became of ack ids.
func (h *hec) query(ctx context.Context, in *session, ids []int64) (answer, error) {
	body, err := json.Marshal(map[string][]int64{"acks": ids})
	if err != nil {
		return answer{}, h.posting(err)
	}
	return h.post(ctx, in, ackPath, body, false)
}

// acknowledges asks whether the token has indexer acknowledgement, by a question
// about an id of a channel that nothing was sent on.
func (h *hec) acknowledges(ctx context.Context) (bool, error) {
	a, err := h.query(ctx, newSession(), []int64{0})
	switch {
	case err != nil:
		return false, err
	case a.Acks != nil && a.status == http.StatusOK:
		h.see(true)
		return true, nil
	case a.Code != nil && *a.Code == 14:
		h.see(false)
		return false, nil
	}
	return false, h.fault(a)
}

// What a token has, as far as it was seen.
const (
	unknown int32 = iota
	acknowledged
	unacknowledged
)

func (h *hec) see(ack bool) {
	if ack {
		h.offer.Store(acknowledged)
	} else {
		h.offer.Store(unacknowledged)
	}
}

// final reports whether events are delivered as soon as HEC has them, without an
// acknowledgement. A token of which that is not known yet is asked about.
func (h *hec) final(ctx context.Context) bool {
	switch {
	case h.settings.Ack == ackOff:
		return true
	case h.settings.Ack == ackRequired:
		return false
	case h.offer.Load() == unknown:
		if _, err := h.acknowledges(ctx); err != nil {
			return false
		}
	}
	return h.offer.Load() == unacknowledged
}

// demandAck makes sure of acknowledgement before anything is sent: without it
// each attempt would be indexed once more, and never be confirmed.
func (h *hec) demandAck(ctx context.Context) error {
	if h.offer.Load() == acknowledged {
		return nil
	}
	ok, err := h.acknowledges(ctx)
	if err == nil && !ok {
		err = sink.Destination(h.posting(errors.New("the token has no indexer acknowledgement, and ack is required")), noAckHint)
	}
	return err
}
