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
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

const (
	// firstPoll is the wait before acknowledgements are first queried. It doubles
	// after each query, up to lastPoll.
	firstPoll = 100 * time.Millisecond
	lastPoll  = time.Second
)

// receipt identifies a request that HEC took, until it is acknowledged.
type receipt struct {
	channel string // it carries no other request; see channels
	id      int64
	request posting.Request
}

// receipts are those of one Publish.
type receipts struct {
	mu   sync.Mutex
	list []receipt
}

func (r *receipts) add(of receipt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, of)
}

// confirm queries the acknowledgements of all requests that HEC took until none is
// pending. A request counts as not delivered if it is not acknowledged within
// ack_timeout, or if an indexer answers that its channel is unknown: only that
// answer proves that another indexer is answering.
func (p *publication) confirm(ctx context.Context) {
	overdue := time.Now().Add(p.settings.AckTimeout.Std())
	var trouble error // of the last queries
	for wait := firstPoll; len(p.pending.list) > 0; wait = min(2*wait, lastPoll) {
		asked, _ := trouble.(answer)
		posting.Pause(ctx, min(max(wait, asked.reply.Wait), time.Until(overdue)))
		switch {
		case ctx.Err() != nil:
			p.giveUp(p.wrap(context.Cause(ctx)))
		case !time.Now().Before(overdue):
			p.giveUp(p.unacknowledged(trouble))
			p.chooseIndexerAnew()
		default:
			trouble = p.ask(ctx)
			if a, ok := trouble.(answer); ok && a.misconfigured() {
				p.giveUp(p.fault(a))
			}
		}
	}
}

// round is one round of queries.
type round struct {
	mu    sync.Mutex
	queue []receipt // not queried yet
	open  []receipt // queried, without a result
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

func (r *round) requeue(open receipt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, open)
}

// ask queries the pending requests from several goroutines. A goroutine stops at its
// first request that is not acknowledged yet, since later ones are most likely not
// either; the next round queries that request last. The error is of a query that
// failed.
func (p *publication) ask(ctx context.Context) error {
	r := &round{queue: p.pending.list}
	var group errgroup.Group
	for range concurrency {
		group.Go(func() error {
			for {
				next, ok := r.next()
				if !ok {
					return nil
				}
				if known, err := p.askAbout(ctx, next); !known {
					r.requeue(next)
					return err
				}
			}
		})
	}
	trouble := group.Wait()
	p.pending.list = slices.Concat(r.queue, r.open)
	return trouble
}

// askAbout queries one request, and reports whether its outcome is now known. Splunk
// returns true only once: if that answer is lost, the request is never acknowledged.
func (p *publication) askAbout(ctx context.Context, r receipt) (known bool, err error) {
	a, err := p.query(ctx, r.channel, r.id)
	switch {
	case err != nil:
		return false, err
	case a.Acks != nil && a.reply.Status == http.StatusOK:
		if !a.Acks[strconv.FormatInt(r.id, 10)] {
			return false, nil
		}
		p.Note(r.request, nil)
		p.channels.release(r.channel)
		return true, nil
	case a.unknownChannel():
		p.Note(r.request, p.moved)
		return true, nil
	}
	return false, a
}

// giveUp notes that the pending requests are not delivered.
func (p *publication) giveUp(err error) {
	for _, r := range p.pending.list {
		p.Note(r.request, err)
	}
	p.pending.list = nil
}

// chooseIndexerAnew makes a load balancer choose an indexer again: the current one
// does not acknowledge the events it took, or queries go to a different one.
func (h *hec) chooseIndexerAnew() {
	h.cookies.clear()
	h.answered.Store(false)
	h.client.CloseIdleConnections()
}

const stickyHint = "with indexer acknowledgement, a load balancer must send all requests of a client to one indexer, for example with a cookie"

// anotherIndexer returns the error of requests whose channel the answering indexer
// does not know.
func (h *hec) anotherIndexer() error {
	return sink.Hint(h.wrap(errors.New("another indexer answered, which cannot acknowledge earlier requests")), stickyHint)
}

func (p *publication) unacknowledged(trouble error) error {
	err := fmt.Errorf("no acknowledgement after %s for %d requests that Splunk took", p.settings.AckTimeout, len(p.pending.list))
	if trouble != nil {
		err = fmt.Errorf("%w: %w", err, trouble)
	}
	return sink.Hint(p.wrap(err), "check that the indexers write the events they take, and raise ack_timeout if they need longer; "+stickyHint)
}

// query asks whether a request is indexed.
func (h *hec) query(ctx context.Context, channel string, id int64) (answer, error) {
	body, err := json.Marshal(map[string][]int64{"acks": {id}})
	if err != nil {
		return answer{}, h.wrap(err)
	}
	return h.post(ctx, channel, h.at.ack, body, posting.None)
}

// acknowledges finds out whether the token has indexer acknowledgement: it queries an
// id on a channel without a pending request. An indexer that refuses the channel has
// acknowledgement too; without it, it would answer code 14. Other receivers without
// acknowledgement know no such query.
func (h *hec) acknowledges(ctx context.Context) (bool, error) {
	channel := h.channels.acquire()
	defer h.channels.release(channel)
	a, err := h.query(ctx, channel, 0)
	switch {
	case err != nil:
		return false, err
	case a.Acks != nil && a.reply.Status == http.StatusOK, a.Code != nil && *a.Code == 11:
		h.see(true)
		return true, nil
	case a.Code != nil && *a.Code == 14:
		h.see(false)
		return false, nil
	case a.lacksAck():
		return false, nil // Not seen: this is no proof that a token has none.
	}
	return false, h.fault(a)
}

// warnUnacknowledged warns once, in a check as in a lane.
func (h *hec) warnUnacknowledged() {
	h.warned.Do(func() {
		h.log.Warn().Msg("token has no indexer acknowledgement: events count as delivered once the server has them in memory, and are lost if it then loses them")
	})
}

// Values of hec.offer: whether the token has indexer acknowledgement.
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

// learn sees from a success whether the token has acknowledgement. Once that was seen, a
// success without an ack id does not prove that it was switched off: a gateway may have
// answered, without the events. Only Splunk's answer to a query proves that. If the query
// fails, the outcome of the events is unknown.
func (h *hec) learn(ctx context.Context, a answer) {
	switch {
	case h.settings.Ack == ackOff:
	case a.AckID != nil:
		h.see(true)
	case !h.offer.CompareAndSwap(unknown, unacknowledged) && h.offer.Load() == acknowledged:
		_, _ = h.acknowledges(ctx)
	}
}

// withoutID returns the error of events that were taken without an ack id, although an ack
// id is needed to prove their delivery.
func (h *hec) withoutID() error {
	err := h.wrap(errors.New("events were taken without an ack id"))
	if h.offer.Load() == acknowledged && h.settings.Ack == ackAuto {
		return sink.Hint(err, "find out whether a proxy or gateway answers in place of the server; if the server has no indexer acknowledgement anymore, set ack: off, or restart sluice")
	}
	return sink.Destination(err, noAckHint)
}

// final reports whether events count as delivered once HEC has them, without an
// acknowledgement. It queries a token whose acknowledgement is still unknown.
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

// demandAck checks that the token has acknowledgement before anything is sent:
// without it, every attempt would index the events again and confirm none.
func (h *hec) demandAck(ctx context.Context) error {
	if h.offer.Load() == acknowledged {
		return nil
	}
	ok, err := h.acknowledges(ctx)
	if err == nil && !ok {
		err = sink.Destination(h.wrap(errors.New("the token has no indexer acknowledgement, and ack is required")), noAckHint)
	}
	return err
}
