package syslogngd

import "text/template"

// configuration is the configuration of syslog-ng. RAWMSG is the message before parsing.
var configuration = template.Must(template.New("").Parse(`@version: 3.38
options { keep-hostname(yes); use-dns(no); dns-cache(no); stats-freq(0); };

source octets { syslog(ip("127.0.0.1") port({{.Octets}}) transport("tcp") flags(store-raw-message)); };
source tls {
	syslog(ip("127.0.0.1") port({{.TLS}}) transport("tls") flags(store-raw-message)
		tls(key-file("{{.Dir}}/server.key") cert-file("{{.Dir}}/server.pem") peer-verify("optional-untrusted")));
};
source newline { network(ip("127.0.0.1") port({{.Newline}}) transport("tcp") flags(syslog-protocol, store-raw-message)); };
source datagrams { syslog(ip("127.0.0.1") port({{.UDP}}) transport("udp") flags(store-raw-message)); };

template object {
	template("$(format-json raw=${RAWMSG} host=${HOST} app=${PROGRAM} id=${MSGID} structured=${SDATA} header=${MSGHDR} text=${MSG})\n");
};
destination messages { file("{{.Dir}}/messages" template(object)); };
log { source(octets); source(tls); source(newline); source(datagrams); destination(messages); };
`))
