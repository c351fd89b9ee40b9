package splunkhec

import (
	"context"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// publication is one Publish.
type publication struct {
	*hec
	*posting.Publication

	pending receipts // of requests that HEC took and has not acknowledged
}

// slowdown is the pause of a sending goroutine after an answer that asks to slow
// down.
const slowdown = time.Second

// attempt sends a request once. If the answer has the number of a record, HEC took the ones
// before it. Some servers count from zero and some from one, so the bad one is one of two.
func (p *publication) attempt(ctx context.Context, q posting.Request) posting.Answer {
	channel := p.channels.acquire()
	a, err := p.postEvents(ctx, channel, q)
	if err != nil {
		return posting.Answer{Verdict: posting.Retry, Err: err}
	}
	verdict := a.judge().Verdict
	if verdict == posting.Delivered {
		return p.accept(ctx, q, channel, a)
	}
	answer := posting.Answer{Verdict: verdict, Err: p.fault(a)}
	if n, ok := a.position(q.Len()); ok {
		answer.Bad = posting.Range{From: max(0, n-1), To: min(n+1, q.Len())}
		answer.Took = func(before posting.Request) bool { return p.taken(ctx, before, channel, a) }
	}
	return answer
}

// accept returns what it means that HEC took a whole request.
func (p *publication) accept(ctx context.Context, q posting.Request, channel string, a answer) posting.Answer {
	p.learn(ctx, a)
	if !p.taken(ctx, q, channel, a) {
		return posting.Answer{Verdict: posting.Retry, Err: p.withoutID()}
	}
	if a.AckID == nil && p.settings.Ack == ackAuto {
		p.warnUnacknowledged()
	}
	if a.asksToSlowDown() {
		posting.Pause(ctx, slowdown)
	}
	return posting.Answer{Verdict: posting.Taken}
}

// taken notes that HEC took records. It reports whether the answer proves that: with
// acknowledgement, only an ack id does, and its status must still be queried.
func (p *publication) taken(ctx context.Context, q posting.Request, channel string, a answer) bool {
	switch {
	case a.AckID != nil && p.settings.Ack != ackOff:
		p.pending.add(receipt{channel, *a.AckID, q.WithoutBody()})
	case p.final(ctx):
		p.Note(q, nil)
		p.channels.release(channel)
	default:
		return false
	}
	return true
}
