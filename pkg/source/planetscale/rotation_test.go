package planetscale_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
)

// A token that was rotated and is refused does not stop a source whose former one works:
// it reads on, says what is wrong, tries the new one each minute, and says once that it is
// accepted.
func TestARefusedRotationKeepsTheFormerToken(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound} {
		synctest.Test(t, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "token")
			write := func(token string) {
				if err := os.WriteFile(file+".new", []byte(token), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(file+".new", file); err != nil {
					t.Fatal(err)
				}
			}
			var mu sync.Mutex
			good, sent := map[string]bool{"former-token": true}, map[string]int{}
			accept := func(token string) { mu.Lock(); defer mu.Unlock(); good[token] = true }
			count := func(token string) int { mu.Lock(); defer mu.Unlock(); return sent[token] }
			api := server(func(r *http.Request) *http.Response {
				token := strings.TrimPrefix(r.Header.Get("Authorization"), "id:")
				mu.Lock()
				defer mu.Unlock()
				sent[token]++
				if !good[token] {
					return answer(status, `{"message":"no"}`)
				}
				return answer(http.StatusOK, empty)
			})
			s := planetscale.Defaults
			s.Organization, s.ServiceTokenID, s.ServiceToken = "acme", "id", setting.SecretFile(file)
			var log strings.Builder
			write("former-token")
			src, err := planetscale.New(s, planetscale.Options{Log: zerolog.New(&log), Transport: api})
			if err != nil {
				t.Fatal(err)
			}
			pos, err := src.Start(t.Context(), source.Start{})
			if err != nil {
				t.Fatal(err)
			}
			reader, err := src.Open(pos, source.Env{Log: zerolog.Nop()})
			if err != nil {
				t.Fatal(err)
			}
			ctx, end := context.WithCancel(t.Context())
			defer end()
			done := make(chan error, 1)
			go func() {
				for {
					if _, err := reader.Next(ctx); err != nil {
						done <- err
						return
					}
				}
			}()
			readsOn := func(when string) {
				t.Helper()
				time.Sleep(90 * time.Second)
				select {
				case err := <-done:
					t.Fatalf("%s: %v", when, err)
				default:
				}
				if age := time.Since(reader.Progress().LastRead); age > time.Minute {
					t.Errorf("%s: the last read was %s ago", when, age)
				}
			}
			readsOn("before")
			write("wrong-token")
			readsOn("with a wrong token")
			if trouble := s.Rotation().Trouble(); trouble == nil || !strings.Contains(trouble.Why, http.StatusText(status)) {
				t.Errorf("got %+v", trouble)
			}
			if n := count("wrong-token"); n != 2 {
				t.Errorf("the wrong token was sent %d times in 90 s, want twice", n)
			}
			accept("right-token")
			write("right-token")
			readsOn("with the right token")
			before := count("former-token")
			readsOn("later")
			if s.Rotation().Trouble() != nil || count("former-token") != before {
				t.Errorf("mended: %+v, and the former token was sent %d times more", s.Rotation().Trouble(), count("former-token")-before)
			}
			if text := log.String(); strings.Count(text, "is refused") != 1 || strings.Count(text, "is accepted") != 1 || strings.Contains(text, "-token") {
				t.Errorf("the log:\n%s", text)
			}
			end()
			<-done
			if err := reader.Close(); err != nil {
				t.Error(err)
			}
			if err := src.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
