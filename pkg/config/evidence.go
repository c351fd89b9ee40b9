package config

import (
	"cmp"
	"strings"

	"github.com/sluice-siem/sluice/pkg/evidence"
)

// Evidence is with which keys lanes sign what they state of their logs. The keys are read
// with the configuration, so a changed key is a changed configuration.
type Evidence struct {
	Key    *evidence.Key
	Former []*evidence.Key // any of them signs the note that names the next key, too
}

// evidence returns the keys; nil if the file names none.
func (r *resolver) evidence(e *evidenceEntry) *Evidence {
	const path = "evidence"
	if e == nil || r.report.unavailable(path) {
		return nil
	}
	keyFile := join(path, "key_file")
	if !r.report.check(r.report.given(keyFile), keyFile, "missing; write the path of a private key that sluice key new made") {
		return nil
	}
	evid := &Evidence{Key: r.privateKey(keyFile, e.KeyFile)}
	named := map[string]string{publicOf(evid.Key): keyFile}
	for i, name := range e.FormerKeyFiles {
		at := index(join(path, "former_key_files"), i)
		former := r.privateKey(at, name)
		if former == nil {
			continue
		}
		other, twice := named[former.Public]
		r.report.check(!twice, at, "is the key of %s, too; remove one of them", other)
		named[former.Public] = at
		evid.Former = append(evid.Former, former)
	}
	return evid
}

func publicOf(k *evidence.Key) string {
	if k == nil {
		return ""
	}
	return k.Public
}

// privateKey reads a private key; nil if that is a problem. What tells one content of the
// file from another is the public key.
func (r *resolver) privateKey(path, name string) *evidence.Key {
	const hint = "write the path of a private key that sluice key new made"
	if r.report.unavailable(path) || !r.report.check(name != "", path, "is empty; %s", hint) {
		return nil
	}
	load := func() (*evidence.Key, []byte, error) {
		key, err := evidence.LoadKey(name)
		return key, []byte(publicOf(key)), err
	}
	key, public, err := load()
	r.trace.note(public, err, func() ([]byte, error) {
		_, public, err := load()
		return public, err
	})
	if err == nil {
		return key
	}
	problem := withoutQuotations(err)
	if !strings.Contains(problem, "; ") {
		problem += "; " + cmp.Or(permit(err), hint)
	}
	r.report.check(false, path, "%s", problem)
	return nil
}

// evidence adds the keys by their public part.
func (v values) evidence(e *Evidence) {
	if e == nil {
		return
	}
	v.set(ofLanes, "evidence", present{})
	v.set(ofLanes, "evidence.key_file", e.Key.Public)
	var former []string
	for _, k := range e.Former {
		former = append(former, k.Public)
	}
	v.set(ofLanes, "evidence.former_key_files", former)
}
