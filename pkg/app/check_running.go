package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/config"
)

// reloadTimeout bounds the request. The process reads its configuration meanwhile.
const reloadTimeout = 30 * time.Second

// checkAgainstRunning prints what a reload of the running sluice would do. That process
// finds it out, by its own environment and secrets. Of the file only the key admin is read
// here.
func (c *command) checkAgainstRunning(ctx context.Context, file string) error {
	if file == "" {
		return errNoConfiguration
	}
	a, err := config.LoadAdminToken(file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	answer, err := askReload(ctx, a)
	if err != nil {
		return err
	}
	if !sameFile(answer.File, file) {
		return healthError{fmt.Errorf("the sluice at %s runs with %s, not with %s", a.Listen, answer.File, file), "write -c " + quoted(answer.File)}
	}
	return newSheet(c.stdout).reload(answer)
}

func askReload(ctx context.Context, a config.Admin) (answer admin.Reload, err error) {
	address, err := adminURL(a, "/reload")
	if err != nil {
		return answer, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer, err
	}
	if a.Token.IsSet() {
		token, err := a.Token.Token()
		if err != nil {
			return answer, fmt.Errorf("admin.token: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	got, err := (&http.Client{Transport: adminTransport(a), CheckRedirect: noRedirect}).Do(r)
	if err != nil {
		return answer, healthError{err, "is sluice running there? It is asked at the admin.listen of this file"}
	}
	defer func() { err = errors.Join(err, got.Body.Close()) }()
	body := io.LimitReader(got.Body, maxReadiness)
	if got.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(body, 4096))
		return answer, errors.Join(healthError{fmt.Errorf("%s: %s: %s", address, got.Status, printable(string(text))), hintOf(got.StatusCode)}, err)
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("reading the answer of %s: %w", address, err)
	}
	return answer, nil
}

// noRedirect keeps the token from any other address.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// hintOf says what to do about an answer without a plan.
func hintOf(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "the running sluice has another admin.token: a reload cannot change it, so restart sluice, or write the former one"
	case http.StatusNotFound:
		return "what listens there does not reload: another program, an older sluice, or run --once"
	}
	return ""
}

// sameFile reports whether two paths lead to one file.
func sameFile(one, other string) bool {
	a, err := os.Stat(one)
	if err != nil {
		return absolute(one) == absolute(other)
	}
	b, err := os.Stat(other)
	return err == nil && os.SameFile(a, b)
}

// reload prints what a reload would do. If it would be refused, that is the error.
func (s *sheet) reload(r admin.Reload) error {
	for i, text := range r.Refused {
		f := finding{about: "configuration", mark: failed, text: text}
		if i == len(r.Refused)-1 {
			f.hint = r.Hint
		}
		s.print(f)
	}
	if len(r.Refused) > 0 {
		return fmt.Errorf("a reload would be refused, and the present configuration would stay in force: %s", several(len(r.Refused), "problem"))
	}
	s.print(found("configuration", "valid", nil))
	for _, c := range []struct {
		about, text string
		list        []string
	}{
		{"key ", "has another value", r.Keys},
		{"lane ", "ends; its position stays", r.Stopped},
		{"lane ", "restarts, and resumes where it was", r.Restarted},
		{"lane ", "starts", r.Started},
	} {
		for _, name := range c.list {
			s.print(finding{about: c.about + name, mark: note, text: c.text})
		}
	}
	if len(r.Keys) == 0 {
		fmt.Fprintln(s.out, "a reload changes nothing")
		return nil
	}
	fmt.Fprintf(s.out, "a reload changes %s; lanes: %d restart, %d start, %d end; all others notice nothing\n",
		several(len(r.Keys), "key"), len(r.Restarted), len(r.Started), len(r.Stopped))
	return nil
}
