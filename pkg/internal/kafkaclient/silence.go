package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// silence is what a port does that does not answer as Kafka.
type silence struct {
	text, hint string
	cause      error
}

func (e *silence) Error() string     { return e.text }
func (e *silence) Unwrap() error     { return e.cause }
func (e *silence) ErrorHint() string { return e.hint }

// portHint is for a port that takes connections and does not answer.
const portHint = "check that the port is a listener of Kafka for clients: a TLS listener needs tls (tls: {} without options). A firewall or a proxy may also take connections for a broker that is down"

// unanswered explains an error of kgo's first requests on a connection.
func unanswered(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &silence{"the port took the connection and did not answer as Kafka", portHint, err}
	}
	return err
}

// dialled explains an error of opening a connection. ended is the error of its context.
func (s *Settings) dialled(err, ended error) error {
	hint := s.peer().Explain(err).Hint
	switch {
	case !errors.Is(ended, context.DeadlineExceeded):
		return err
	case setting.InHandshake(err):
		return &silence{fmt.Sprintf("the port took the connection and did not answer the TLS handshake within %s", answerTimeout), hint, err}
	}
	return &silence{fmt.Sprintf("nothing took the connection within %s", answerTimeout), hint, err}
}

// exchanged explains an error of the first request on a connection.
func (s *Settings) exchanged(err, ended error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ended, context.DeadlineExceeded):
		return &silence{fmt.Sprintf("the port took the connection and did not answer as Kafka within %s", answerTimeout),
			portHint, err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, net.ErrClosed):
		return &silence{"the port took the connection and closed it without an answer", s.hungUp(), err}
	}
	return err
}

// foreign explains an answer that is not Kafka's by its first bytes.
func foreign(head [8]byte) error {
	const alert, handshake = 0x15, 0x16 // TLS records (RFC 8446, section 5.1)
	if (head[0] == alert || head[0] == handshake) && head[1] == 3 {
		return fmt.Errorf("the port speaks TLS, and the configuration does not: %w", setting.ErrSpeaksTLS)
	}
	return &silence{text: fmt.Sprintf("something that is not Kafka listens there: its answer begins with %q", head[:]),
		hint: "check host and port"}
}
