package lease

import (
	"cmp"
	"hash/fnv"
	"maps"
	"slices"
	"time"
)

// rule decides what a replica takes and gives back. All replicas that see the same board
// come to decisions that fit together.
type rule struct {
	me      string
	lease   time.Duration
	dispute time.Duration        // how long a source is left to the replica that should take it
	free    map[string]time.Time // since when sources are free, by this replica's clock
	kept    map[string]time.Time // until when sources are kept that another replica did not take
}

// plan is what a replica does after it read the board.
type plan struct {
	take, giveBack []string
	soon           bool // another replica is about to give this one something
}

// decide decides for a replica that follows sources and holds some of them, by epoch.
func (r *rule) decide(sources []string, held map[string]int64, v view) (p plan) {
	b := r.balance(sources, held, v)
	r.noteFree(b, v.at)
	// What is free counts for those who are to take it, so that nothing is given back for
	// their sake.
	for _, source := range b.free {
		to := b.least(source)
		if to != r.me && b.follows(r.me, source) && v.at.Sub(r.free[source]) >= r.dispute {
			to = r.me
			r.kept[source] = v.at.Add(forgotten * r.lease)
		}
		b.counts[to]++
		if to == r.me {
			p.take = append(p.take, source)
		}
	}
	mine := slices.Sorted(maps.Keys(held))
	slices.Reverse(mine)
	for _, source := range mine {
		if !b.follows(r.me, source) {
			p.giveBack = append(p.giveBack, source)
			b.counts[r.me]--
			continue
		}
		if to := b.least(source); b.counts[r.me]-b.counts[to] >= 2 && v.at.After(r.kept[source]) {
			p.giveBack = append(p.giveBack, source)
			b.counts[r.me]--
			b.counts[to]++
		}
	}
	p.soon = b.expects(r.me)
	return p
}

// noteFree notes since when sources are free.
func (r *rule) noteFree(b balance, at time.Time) {
	since := map[string]time.Time{}
	for _, source := range b.free {
		since[source] = at
		if earlier, ok := r.free[source]; ok {
			since[source] = earlier
		}
	}
	r.free = since
}

// balance is how many sources each replica holds.
type balance struct {
	counts   map[string]int             // by id, of the replicas that are there
	followed map[string]map[string]bool // by id: the sources that it follows
	holders  map[string]string          // by source
	free     []string                   // sorted: sources that nobody holds and somebody follows
}

func (r *rule) balance(sources []string, held map[string]int64, v view) balance {
	b := balance{counts: map[string]int{r.me: 0}, followed: map[string]map[string]bool{}, holders: map[string]string{}}
	b.follow(r.me, sources)
	for id, s := range v.members {
		if v.alive(id, r.lease) && !s.gone {
			b.counts[id] = 0
			b.follow(id, s.Sources)
		}
	}
	for source, lease := range v.leases {
		epoch, mine := held[source]
		switch {
		case mine && epoch == lease.Epoch:
			b.hold(r.me, source)
		case lease.Holder != r.me && v.alive(lease.Holder, r.lease):
			b.hold(lease.Holder, source)
		}
	}
	everything := map[string]bool{}
	for _, of := range b.followed {
		maps.Copy(everything, of)
	}
	for _, source := range slices.Sorted(maps.Keys(everything)) {
		if b.holders[source] == "" {
			b.free = append(b.free, source)
		}
	}
	return b
}

func (b *balance) follow(id string, sources []string) {
	b.followed[id] = map[string]bool{}
	for _, source := range sources {
		b.followed[id][source] = true
	}
}

func (b *balance) follows(id, source string) bool { return b.followed[id][source] }

func (b *balance) hold(id, source string) {
	b.holders[source] = id
	if _, there := b.counts[id]; there {
		b.counts[id]++
	}
}

// least returns the replica with the fewest sources, of those that follow a source. Of
// several, the name of the source decides, so that not always the same one is the first.
func (b *balance) least(source string) (id string) {
	for other := range b.counts {
		if !b.follows(other, source) {
			continue
		}
		if id == "" || cmp.Or(b.counts[other]-b.counts[id], cmp.Compare(rank(source, other), rank(source, id)), cmp.Compare(other, id)) < 0 {
			id = other
		}
	}
	return id
}

func rank(source, id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(source + "/" + id))
	return h.Sum64()
}

// expects reports whether another replica holds two more than this one and one of them is
// followed by this one, too.
func (b *balance) expects(me string) bool {
	for source, holder := range b.holders {
		if b.follows(me, source) && b.counts[holder]-b.counts[me] >= 2 {
			return true
		}
	}
	return false
}
