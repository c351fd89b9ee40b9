package syslog

import (
	"errors"
	"fmt"
	"io"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp"
)

// explain adds the receiver and a hint to an error. None of these errors is a fault of
// a record. Errors that can clear by themselves are retried at the usual pace.
func (s *Settings) explain(err error, a Address) error {
	advice := s.advise(err, a)
	err = fmt.Errorf("%s: %w", a, err)
	switch {
	case advice.Stays:
		return sink.Destination(err, advice.Hint)
	case advice.Hint != "":
		return sink.Hint(err, advice.Hint)
	}
	return err
}

func (s *Settings) advise(err error, a Address) setting.Advice {
	switch {
	case errors.Is(err, setting.ErrSpeaksTLS): // is also one of the next
	case errors.Is(err, errSpoke), errors.Is(err, relp.ErrMalformed):
		return setting.Advice{Hint: fmt.Sprintf("make sure that %s is the receiver's port for %s", a.Host, a.Scheme)}
	case errors.Is(err, errHalfClosed), errors.Is(err, relp.ErrServerClosed):
		err = fmt.Errorf("%w: %w", err, io.EOF) // the receiver ended the connection, in other words
	}
	return s.peer(a).Explain(err)
}

// peer describes the receiver to people.
func (s *Settings) peer(a Address) setting.Peer {
	p := setting.Peer{
		Name: "receiver", Address: a.String(),
		Plain: fmt.Sprintf("write %s in address", a.unencrypted()), Encrypted: fmt.Sprintf("write %s in address", a.withTLS()),
	}
	if a.encrypted() {
		p.TLS = &s.TLS
	}
	return p
}
