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
	Sources         deferred         `yaml:"sources" required:"true" doc:"The logs to follow: a list; or in its place the path of a directory, or a pattern such as conf.d/*.yaml, of files that each hold such a list under the key sources."`
	Sinks           []deferred       `yaml:"sinks" required:"true" least:"1" doc:"The destinations. A source and a sink that follows it make a lane, which delivers independently of all others."`
	State           stateEntry       `yaml:"state" doc:"Where the positions of lanes are kept."`
	DeadLetters     deadLettersEntry `yaml:"dead_letters" doc:"Where records go that a sink refuses for good. Only with state.type file: one that replicas share keeps them itself."`
	Catalogue       string           `yaml:"catalogue" least:"1" default:"the built-in one" doc:"Path of a file that overrides or adds actions of the catalogue: titles, categories, severities."`
	Admin           adminEntry       `yaml:"admin" doc:"The HTTP server for metrics, health and the console."`
	Log             logEntry         `yaml:"log" doc:"The log of Sluice, which goes to stderr."`
	Evidence        *evidenceEntry   `yaml:"evidence" default:"none: records have no numbers, and no seals are written" doc:"Number the records of each lane, and write signed seals about them, so that sluice verify finds what is missing or altered."`
	Audit           *auditEntry      `yaml:"audit" default:"none: nothing is compared" doc:"Compare now and then what each lane settled with what its source lists: events that came later than overlap are delivered, and what vanished or has other content is told. Needs no evidence."`
	Heartbeat       setting.Duration `yaml:"heartbeat" doc:"How often the own log has a heartbeat: an event that says how each lane is. A rule in the SIEM notices when none arrives. At least 1m; 0 for none."`
	ShutdownTimeout setting.Duration `yaml:"shutdown_timeout" doc:"How long a Publish under way may take after a signal to stop."`
	Memory          setting.Size     `yaml:"memory" least:"8388608" default:"128MiB; in a container with less than 160MiB, its limit less 32MiB" doc:"What all lanes may hold in memory together. At least 8MiB."`
}

type sourceEntry struct {
	Name     string   `yaml:"name" required:"true" pattern:"^[a-z0-9][a-z0-9_.-]{0,63}$" doc:"Name of the source: 1 to 64 of a-z 0-9 - _ . that begin with a letter or a digit. Unique among sources. It is part of the lane's name: after a change, run sluice checkpoint rename."`
	Type     string   `yaml:"type" required:"true" doc:"Whose log it is."`
	Settings deferred `yaml:"settings" doc:"The settings of the type."`
}

type stateEntry struct {
	Type     string   `yaml:"type" doc:"file keeps positions in a directory of this machine. kafka keeps them in a topic, and s3 in a bucket, so that several replicas share them."`
	Settings deferred `yaml:"settings" doc:"The settings of the type."`
}

type fileState struct {
	Dir string `yaml:"dir" least:"1" doc:"Directory for one small file for each lane. One process at a time uses it."`
}

type deadLettersEntry struct {
	Dir      string       `yaml:"dir" least:"1" default:"dead-letters in the directory of the state" doc:"Directory of the dead letters."`
	MaxBytes setting.Size `yaml:"max_bytes" least:"1" doc:"Largest size of the store. If it is full, the lane stops. An empty store takes even a record that is larger."`
}

type sinkEntry struct {
	Name           string           `yaml:"name" required:"true" pattern:"^[a-z0-9][a-z0-9_.-]{0,63}$" doc:"Name of the sink: 1 to 64 of a-z 0-9 - _ . that begin with a letter or a digit. Unique among sinks. It is part of the lane's name: after a change, run sluice checkpoint rename."`
	Type           string           `yaml:"type" required:"true" doc:"Kind of destination."`
	Format         string           `yaml:"format" doc:"How an event is written. A stdout sink on a terminal has text as the default."`
	FormatSettings deferred         `yaml:"format_settings" doc:"The settings of the format."`
	Sources        *[]string        `yaml:"sources" least:"1" default:"all" doc:"Names of the sources to follow."`
	OwnEvents      OwnEvents        `yaml:"own_events" doc:"Whether the sink gets the events of Sluice's own log, in a lane of its own named sluice/SINK. true: besides those of its sources. false: none of them. only: nothing else, as for a chat or a pager."`
	Start          string           `yaml:"start" pattern:"^(beginning|now|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2}))$" doc:"Where a lane without a position begins: beginning (of the log), now, or a time with its zone, such as 2026-01-31T00:00:00Z."`
	Original       bool             `yaml:"original" doc:"Carry the event as the source sent it in the record, if the format can. Some types of sink have false as the default."`
	PublishTimeout setting.Duration `yaml:"publish_timeout" doc:"A Publish that takes longer is abandoned, and its records are sent again. At least 1s."`
	MaxRejects     int              `yaml:"max_rejects" least:"1" doc:"After so many rejects in a row without a delivery, Sluice takes the destination to be at fault, and stops making dead letters."`
	BeyondWindow   string           `yaml:"beyond_window" values:"send|dead_letter" doc:"What becomes of an event that is older than the destination takes, if the sink has such a window (sluice check says so). send: it is sent all the same. dead_letter: it becomes a dead letter, and is not sent."`
	Evidence       bool             `yaml:"evidence" doc:"Whether the records have numbers and seals, if evidence names a key. A sink whose records are messages for people has false as the default."`
	Where          deferred         `yaml:"where" least:"1" default:"all events" doc:"Condition for the events that the sink gets, such as severity >= 3."`
	Prepare        prepare.Settings `yaml:",inline"`
	Settings       deferred         `yaml:"settings" doc:"The settings of the type."`
}

type auditEntry struct {
	Every setting.Duration `yaml:"every" default:"24h" doc:"Time from one audit of a lane to the next. Each lists the whole log once, behind the requests of polls. At least 1h."`
}

type evidenceEntry struct {
	KeyFile        string   `yaml:"key_file" required:"true" least:"1" doc:"Path of the private key that sluice key new made. Others than its owner and its group may not read it. If the key changes, lanes begin again with the new one."`
	FormerKeyFiles []string `yaml:"former_key_files" default:"none" doc:"Paths of the private keys that were used before. A former key also signs the note that names the new key, so that whoever trusts the former one can trust the new one. They are not needed after that note."`
}

type adminEntry struct {
	Server adminServer    `yaml:",inline"`
	Token  setting.Secret `yaml:"token" least:"16" pattern:"^[!-~]+$" default:"none: only a server that listens on loopback shows events" doc:"What the console asks for: as the password, with any user name, or as a bearer token. At least 16 characters. /metrics, /healthz and /readyz never ask for it. A proxy on the same machine makes its clients look local, so a server behind one needs a token."`
}

// adminServer is where the admin server can be reached.
type adminServer struct {
	Listen string             `yaml:"listen" pattern:"^([^\\[\\]/?#@:, ]*|\\[[^\\[\\]/?#@, ]+\\]):[0-9]{1,5}$" doc:"Address of the server, as host:port. Without a host it listens on all addresses."`
	Hosts  []string           `yaml:"hosts" pattern:"^[^:/*@ ]+$" default:"none" doc:"Names that the server answers to besides localhost, IP addresses and the host of listen, without scheme and port. Requests to another name get 403."`
	TLS    *setting.ServerTLS `yaml:"tls" default:"plain HTTP" doc:"Speak TLS 1.2 or later on the whole server. sluice health -c FILE trusts exactly this certificate."`
}

// adminAlone reads the admin server without its token, which a health check may not be
// able to read.
type adminAlone struct {
	Server    adminServer `yaml:",inline"`
	Token     deferred    `yaml:"token"`
	TokenFile deferred    `yaml:"token_file"`
}

type logEntry struct {
	Level  string `yaml:"level" values:"trace|debug|info|warn|error" doc:"Least severity of a line to be written."`
	Format string `yaml:"format" values:"auto|console|json" doc:"console is for people, json is one object a line. auto is console on a terminal, else json."`
}

var (
	defaultShutdown = setting.Duration(8 * time.Second)
	defaultState    = fileState{Dir: "/var/lib/sluice"}
	defaultAdmin    = adminServer{Listen: "127.0.0.1:9876"}
	defaultSink     = sinkEntry{
		Format:         "ecs",
		OwnEvents:      WithOwnEvents,
		Start:          "beginning",
		Original:       true,
		PublishTimeout: setting.Duration(time.Minute),
		MaxRejects:     100,
		BeyondWindow:   SendBeyondWindow,
		Evidence:       true,
	}
)

func defaultDocument() document {
	return document{
		State:           stateEntry{Type: "file"},
		DeadLetters:     deadLettersEntry{MaxBytes: 1 << 30},
		Admin:           adminEntry{Server: defaultAdmin},
		Log:             logEntry{Level: "info", Format: "auto"},
		Heartbeat:       setting.Duration(15 * time.Minute),
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

// adminAlone reads the key admin and nothing else into what target points at. That is valid
// only if there is no problem.
func (d *decoder) adminAlone(data []byte, target any) {
	root := d.report.parse(data, leastDocument)
	if root == nil {
		return
	}
	pairs, _ := d.mapping("", root, func(string, ast.Node) bool { return false })
	for _, p := range pairs {
		if p.key == "admin" {
			delete(d.report.hidden, p.path)
			d.decode(p.path, p.value, reflect.ValueOf(target).Elem())
		}
	}
}
