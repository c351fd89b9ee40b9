package simulator

// pageCache holds rendered pages up to a budget. Beyond it, it removes the oldest. It
// needs no invalidation: the key of a page holds everything that decides its bytes.
type pageCache struct {
	budget, size int
	pages        map[pageKey][]byte
	order        []pageKey // by age
}

// pageKey identifies the bytes of a page. The ends of a plain page and its count decide
// its bytes: events between two places can only be deleted, so each count stands for
// one set of events. So a plain page keeps its key while other pages are edited.
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

func (c *pageCache) add(k pageKey, page []byte) {
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
