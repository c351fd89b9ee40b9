package setting

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	// rotationRetry is how often a refused value is tried again while the former one works.
	rotationRetry = time.Minute
	// rotationRepeat is how often a log repeats that it is refused.
	rotationRepeat = 5 * time.Minute
)

// Rotation decides which value of a Secret in a file a client sends. After the file was
// changed, that is the new value. If the server refuses it, and accepted the former one
// before, the client goes on with the former one, and tries the new one again each minute
// and whenever the file changes. If both are refused, it tries them in turns.
//
// A client asks for a value with Token or Value before it sends one, and reports the
// outcome with Accepted or Refused. All clients of a Secret share its Rotation, so a client
// that is opened again knows what was accepted. A Secret belongs to one key of the
// configuration, and so to one destination: no value goes to another. Methods may be called
// concurrently.
type Rotation struct {
	secret Secret
	state  atomic.Pointer[rotated]
}

// rotated is what is known of the values of a Secret.
type rotated struct {
	mu       sync.Mutex
	accepted string    // the value that was accepted last; empty: none was
	refused  string    // the value that was refused although accepted works; empty: none is
	why      string    // the newest reason
	since    time.Time // of the first refusal
	next     time.Time // when refused is due again
	told     time.Time // when the log last said so
	tries    int
}

// RefusedSecret says that a new value of a secret is refused, and the former one is used.
type RefusedSecret struct {
	Why   string // as the client reported it
	Since time.Time
	Next  time.Time // when it is tried again
	Tries int
}

// Rotation returns the state that all clients of the secret share.
func (s Secret) Rotation() *Rotation {
	if s.rotation == nil { // It is unset.
		return newRotation(s)
	}
	return s.rotation()
}

func newRotation(s Secret) *Rotation {
	r := &Rotation{secret: s}
	r.state.Store(&rotated{})
	return r
}

// Continue lets r share what a former Rotation knows and learns, if both are of the same
// file. It is for a configuration that takes the place of another, whose clients may run on:
// the former value that works is in no file. No client of r may be open.
func (r *Rotation) Continue(former *Rotation) {
	if r.secret.Equal(former.secret) {
		r.state.Store(former.state.Load())
	}
}

// Value returns the value to send, as Secret.Value does.
func (r *Rotation) Value() (string, error) {
	value, err := r.secret.Value()
	return r.choose(value), err
}

// Token returns the value to send, as Secret.Token does.
func (r *Rotation) Token() (string, error) {
	value, err := r.secret.Token()
	return r.choose(value), err
}

func (r *Rotation) choose(value string) string {
	at := r.state.Load()
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.refused != "" && value == at.refused && time.Now().Before(at.next) {
		return at.accepted
	}
	return value
}

// Accepted reports that the server accepted a value.
func (r *Rotation) Accepted(log zerolog.Logger, value string) {
	at := r.state.Load()
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.refused != "" && (value != at.accepted || r.reverted(at.accepted)) {
		log.Info().Int("failures", at.tries).Time("since", at.since).Msg("the changed credential is accepted")
		at.mend()
	}
	if at.refused == "" {
		at.accepted = value
	}
}

// reverted reports whether the file has the accepted value again.
func (r *Rotation) reverted(accepted string) bool {
	value, err := r.secret.Value()
	return err == nil && value == accepted
}

func (at *rotated) mend() {
	at.refused, at.why, at.since, at.next, at.told, at.tries = "", "", time.Time{}, time.Time{}, time.Time{}, 0
}

// Refused reports that the server refused a value as a credential, and why. If it returns
// true, another value was accepted before, and the next one to send is that one.
func (r *Rotation) Refused(log zerolog.Logger, value, why string) (again bool) {
	at := r.state.Load()
	at.mu.Lock()
	defer at.mu.Unlock()
	switch {
	case at.accepted == "":
		return false
	case value == at.accepted: // The other one, if there is one, may be accepted by now.
		at.next = time.Time{}
		return false
	}
	now := time.Now()
	again = at.refused != value || !at.next.IsZero()
	if at.refused == "" {
		at.since = now
	}
	at.refused, at.why, at.next = value, why, now.Add(rotationRetry)
	at.tries++
	if again && now.Sub(at.told) >= rotationRepeat {
		at.told = now
		log.Error().Str("error", why).Stringer("again_in", rotationRetry).
			Str("hint", "the former credential is used meanwhile, as long as it works; write the right one into its file").
			Msg("the changed credential is refused")
	}
	return again
}

// Trouble returns nil unless the newest value is refused and the former one is used.
func (r *Rotation) Trouble() *RefusedSecret {
	at := r.state.Load()
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.refused == "" {
		return nil
	}
	return &RefusedSecret{Why: at.why, Since: at.since, Next: at.next, Tries: at.tries}
}

// Format prints "[secret]", since a Rotation holds values.
func (*Rotation) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, redacted)
}
