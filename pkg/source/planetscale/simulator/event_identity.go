package simulator

// idLength is the length of a PlanetScale id: a NanoID of 0-9a-z.
const idLength = 12

const idAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz"

// halfMask selects half of the 62 bits that ids permute. 2^62 is the largest
// power of four below 36^12, so every permuted number has an id, though not
// every id has a number.
const halfMask = 1<<31 - 1

type id [idLength]byte

// identity maps the number of an event to its id and back without a table: a
// Feistel network keyed by the seed, so that ids are unique and without order.
type identity struct{ keys [4]uint64 }

func newIdentity(seed uint64) identity {
	var n identity
	for i := range n.keys {
		n.keys[i] = mix(seed, uint64(i)+1)
	}
	return n
}

func (n identity) of(number int64) id {
	left, right := uint64(number)>>31&halfMask, uint64(number)&halfMask
	for _, key := range n.keys {
		left, right = right, left^mix(key, right)&halfMask
	}
	var text id
	for i, v := idLength-1, left<<31|right; i >= 0; i, v = i-1, v/36 {
		text[i] = idAlphabet[v%36]
	}
	return text
}

// number is the inverse of of; false for a text that of never returns.
func (n identity) number(text string) (int64, bool) {
	if len(text) != idLength {
		return 0, false
	}
	var v uint64
	for i := range len(text) {
		digit, ok := idDigit(text[i])
		if !ok {
			return 0, false
		}
		v = v*36 + digit
	}
	if v>>62 != 0 {
		return 0, false
	}
	left, right := v>>31, v&halfMask
	for i := len(n.keys) - 1; i >= 0; i-- {
		left, right = right^mix(n.keys[i], left)&halfMask, left
	}
	return int64(left<<31 | right), true
}

func idDigit(c byte) (uint64, bool) {
	switch {
	case '0' <= c && c <= '9':
		return uint64(c - '0'), true
	case 'a' <= c && c <= 'z':
		return uint64(c-'a') + 10, true
	}
	return 0, false
}

// mix hashes two numbers into one with the finalizer of SplitMix64 (Steele, Lea
// and Flood, 2014).
func mix(a, b uint64) uint64 {
	z := a + (b+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// draw is a sequence of pseudo-random choices.
type draw struct{ state uint64 }

// below returns a number in [0, n).
func (d *draw) below(n int) int {
	d.state = mix(d.state, uint64(n))
	return int(d.state >> 33 % uint64(n))
}

// oneIn is true once in n times.
func (d *draw) oneIn(n int) bool { return d.below(n) == 0 }
