package relp

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Refusal is an answer with a status other than 200. It does not show whether the
// message, the server or its disk is at fault.
type Refusal struct {
	Status int    // three digits; the specification defines 500
	Text   string // the server's text, one line
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("server answered %d %.200q", r.Status, r.Text)
}

// parseResponse parses the data of an answer, STATUS [SP TEXT] [LF DATA], and returns
// DATA if the status is 200.
func parseResponse(data []byte) (rest []byte, err error) {
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	code, text, _ := strings.Cut(string(line), " ")
	status, err := strconv.Atoi(code)
	switch {
	case err != nil || len(code) != 3 || status < 100:
		return nil, fmt.Errorf("malformed answer %.200q", data)
	case status != 200:
		return nil, &Refusal{Status: status, Text: text}
	}
	return rest, nil
}

// offer is this client's offer. librelp's client and server send version 0, against
// the specification, and so does this client.
const offer = "relp_version=0\nrelp_software=sluice\ncommands=syslog"

// checkOffers checks that a server's answer has what is needed: the version, which the
// specification requires in every answer, and the command.
func checkOffers(offers []byte) error {
	version, syslog := false, false
	for line := range strings.Lines(string(offers)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch name {
		case "relp_version":
			version = true
		case "commands":
			for command := range strings.SplitSeq(value, ",") {
				syslog = syslog || command == "syslog"
			}
		}
	}
	if !version {
		return fmt.Errorf("server offers no relp_version: %.200q", offers)
	}
	if !syslog {
		return fmt.Errorf("server does not offer the command syslog: %.200q", offers)
	}
	return nil
}
