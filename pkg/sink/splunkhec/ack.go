package splunkhec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

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
	channel string // which carries nothing else; see channels
	id      int64
	request request
}

// confirm asks for the acknowledgements of everything that HEC took until they are
// there. What is not acknowledged within ack_timeout is not delivered, and neither
// is what is asked of an indexer that does not know its channel. Nothing else
// proves that another indexer answers.
func (p *publication) confirm(ctx context.Context) {
	overdue := time.Now().Add(p.settings.AckTimeout.Std())
	var trouble error // of the last questions
	for wait := firstPoll; len(p.pending) > 0; wait = min(2*wait, lastPoll) {
		asked, _ := trouble.(answer)
		pause(ctx, min(max(wait, asked.wait), time.Until(overdue)))
		switch {
		case ctx.Err() != nil:
			p.giveUp(p.posting(context.Cause(ctx)))
		case !time.Now().Before(overdue):
			p.giveUp(p.unacknowledged(trouble))
			p.startAnew()
		default:
			trouble = p.ask(ctx)
			if a, ok := trouble.(answer); ok && a.judge().verdict == misled {
				p.giveUp(p.fault(a))
			}
		}
	}
}

// round is what is asked about at one time.
type round struct {
	mu    sync.Mutex
	queue []receipt // not yet asked about
	open  []receipt // asked about, without a result
}

func (r *round) next() (receipt, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return receipt{}, false
	}
	first := r.queue[0]
	r.queue = r.queue[1:]
	return first, true
}

func (r *round) keep(open receipt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, open)
}

// ask asks about what is pending, in several lines at once. A line ends with the
// first request that is not acknowledged yet, since those behind it most likely
// are not either; that one is asked about last in the next round. The error is why
// something was not learned.
func (p *publication) ask(ctx context.Context) error {
	r := &round{queue: p.pending}
	var lines errgroup.Group
	for range concurrency {
		lines.Go(func() error {
			for {
				next, ok := r.next()
				if !ok {
					return nil
				}
				if settled, err := p.askAbout(ctx, next); !settled {
					r.keep(next)
					return err
				}
			}
		})
	}
	trouble := lines.Wait()
	p.pending = slices.Concat(r.queue, r.open)
	return trouble
}

// askAbout asks whether a request is acknowledged, and reports whether it is known
// what became of it. A true is given a single time, so that one whose answer was
// lost never comes again.
func (p *publication) askAbout(ctx context.Context, r receipt) (settled bool, err error) {
	a, err := p.query(ctx, r.channel, r.id)
	switch {
	case err != nil:
		return false, err
	case a.Acks != nil && a.status == http.StatusOK:
		if !a.Acks[strconv.FormatInt(r.id, 10)] {
			return false, nil
		}
		p.note(r.request, nil)
		p.channels.release(r.channel)
		return true, nil
	case a.strange():
		p.note(r.request, p.moved)
		return true, nil
	}
	return false, a
}

// giveUp notes that what is pending is not delivered.
func (p *publication) giveUp(err error) {
	for _, r := range p.pending {
		p.note(r.request, err)
	}
	p.pending = nil
}

// startAnew has a load balancer choose an indexer again: the one that took events
// does not acknowledge them, or is not the one that is asked.
func (h *hec) startAnew() {
	h.cookies.clear()
	h.met.Store(false)
	h.client.CloseIdleConnections()
}

const stickyHint = "with indexer acknowledgement a load balancer must lead all requests of a client to one indexer, such as by a cookie"

// anotherIndexer is the error of requests whose channel is not known where it is
// asked about.
func (h *hec) anotherIndexer() error {
	return sink.Hint(h.posting(errors.New("another indexer answers, which cannot acknowledge what was sent before")), stickyHint)
}

func (p *publication) unacknowledged(trouble error) error {
	err := fmt.Errorf("no acknowledgement after %s for %d requests that Splunk took", p.settings.AckTimeout, len(p.pending))
	if trouble != nil {
		err = fmt.Errorf("%w: %w", err, trouble)
	}
	return sink.Hint(p.posting(err), "see that the indexers write what they take, and raise ack_timeout if they need longer; "+stickyHint)
}

// query asks what became of a request.
func (h *hec) query(ctx context.Context, channel string, id int64) (answer, error) {
	body, err := json.Marshal(map[string][]int64{"acks": {id}})
	if err != nil {
		return answer{}, h.posting(err)
	}
	return h.post(ctx, channel, ackPath, body, false)
}

// acknowledges asks whether the token has indexer acknowledgement, by a question
// about an id of a channel that nothing may have been sent on. An indexer that
// refuses the channel has it too: one without would say so.
func (h *hec) acknowledges(ctx context.Context) (bool, error) {
	channel := h.channels.take()
	defer h.channels.release(channel)
	a, err := h.query(ctx, channel, 0)
	switch {
	case err != nil:
		return false, err
	case a.Acks != nil && a.status == http.StatusOK, a.Code != nil && *a.Code == 11:
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
