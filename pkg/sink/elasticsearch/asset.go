package elasticsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/configs"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// Asset is an object that the server should have: an index template, or the ingest pipeline
// that the template names.
type Asset struct {
	Name string
	Body []byte // JSON

	kind    string // the part of the path before the name
	pattern string // of the names of indexes that it is for
}

// Kinds of assets.
const (
	pipelineKind = "_ingest/pipeline"
	templateKind = "_index_template"
)

// Path is the path of the object below the address of a node.
func (a Asset) Path() string { return a.kind + "/" + a.Name }

// String describes the asset for people.
func (a Asset) String() string {
	if a.kind == pipelineKind {
		return "ingest pipeline " + a.Name
	}
	return "index template " + a.Name
}

// State is what the server has in place of an asset.
type State string

// States.
const (
	Current  State = "is installed"
	Missing  State = "is not installed"
	Outdated State = "is installed in another version"
	Foreign  State = "is there, but Sluice did not make it"
	Unseen   State = "may not be seen with this credential"
)

// mark is in the description of each asset. An object of the same name without it is
// somebody else's.
const mark = "as Sluice writes it"

// Assets returns those of a product: flavorElastic or flavorOpen. A pipeline comes before
// the template that names it.
func Assets(product string) ([]Asset, error) {
	dir := map[string]string{flavorElastic: "elastic", flavorOpen: "opensearch"}[product]
	templates, err := fs.Glob(configs.Assets, dir+"/*index-template.json")
	if err != nil {
		return nil, err
	}
	var all []Asset
	for _, file := range templates {
		pair, err := readAssets(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, pair...)
	}
	return all, nil
}

// readAssets reads a template, and the pipeline beside it.
func readAssets(file string) ([]Asset, error) {
	template, err := configs.Assets.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pipeline, err := configs.Assets.ReadFile(strings.Replace(file, "index-template", "ingest-pipeline", 1))
	if err != nil {
		return nil, err
	}
	var head struct {
		Patterns []string `json:"index_patterns"`
		Template struct {
			Settings struct {
				Index struct {
					Pipeline string `json:"default_pipeline"`
				}
			}
		}
	}
	if err := json.Unmarshal(template, &head); err != nil {
		return nil, err
	}
	if len(head.Patterns) != 1 {
		return nil, fmt.Errorf("has %d patterns, want 1", len(head.Patterns))
	}
	pattern := head.Patterns[0]
	return []Asset{
		{Name: head.Template.Settings.Index.Pipeline, Body: pipeline, kind: pipelineKind, pattern: pattern},
		{Name: strings.TrimSuffix(pattern, "-*"), Body: template, kind: templateKind, pattern: pattern},
	}, nil
}

// assets returns those that are for the sink's target.
func (c *cluster) assets(product string) ([]Asset, error) {
	all, err := Assets(product)
	if err != nil {
		return nil, err
	}
	var ours []Asset
	for _, a := range all {
		if ok, _ := path.Match(a.pattern, c.target); ok { // The pattern is well formed.
			ours = append(ours, a)
		}
	}
	return ours, nil
}

// look asks the server what it has in place of an asset.
func (c *cluster) look(ctx context.Context, a Asset) (State, error) {
	reply, err := c.ask(ctx, http.MethodGet, "/"+a.Path(), nil, http.StatusNotFound, http.StatusForbidden)
	if err != nil {
		return Unseen, err
	}
	switch reply.Status {
	case http.StatusNotFound:
		return Missing, nil
	case http.StatusForbidden:
		return Unseen, nil
	}
	stored, err := a.in(reply.Body)
	if err != nil {
		return Unseen, fmt.Errorf("%s: %w", a, err)
	}
	return a.compare(stored)
}

// in finds the stored object in an answer.
func (a Asset) in(answer []byte) (json.RawMessage, error) {
	if a.kind == pipelineKind {
		var all map[string]json.RawMessage
		if err := json.Unmarshal(answer, &all); err != nil || all[a.Name] == nil {
			return nil, errors.New("the answer does not have it")
		}
		return all[a.Name], nil
	}
	var list struct {
		All []struct {
			Name     string
			Template json.RawMessage `json:"index_template"`
		} `json:"index_templates"`
	}
	if err := json.Unmarshal(answer, &list); err == nil {
		for _, t := range list.All {
			if t.Name == a.Name {
				return t.Template, nil
			}
		}
	}
	return nil, errors.New("the answer does not have it")
}

// compare tells whether a stored object is the asset. A server adds defaults to what it
// stores, so the object may have more than the asset.
func (a Asset) compare(stored []byte) (State, error) {
	ours, err := decoded(a.Body)
	if err != nil {
		return Unseen, err
	}
	theirs, err := decoded(stored)
	switch {
	case err != nil:
		return Unseen, err
	case contains(theirs, ours):
		return Current, nil
	case strings.Contains(describing(theirs), mark):
		return Outdated, nil
	}
	return Foreign, nil
}

func decoded(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// contains reports whether all of part is in whole. Servers store some numbers and booleans
// as texts.
func contains(whole, part any) bool {
	switch part := part.(type) {
	case map[string]any:
		whole, ok := whole.(map[string]any)
		for key, value := range part {
			ok = ok && contains(whole[key], value)
		}
		return ok
	case []any:
		whole, ok := whole.([]any)
		if !ok || len(whole) != len(part) {
			return false
		}
		for i, value := range part {
			ok = ok && contains(whole[i], value)
		}
		return ok
	}
	return fmt.Sprint(whole) == fmt.Sprint(part)
}

// describing returns the description of an object: that of a pipeline, or of the metadata of
// a template.
func describing(object any) string {
	top, _ := object.(map[string]any)
	meta, _ := top["_meta"].(map[string]any)
	return fmt.Sprint(top["description"], meta["description"])
}

// Installation is how Install works.
type Installation struct {
	Product string // elasticsearch or opensearch
	DryRun  bool   // only look
	Replace bool   // objects that Sluice did not make, too

	// Report is called with each asset, what the server has in place of it, and what is
	// done: "kept", "installed", "replaced", or with DryRun what would be done.
	Report func(a Asset, found State, done string)
}

// Install puts the assets of a product on the server of the settings. It changes nothing if
// one of them is somebody else's, unless Replace is set. What is current stays as it is.
func Install(ctx context.Context, s Settings, log zerolog.Logger, how Installation) (err error) {
	opened, err := open(ctx, sink.Env{Log: log}, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return opened.(*cluster).install(ctx, how)
}

func (c *cluster) install(ctx context.Context, how Installation) error {
	about, err := c.learn(ctx)
	if err != nil {
		return err
	}
	if about.flavor != "" && about.flavor != how.Product {
		return sink.Hint(fmt.Errorf("%s is %s, which has assets of its own", c.shownNodes(), about), "run sluice assets install "+about.flavor)
	}
	all, err := Assets(how.Product)
	if err != nil {
		return err
	}
	found := make([]State, len(all))
	for i, a := range all {
		if found[i], err = c.look(ctx, a); err != nil {
			return err
		}
	}
	if err := c.refuse(all, found, how); err != nil {
		return err
	}
	for i, a := range all {
		done, err := c.put(ctx, a, found[i], how)
		if err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
		how.Report(a, found[i], done)
	}
	return nil
}

// refuse returns an error if an object is not Sluice's, or cannot be seen.
func (c *cluster) refuse(all []Asset, found []State, how Installation) error {
	for i, a := range all {
		switch {
		case found[i] == Unseen:
			return sink.Refused(fmt.Errorf("%s %s", a, Unseen), "use a credential with the cluster privileges manage_index_templates, manage_pipeline and monitor; the sink itself does not need them")
		case found[i] == Foreign && !how.Replace:
			return sink.Hint(fmt.Errorf("%s %s; nothing was changed", a, Foreign), "look at it with GET "+a.Path()+"; --replace puts Sluice's in its place")
		}
	}
	return nil
}

// put installs one asset unless it is current, and says what it did.
func (c *cluster) put(ctx context.Context, a Asset, found State, how Installation) (done string, err error) {
	done = "installed"
	switch {
	case found == Current:
		return "kept", nil
	case found != Missing:
		done = "replaced"
	}
	if how.DryRun {
		return "would be " + done, nil
	}
	reply, err := c.ask(ctx, http.MethodPut, "/"+a.Path(), a.Body)
	if err != nil {
		return "", err
	}
	return done, c.confirm(ctx, a, reply)
}

// confirm makes sure that the server has an asset that it was given.
func (c *cluster) confirm(ctx context.Context, a Asset, reply posting.Reply) error {
	var said struct{ Acknowledged bool }
	if err := json.Unmarshal(reply.Body, &said); err != nil || !said.Acknowledged {
		return sink.Hint(fmt.Errorf("the server did not acknowledge it: %s", reply.Excerpt(string(reply.Body))), installHint)
	}
	found, err := c.look(ctx, a)
	if err == nil && found != Current {
		err = sink.Hint(fmt.Errorf("the server acknowledged it, but it %s", found), installHint)
	}
	return err
}

const installHint = "make sure that all nodes of the cluster answer, then run sluice assets install again"
