package pipeline

import (
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// describeEvery is the least time between two descriptions of saved positions. To
// describe a position, its source reads all of it. That takes longer than saving it: 24
// ms if it names 20,000 events.
const describeEvery = time.Second

// place is the lane's checkpoint, as people and metrics see it. Each position is
// described at most once, however often Status is called: when it is saved, or, if saves
// follow each other fast, when Status needs it.
type place struct {
	mu       sync.Mutex
	position source.Position // the newest one, until it is described: it may be large
	meaning  source.Description
	err      error
	at       time.Time // when a position was last described
}

// move stores a position that was saved.
func (p *place) move(pos source.Position, describe func(source.Position) (source.Description, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.position = pos
	if time.Since(p.at) >= describeEvery {
		p.describe(describe)
	}
}

// description returns the description of the newest saved position, zero if there is
// none.
func (p *place) description(describe func(source.Position) (source.Description, error)) (source.Description, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.position != nil {
		p.describe(describe)
	}
	return p.meaning, p.err
}

// describe is called with the mutex held.
func (p *place) describe(describe func(source.Position) (source.Description, error)) {
	p.meaning, p.err = describe(p.position)
	p.position, p.at = nil, time.Now()
}
