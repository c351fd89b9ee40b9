package config

import (
	"reflect"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

// document is the file as it is written.
type document struct {
	Sources         []deferred       `yaml:"sources"`
	State           stateEntry       `yaml:"state"`
	DeadLetters     deadLettersEntry `yaml:"dead_letters"`
	Catalogue       string           `yaml:"catalogue"`
	Sinks           []deferred       `yaml:"sinks"`
	Admin           adminEntry       `yaml:"admin"`
	Log             logEntry         `yaml:"log"`
	ShutdownTimeout setting.Duration `yaml:"shutdown_timeout"`
}

type sourceEntry struct {
	Name     string   `yaml:"name"`
	Type     string   `yaml:"type"`
	Settings deferred `yaml:"settings"`
}

type stateEntry struct {
	Type     string   `yaml:"type"`
	Settings deferred `yaml:"settings"`
}

type fileState struct {
	Dir string `yaml:"dir"`
}

type deadLettersEntry struct {
	Dir      string       `yaml:"dir"`
	MaxBytes setting.Size `yaml:"max_bytes"`
}

type sinkEntry struct {
	Name           string           `yaml:"name"`
	Type           string           `yaml:"type"`
	Format         string           `yaml:"format"`
	FormatSettings deferred         `yaml:"format_settings"`
	Sources        *[]string        `yaml:"sources"`
	Start          string           `yaml:"start"`
	Original       bool             `yaml:"original"`
	PublishTimeout setting.Duration `yaml:"publish_timeout"`
	MaxRejects     int              `yaml:"max_rejects"`
	Prepare        prepare.Settings `yaml:",inline"`
	Settings       deferred         `yaml:"settings"`
}

type adminEntry struct {
	Listen string   `yaml:"listen"`
	Hosts  []string `yaml:"hosts"`
}

type logEntry struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

var (
	defaultShutdown = setting.Duration(8 * time.Second)
	defaultState    = fileState{Dir: "/var/lib/sluice"}
	defaultSink     = sinkEntry{
		Format:         "ecs",
		Start:          "beginning",
		Original:       true,
		PublishTimeout: setting.Duration(time.Minute),
		MaxRejects:     100,
	}
)

func defaultDocument() document {
	return document{
		State:           stateEntry{Type: "file"},
		DeadLetters:     deadLettersEntry{MaxBytes: 1 << 30},
		Admin:           adminEntry{Listen: "127.0.0.1:9876"},
		Log:             logEntry{Level: "info", Format: "auto"},
		ShutdownTimeout: defaultShutdown,
	}
}

// adminAlone reads what is said of the admin server. The result is of use if there
// is no problem.
func (t *tree) adminAlone(data []byte) Admin {
	root := t.parse(data)
	if root == nil {
		return Admin{}
	}
	doc := defaultDocument()
	pairs, _ := t.mapping("", root, func(string, ast.Node) bool { return false })
	for _, p := range pairs {
		if p.key == "admin" {
			delete(t.hidden, p.path)
			t.decode(p.path, p.value, reflect.ValueOf(&doc.Admin).Elem())
		}
	}
	return t.admin(doc.Admin)
}

// config reads the whole file. Its result is of use if there is no problem.
func (t *tree) config(data []byte, kinds Kinds) *Config {
	root := t.parse(data)
	if root == nil {
		return nil
	}
	doc := defaultDocument()
	t.decode("", root, reflect.ValueOf(&doc).Elem())
	c := &Config{
		State:           t.state(doc.State, kinds),
		Admin:           t.admin(doc.Admin),
		Log:             t.log(doc.Log),
		ShutdownTimeout: doc.ShutdownTimeout.Std(),
	}
	c.DeadLetters = t.deadLetters(doc.DeadLetters, c.State)
	c.Sources = t.sources(doc.Sources, kinds)
	c.Sinks = t.sinks(doc.Sinks, kinds, c.Sources)
	catalogue := t.catalogue(doc.Catalogue)
	for i := range c.Sinks {
		c.Sinks[i].Catalogue = catalogue
	}
	t.unfollowed(c.Sources, c.Sinks)
	t.exclusive(c.Sinks)
	t.distinct(c.Sinks)
	return c
}
