package audit

// verdict is what the difference of an hour tells.
type verdict struct {
	missing  []int  // events that were never settled, by index
	altered  int    // the event that has other bytes, by index; -1: none, or not known which
	changed  bool   // events have other bytes, and it is not known which
	vanished uint64 // events that were settled and are not listed; at least so many
	id       uint64 // the hash of the id of the only one of them; 0 if not known
	unclear  bool   // events are missing or vanished, and it is not known which
}

// plain reports whether nothing has to be told: all is equal once the missing events are
// delivered.
func (v *verdict) plain() bool { return v.altered < 0 && !v.changed && v.vanished == 0 && !v.unclear }

// solve compares what was settled in an hour with the marks of the events that are listed.
//
// Missing events are among the listed ones, so they are found by trying: the right ones
// have the difference of the sums as their sum. An event that vanished is not listed. If it
// is the only one, the difference is the hash of its id. If one event has other bytes,
// Bytes differs by some d and Both by d times the hash of its id.
func solve(settled Sum, marks []Mark) verdict {
	v := verdict{altered: -1}
	var listed Sum
	for _, m := range marks {
		listed.Add(m)
	}
	ids := minus(listed.IDs, settled.IDs)
	switch n := len(marks) - int(settled.Events); {
	case n >= 0:
		missing, ok := subset(marks, n, ids)
		if !ok {
			v.unclear = true
			return v
		}
		v.missing = missing
		v.compare(settled, marks)
	default:
		v.vanish(settled, listed, marks, -n, minus(0, ids))
	}
	return v
}

// compare compares the bytes of the events that are not missing.
func (v *verdict) compare(settled Sum, marks []Mark) {
	var rest Sum
	places := map[uint64]int{}
	next := 0
	for i, m := range marks {
		if next < len(v.missing) && v.missing[next] == i {
			next++
			continue
		}
		rest.Add(m)
		places[m.ID] = i
	}
	bytes, both := minus(rest.Bytes, settled.Bytes), minus(rest.Both, settled.Both)
	if bytes == 0 && both == 0 {
		return
	}
	if bytes != 0 {
		if i, ok := places[over(both, bytes)]; ok {
			v.altered = i
			return
		}
	}
	v.changed = true
}

// vanish judges an hour in which n more events were settled than are listed. ids is the
// difference of the sums. If it is that of events which are listed, the lane settled those
// twice: nothing is wrong with the log.
func (v *verdict) vanish(settled, listed Sum, marks []Mark, n int, ids uint64) {
	if twice, ok := subset(marks, n, ids); ok {
		for _, i := range twice {
			listed.Add(marks[i])
		}
		v.changed = listed != settled // The correction tells the lane to count them once.
		return
	}
	v.vanished = uint64(n)
	if n == 1 {
		v.id = ids
		v.changed = minus(settled.Both, listed.Both) != times(ids, minus(settled.Bytes, listed.Bytes))
	}
}

// most is how many sets of events are tried.
const most = 4_000_000

// subset returns the indexes, ascending, of n marks whose ids have a sum. It gives up where
// it would have to try too many sets.
func subset(marks []Mark, n int, sum uint64) (chosen []int, ok bool) {
	others := len(marks) - n
	if others < 0 {
		return nil, false
	}
	if others >= n {
		return search(marks, n, sum)
	}
	all := uint64(0) // It is less work to look for the others.
	for _, m := range marks {
		all = add(all, m.ID)
	}
	left, ok := search(marks, others, minus(all, sum))
	if !ok {
		return nil, false
	}
	for i := range marks {
		if len(left) > 0 && left[0] == i {
			left = left[1:]
			continue
		}
		chosen = append(chosen, i)
	}
	return chosen, true
}

// search is subset for a small n.
func search(marks []Mark, n int, sum uint64) (chosen []int, ok bool) {
	if n == 0 {
		return nil, sum == 0
	}
	tries := 1.0 // sets of n-1 marks; the last one of each set follows from the others
	for i := range n - 1 {
		tries *= float64(len(marks)-i) / float64(i+1)
	}
	if tries > most {
		return nil, false
	}
	places := make(map[uint64]int, len(marks))
	for i, m := range marks {
		places[m.ID] = i
	}
	var try func(from, n int, sum uint64) bool
	try = func(from, n int, sum uint64) bool {
		if n == 1 {
			i, found := places[sum]
			if found = found && i >= from; found {
				chosen = append(chosen, i)
			}
			return found
		}
		for i := from; i < len(marks); i++ {
			chosen = append(chosen, i)
			if try(i+1, n-1, minus(sum, marks[i].ID)) {
				return true
			}
			chosen = chosen[:len(chosen)-1]
		}
		return false
	}
	ok = try(0, n, sum)
	return chosen, ok
}
