package simulator

// pageCache keeps rendered pages up to a budget; beyond it the oldest go first.
// It needs no invalidation: the key of a page says all that its bytes follow
// from.
type pageCache struct {
	budget, size int
	pages        map[pageKey][]byte
	order        []pageKey // by age
}

// pageKey identifies the bytes of a page. The bytes of a plain one follow from
// its ends and its count: events between two places can only be deleted, so
// each number of them occurs with one set. So a plain page keeps its key while
// others are edited.
type pageKey struct {
	first, last      place
	count            int
	hasNext, hasPrev bool
	edits            uint64 // 0 for a plain page
}

func newPageKey(s selection, edits uint64) pageKey {
	k := pageKey{count: len(s.events), hasNext: s.hasNext, hasPrev: s.hasPrev}
	if k.count > 0 {
		k.first, k.last = s.events[0].place, s.events[k.count-1].place
	}
	if !s.plain {
		k.edits = edits
	}
	return k
}

func (c *pageCache) keep(k pageKey, page []byte) {
	if cap(page) > c.budget {
		return
	}
	if c.pages == nil {
		c.pages = make(map[pageKey][]byte)
	}
	c.pages[k] = page
	c.order = append(c.order, k)
	c.size += cap(page)
	for c.size > c.budget {
		c.size -= cap(c.pages[c.order[0]])
		delete(c.pages, c.order[0])
		c.order = c.order[1:]
	}
}
