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
	Sources         deferred         `yaml:"sources"` // a list, or the path of files that hold lists
	State           stateEntry       `yaml:"state"`
	DeadLetters     deadLettersEntry `yaml:"dead_letters"`
	Catalogue       string           `yaml:"catalogue"`
	Sinks           []deferred       `yaml:"sinks"`
	Admin           adminEntry       `yaml:"admin"`
	Log             logEntry         `yaml:"log"`
	ShutdownTimeout setting.Duration `yaml:"shutdown_timeout"`
	Memory          setting.Size     `yaml:"memory"`
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
	Where          deferred         `yaml:"where"`
	Prepare        prepare.Settings `yaml:",inline"`
	Settings       deferred         `yaml:"settings"`
}

type adminEntry struct {
	Server adminServer    `yaml:",inline"`
	Token  setting.Secret `yaml:"token"`
}

// adminServer is where the admin server can be reached.
type adminServer struct {
	Listen string             `yaml:"listen"`
	Hosts  []string           `yaml:"hosts"`
	TLS    *setting.ServerTLS `yaml:"tls"`
}

// adminAlone reads the admin server without its token, which a health check may not be
// able to read.
type adminAlone struct {
	Server    adminServer `yaml:",inline"`
	Token     deferred    `yaml:"token"`
	TokenFile deferred    `yaml:"token_file"`
}

type logEntry struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

var (
	defaultShutdown = setting.Duration(8 * time.Second)
	defaultState    = fileState{Dir: "/var/lib/sluice"}
	defaultAdmin    = adminServer{Listen: "127.0.0.1:9876"}
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
		Admin:           adminEntry{Server: defaultAdmin},
		Log:             logEntry{Level: "info", Format: "auto"},
		ShutdownTimeout: defaultShutdown,
	}
}

// leastDocument is what every configuration needs.
const leastDocument = "sources and sinks"

// document reads the whole file. The result is valid only if there is no problem.
func (d *decoder) document(data []byte) document {
	doc := defaultDocument()
	if root := d.report.parse(data, leastDocument); root != nil {
		ast.Walk(d.report, root)
		d.decode("", root, reflect.ValueOf(&doc).Elem())
	}
	return doc
}

// adminAlone reads the key admin and nothing else. The result is valid only if there is
// no problem.
func (d *decoder) adminAlone(data []byte) adminServer {
	alone := adminAlone{Server: defaultAdmin}
	root := d.report.parse(data, leastDocument)
	if root == nil {
		return alone.Server
	}
	pairs, _ := d.mapping("", root, func(string, ast.Node) bool { return false })
	for _, p := range pairs {
		if p.key == "admin" {
			delete(d.report.hidden, p.path)
			d.decode(p.path, p.value, reflect.ValueOf(&alone).Elem())
		}
	}
	return alone.Server
}
