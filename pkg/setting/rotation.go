package setting

import (
	"fmt"
	"io"
	"sync"
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
		return &Rotation{}
	}
	return s.rotation()
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
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused != "" && value == r.refused && time.Now().Before(r.next) {
		return r.accepted
	}
	return value
}

// Accepted reports that the server accepted a value.
func (r *Rotation) Accepted(log zerolog.Logger, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused != "" && (value != r.accepted || r.reverted()) {
		log.Info().Int("failures", r.tries).Time("since", r.since).Msg("the changed credential is accepted")
		r.mend()
	}
	if r.refused == "" {
		r.accepted = value
	}
}

// reverted reports whether the file has the accepted value again.
func (r *Rotation) reverted() bool {
	value, err := r.secret.Value()
	return err == nil && value == r.accepted
}

func (r *Rotation) mend() {
	r.refused, r.why, r.since, r.next, r.told, r.tries = "", "", time.Time{}, time.Time{}, time.Time{}, 0
}

// Refused reports that the server refused a value as a credential, and why. If it returns
// true, another value was accepted before, and the next one to send is that one.
func (r *Rotation) Refused(log zerolog.Logger, value, why string) (again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.accepted == "":
		return false
	case value == r.accepted: // The other one, if there is one, may be accepted by now.
		r.next = time.Time{}
		return false
	}
	now := time.Now()
	again = r.refused != value || !r.next.IsZero()
	if r.refused == "" {
		r.since = now
	}
	r.refused, r.why, r.next = value, why, now.Add(rotationRetry)
	r.tries++
	if again && now.Sub(r.told) >= rotationRepeat {
		r.told = now
		log.Error().Str("error", why).Stringer("again_in", rotationRetry).
			Str("hint", "the former credential is used meanwhile, as long as it works; write the right one into its file").
			Msg("the changed credential is refused")
	}
	return again
}

// Trouble returns nil unless the newest value is refused and the former one is used.
func (r *Rotation) Trouble() *RefusedSecret {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused == "" {
		return nil
	}
	return &RefusedSecret{Why: r.why, Since: r.since, Next: r.next, Tries: r.tries}
}

// Format prints "[secret]", since a Rotation holds values.
func (*Rotation) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, redacted)
}
