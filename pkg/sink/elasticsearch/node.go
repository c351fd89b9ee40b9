package elasticsearch

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// downTime is how long a node that did not answer is left out.
const downTime = 30 * time.Second

// node is one address.
type node struct {
	*posting.Client
	base      string    // scheme, host and path
	downUntil time.Time // guarded by nodes.mu
}

// request returns a maker of requests to a path below the address. The path may have a query.
func (n *node) request(method, path, contentType, encoding string) func(context.Context) (*http.Request, error) {
	return func(ctx context.Context) (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, method, n.base+path, nil)
		if err != nil {
			return nil, err
		}
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		if encoding != "" {
			r.Header.Set("Content-Encoding", encoding)
		}
		return r, nil
	}
}

// nodes are the nodes of a cluster. They take requests in turns.
type nodes struct {
	mu   sync.Mutex
	all  []*node
	next int
}

// pick returns the next node that is not left out, or the next one if all are. tried are
// not picked; nil if nothing else is left.
func (n *nodes) pick(tried []*node) *node {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	var second *node
	for i := range n.all {
		at := (n.next + i) % len(n.all)
		candidate := n.all[at]
		switch {
		case among(tried, candidate):
		case now.Before(candidate.downUntil):
			if second == nil {
				second = candidate
			}
		default:
			n.next = at + 1
			return candidate
		}
	}
	n.next++
	return second
}

func among(tried []*node, n *node) bool {
	for _, t := range tried {
		if t == n {
			return true
		}
	}
	return false
}

// leaveOut notes that a node did not answer.
func (n *nodes) leaveOut(down *node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	down.downUntil = time.Now().Add(downTime)
}

// post makes a request to a node, and to the next one if there was no connection: then the
// request was certainly not made. A node that gave no answer, or an answer that a node in
// trouble gives, is left out for a while, so that the lane's next attempt goes elsewhere.
func (n *nodes) post(ctx context.Context, call call, judge func(posting.Reply) posting.Rule) (*node, posting.Reply, posting.Rule, error) {
	var tried []*node
	for {
		at := n.pick(tried)
		reply, rule, err := at.PostUpTo(ctx, call.most, at.request(call.method, call.path, call.contentType, call.encoding), call.body, judge)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			n.leaveOut(at)
			tried = append(tried, at)
			if unconnected(err) && len(tried) < len(n.all) {
				continue
			}
		case inTrouble(reply.Status):
			n.leaveOut(at)
		}
		return at, reply, rule, err
	}
}

// call is a request to any node.
type call struct {
	method, path, contentType, encoding string
	body                                []byte
	most                                int // bytes of the answer that are read; default 1 MiB
}

// unconnected reports whether an error came before a request could be written.
func unconnected(err error) bool {
	op := new(net.OpError)
	return errors.As(err, &op) && op.Op == "dial"
}

// inTrouble reports whether a node, or what stands in front of it, cannot serve requests
// while another one may.
func inTrouble(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

func (n *nodes) close() {
	for _, at := range n.all {
		at.CloseIdleConnections()
	}
}

// hostOf returns the host of an address.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "" // Validate refuses it.
	}
	return strings.Trim(u.Hostname(), "[]")
}
