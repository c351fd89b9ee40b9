package rsyslogd

import (
	"bytes"
	"fmt"
	"net"
	"text/template"
)

// configuration is the configuration of rsyslogd. Messages go through their own ruleset,
// so that the daemon's own log is not among them.
var configuration = template.Must(template.New("").Parse(`
global(workDirectory="{{.Dir}}"{{with .AbortOver}} maxMessageSize="{{.}}"{{end}})
{{if .Direct}}main_queue(queue.type="Direct"){{end}}

module(load="imtcp")
module(load="imudp")
module(load="imrelp" tls.tlslib="openssl")

template(name="object" type="list" option.jsonf="on") {
	property(outname="raw" name="rawmsg" format="jsonf")
	property(outname="host" name="hostname" format="jsonf")
	property(outname="app" name="app-name" format="jsonf")
	property(outname="id" name="msgid" format="jsonf")
	property(outname="structured" name="structured-data" format="jsonf")
	property(outname="text" name="msg" format="jsonf")
}
template(name="raw" type="string" string="%rawmsg%")
template(name="line" type="string" string="%msg%\n")

ruleset(name="messages"{{if .Direct}} queue.type="Direct"{{end}}) {
	action(type="omfile" file="{{.Dir}}/messages" template="object")
{{- range $template, $to := .Forward}}
	action(type="omfwd" target="{{$to.Host}}" port="{{$to.Port}}" protocol="tcp" tcp_framing="octet-counted" template="{{$template}}")
{{- end}}
}

input(type="imtcp" address="127.0.0.1" port="{{.TCP}}" ruleset="messages")
input(type="imtcp" address="127.0.0.1" port="{{.TLS}}" ruleset="messages"
	streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon"
	streamDriver.caFile="{{.Dir}}/ca.pem" streamDriver.certFile="{{.Dir}}/server.pem" streamDriver.keyFile="{{.Dir}}/server.key")
input(type="imudp" address="127.0.0.1" port="{{.UDP}}" ruleset="messages")
input(type="imrelp" address="127.0.0.1" port="{{.RELP}}" ruleset="messages"
	{{- with .AbortOver}} maxDataSize="{{.}}" oversizeMode="abort"{{end}})
input(type="imrelp" address="127.0.0.1" port="{{.RELPTLS}}" ruleset="messages"
	tls="on" tls.caCert="{{.Dir}}/ca.pem" tls.myCert="{{.Dir}}/server.pem" tls.myPrivKey="{{.Dir}}/server.key")

action(type="omfile" file="{{.Dir}}/log" template="line")
`))

type destination struct{ Host, Port string }

func (d *Daemon) configuration(c Config) ([]byte, error) {
	forward := map[string]destination{}
	for template, address := range c.Forward {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("forwarding with %s: %w", template, err)
		}
		forward[template] = destination{host, port}
	}
	var b bytes.Buffer
	err := configuration.Execute(&b, struct {
		Dir                          string
		Direct                       bool
		AbortOver                    int
		Forward                      map[string]destination
		TCP, TLS, UDP, RELP, RELPTLS int
	}{d.dir, c.Direct, c.AbortOver, forward, d.ports.tcp.number, d.ports.tls.number, d.ports.udp.number, d.ports.relp.number, d.ports.relpTLS.number})
	if err != nil {
		return nil, fmt.Errorf("writing the configuration of rsyslogd: %w", err)
	}
	return b.Bytes(), nil
}
