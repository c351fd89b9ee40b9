package syslog

import "strconv"

// framing separates messages on a stream.
type framing func(dst, message []byte) []byte

// octetCounting is the framing of RFC 5425, section 4.3, and RFC 6587, section 3.4.1.
func octetCounting(dst, message []byte) []byte {
	dst = strconv.AppendInt(dst, int64(len(message)), 10)
	return append(append(dst, ' '), message...)
}

// newline is the non-transparent framing of RFC 6587, section 3.4.2. A byte that a
// receiver could read as the end of a message becomes a space.
func newline(dst, message []byte) []byte {
	begin := len(dst)
	dst = append(dst, message...)
	blank(dst[begin:], endsLine)
	return append(dst, '\n')
}

// unframed is for transports that separate messages themselves.
func unframed(dst, message []byte) []byte { return append(dst, message...) }

func endsLine(c byte) bool { return c == '\n' || c == '\r' || c == 0 }

// framing returns the framing for the transport.
func (s *Settings) framing() framing {
	switch {
	case !s.Address[0].stream():
		return unframed
	case s.Framing == Newline:
		return newline
	}
	return octetCounting
}
