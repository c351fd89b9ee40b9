package pipeline

import (
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// describeEvery is how often positions are described as they are saved. To describe
// one its source reads all of it, which takes 24 ms where it names 20,000 events:
// more than to save it.
const describeEvery = time.Second

// place is the lane's checkpoint, as people and metrics see it. Each position is
// described at most once, however often Status is asked for: when it is saved, or,
// while saves follow one another fast, when somebody asks.
type place struct {
	mu        sync.Mutex
	position  source.Position // nil before there is one
	described bool            // so what stands below is of position
	meaning   source.Description
	err       error
	at        time.Time // when a position was last described
}

// move notes a position that was saved.
func (p *place) move(pos source.Position, describe func(source.Position) (source.Description, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.position, p.described = pos, false
	if time.Since(p.at) >= describeEvery {
		p.describe(describe)
	}
}

// description is what the position saved last means; zero before there is one.
func (p *place) description(describe func(source.Position) (source.Description, error)) (source.Description, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.position != nil && !p.described {
		p.describe(describe)
	}
	return p.meaning, p.err
}

// describe is called with the mutex held.
func (p *place) describe(describe func(source.Position) (source.Description, error)) {
	p.meaning, p.err = describe(p.position)
	p.described, p.at = true, time.Now()
}
