package setting_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// rotating is a secret in a file, and a server that accepts some values.
type rotating struct {
	t    *testing.T
	path string
	*setting.Rotation
	good map[string]bool
	log  strings.Builder
}

func newRotating(t *testing.T, value string) *rotating {
	r := &rotating{t: t, path: filepath.Join(t.TempDir(), "token"), good: map[string]bool{value: true}}
	r.write(value)
	r.Rotation = setting.SecretFile(r.path).Rotation()
	return r
}

func (r *rotating) write(value string) {
	if err := os.WriteFile(r.path, []byte(value), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// send does what a client does, and returns the values that were sent.
func (r *rotating) send() (sent string) {
	log := zerolog.New(&r.log)
	for {
		value, err := r.Value()
		if err != nil {
			r.t.Fatal(err)
		}
		sent = strings.TrimSpace(sent + " " + value)
		if r.good[value] {
			r.Accepted(log, value)
			return sent
		}
		if !r.Refused(log, value, "401") {
			return sent
		}
	}
}

func (r *rotating) want(sent string) {
	r.t.Helper()
	if got := r.send(); got != sent {
		r.t.Errorf("sent %s, want %s", got, sent)
	}
}

func TestARefusedRotationKeepsTheFormerValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRotating(t, "former")
		r.want("former")
		r.write("wrong")
		r.want("wrong former")
		if tr := r.Trouble(); tr == nil || tr.Why != "401" || tr.Tries != 1 {
			t.Errorf("got %+v", tr)
		}
		for range 10 {
			time.Sleep(5 * time.Second)
			r.want("former")
		}
		time.Sleep(10 * time.Second)
		r.want("wrong former") // A minute is over.
		r.want("former")
		r.write("worse") // Each change is tried at once.
		r.want("worse former")
		if n := strings.Count(r.log.String(), "is refused"); n != 1 {
			t.Errorf("told %d times, want once:\n%s", n, r.log.String())
		}
		r.good["right"] = true
		r.write("right")
		r.want("right")
		if r.Trouble() != nil || !strings.Contains(r.log.String(), `"failures":3,`) {
			t.Errorf("got %+v:\n%s", r.Trouble(), r.log.String())
		}
		r.good["former"] = false
		r.want("right") // The former value is not used any more.
		if strings.Contains(r.log.String(), "former\"") || strings.Contains(r.log.String(), "wrong") {
			t.Errorf("the log has a value:\n%s", r.log.String())
		}
	})
}

// The new value works, only later than the file came.
func TestAValueThatIsAcceptedLaterIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRotating(t, "former")
		r.want("former")
		r.write("early")
		r.want("early former")
		r.good["early"] = true
		r.want("former")
		time.Sleep(time.Minute)
		r.want("early")
		r.want("early")
		if r.Trouble() != nil {
			t.Errorf("got %+v", r.Trouble())
		}
	})
}

func TestTheFormerValueInTheFileAgainEndsTheTrouble(t *testing.T) {
	r := newRotating(t, "former")
	r.want("former")
	r.write("wrong")
	r.want("wrong former")
	r.write("former")
	r.want("former")
	if r.Trouble() != nil {
		t.Errorf("got %+v", r.Trouble())
	}
}

// If both are refused, both are tried: either may be accepted again.
func TestIfBothAreRefusedBothAreTried(t *testing.T) {
	r := newRotating(t, "former")
	r.want("former")
	r.good["former"] = false
	r.write("wrong")
	r.want("wrong former")
	r.want("wrong")
	r.want("former")
	r.want("wrong")
	r.good["former"] = true
	r.want("former")
	r.want("former")
}

func TestWithoutARotationNothingChanges(t *testing.T) {
	r := newRotating(t, "only")
	r.good["only"] = false
	r.want("only") // It was never accepted.
	r.write("other")
	r.want("other")
	r.good["other"] = true
	r.want("other")
	r.good["other"] = false
	r.want("other")
	r.want("other")
	if r.Trouble() != nil {
		t.Errorf("got %+v", r.Trouble())
	}
}

// Copies of a secret share what is known.
func TestCopiesOfASecretShareTheRotation(t *testing.T) {
	s := setting.NewSecret("value")
	other := s
	if s.Rotation() != other.Rotation() || s.Rotation() == setting.NewSecret("value").Rotation() {
		t.Error("want one for each secret, shared by its copies")
	}
	if got := fmt.Sprintf("%v %+v %#v %s", s.Rotation(), s.Rotation(), s.Rotation(), s.Rotation()); strings.Contains(got, "value") {
		t.Errorf("got %s", got)
	}
}

// A reload makes a new Secret of the same file. The former value is in no file by then.
func TestARotationGoesOnInTheNextConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRotating(t, "former")
		r.want("former")
		r.write("new")
		r.want("new former")
		present := r.Rotation
		r.Rotation = setting.SecretFile(r.path).Rotation()
		r.Continue(present)
		r.want("former")
		if r.Trouble() == nil {
			t.Error("nothing says that the new value is refused")
		}
		time.Sleep(time.Minute) // The client of the present one goes on, too.
		r.good["new"] = true
		r.want("new")
		if present.Trouble() != nil {
			t.Errorf("got %+v", present.Trouble())
		}
		other := setting.SecretFile(r.path + ".other").Rotation()
		other.Continue(present)
		other.Accepted(zerolog.Nop(), "of another file")
		r.write("bad")
		r.want("bad new")
	})
}
