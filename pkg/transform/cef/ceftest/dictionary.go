package ceftest

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// key is what the extension dictionary says about a key (ArcSight Common Event Format
// Implementation Standard, version 0 keys).
type key struct {
	kind    string
	longest int // in characters; this parser counts bytes, as the columns of some consumers do
}

var dictionary = map[string]key{
	"act": {"string", 63}, "app": {"string", 31}, "cat": {"string", 1023}, "outcome": {"string", 63}, "reason": {"string", 1023},
	"msg": {"string", 1023}, "externalId": {"string", 40}, "deviceExternalId": {"string", 255}, "deviceFacility": {"string", 1023},
	"deviceProcessName": {"string", 1023}, "destinationServiceName": {"string", 1023}, "sourceServiceName": {"string", 1023},
	"dhost": {"string", 1023}, "shost": {"string", 1023}, "dvchost": {"string", 100},
	"duid": {"string", 1023}, "duser": {"string", 1023}, "dpriv": {"string", 1023},
	"suid": {"string", 1023}, "suser": {"string", 1023}, "spriv": {"string", 1023},
	"fileId": {"string", 1023}, "filePath": {"string", 1023}, "fileType": {"string", 1023}, "fname": {"string", 1023},
	"oldFileName": {"string", 1023}, "request": {"string", 1023}, "requestContext": {"string", 2048},
	"requestMethod": {"string", 1023}, "requestClientApplication": {"string", 1023},
	"cnt": {"integer", 0}, "type": {"integer", 0}, "start": {"time", 0}, "end": {"time", 0}, "rt": {"time", 0},
	"deviceCustomDate1": {"time", 0}, "deviceCustomDate2": {"time", 0}, "src": {"ipv4", 0}, "dst": {"ipv4", 0}, "dvc": {"ipv4", 0},
	"cs1": {"string", 4000}, "cs2": {"string", 4000}, "cs3": {"string", 4000},
	"cs4": {"string", 4000}, "cs5": {"string", 4000}, "cs6": {"string", 4000},
	"cn1": {"integer", 0}, "cn2": {"integer", 0}, "cn3": {"integer", 0},
	"cfp1": {"number", 0}, "cfp2": {"number", 0}, "cfp3": {"number", 0}, "cfp4": {"number", 0},
	"c6a1": {"ipv6", 0}, "c6a2": {"ipv6", 0}, "c6a3": {"ipv6", 0}, "c6a4": {"ipv6", 0},
	"flexString1": {"string", 1023}, "flexString2": {"string", 1023},
}

// dictionary1 lists those keys of version 1 (the standard's version 1.2) that a producer
// of audit events may use.
var dictionary1 = map[string]key{
	"reportedResourceID": {"string", 256}, "reportedResourceName": {"string", 64}, "reportedResourceType": {"string", 64},
	"reportedResourceGroupName": {"string", 128}, "frameworkName": {"string", 256}, "threatAttackID": {"string", 32},
}

// custom matches the keys that mean nothing without a label.
var custom = regexp.MustCompile(`^(cs[1-6]|cn[1-3]|cfp[1-4]|c6a[1-4]|deviceCustomDate[12]|flexString[12])$`)

func (m *Message) checkValue(name, value string) error {
	k, known := dictionary[name]
	if !known && m.CEF == 1 {
		k, known = dictionary1[name]
	}
	if !known && m.isOwn(name) {
		k, known = key{"string", 4000}, true
	}
	if labelled, found := strings.CutSuffix(name, "Label"); found && custom.MatchString(labelled) {
		k, known = key{"string", 1023}, true
		if strings.HasPrefix(labelled, "flexString") {
			k.longest = 128
		}
	}
	if !known {
		return errors.New("key is not in the dictionary")
	}
	if k.kind == "string" {
		if len(value) > k.longest {
			return fmt.Errorf("%d bytes, at most %d are allowed", len(value), k.longest)
		}
		return nil
	}
	return checkKind(k.kind, value)
}

// isOwn reports whether a key is a user-defined extension of the device: one word, which
// begins with its vendor and its product (the standard, "Custom Extension Naming
// Guidelines").
func (m *Message) isOwn(name string) bool {
	rest, found := strings.CutPrefix(name, unlike.ReplaceAllString(m.Vendor+m.Product, ""))
	return found && rest != "" && !unlike.MatchString(name)
}

// unlike matches what a key may not have.
var unlike = regexp.MustCompile(`[^A-Za-z0-9]`)

func checkKind(kind, value string) error {
	ok := false
	switch kind {
	case "integer":
		n, err := strconv.ParseInt(value, 10, 64)
		ok = err == nil && strconv.FormatInt(n, 10) == value
	case "number":
		_, err := strconv.ParseFloat(value, 64)
		ok = err == nil
	case "time": // Other forms are legal, but only milliseconds need no zone and no year.
		n, err := strconv.ParseInt(value, 10, 64)
		ok = err == nil && n >= 0 && strconv.FormatInt(n, 10) == value
	case "ipv4":
		ip, err := netip.ParseAddr(value)
		ok = err == nil && ip.Is4()
	case "ipv6":
		ip, err := netip.ParseAddr(value)
		ok = err == nil && ip.Is6() && !ip.Is4In6() && ip.Zone() == ""
	}
	if !ok {
		return fmt.Errorf("value %.80q is not a %s", value, kind)
	}
	return nil
}

// checkLabels requires a label for each custom key and a custom key for each label. No
// label may occur twice.
func (m *Message) checkLabels() error {
	seen := map[string]string{}
	for _, name := range m.Keys {
		if custom.MatchString(name) {
			if _, ok := m.Extension[name+"Label"]; !ok {
				return fmt.Errorf("%s has no label", name)
			}
		}
		labelled, found := strings.CutSuffix(name, "Label")
		if !found {
			continue
		}
		if _, ok := m.Extension[labelled]; !ok {
			return fmt.Errorf("%s is a label without its key", name)
		}
		label := m.Extension[name]
		if other, twice := seen[label]; twice {
			return fmt.Errorf("%s and %s have the same label %q", other, name, label)
		}
		seen[label] = name
	}
	return nil
}

// Labelled returns the value of the custom key with that label, empty if there is none.
func (m *Message) Labelled(label string) string {
	for _, name := range m.Keys {
		if labelled, found := strings.CutSuffix(name, "Label"); found && m.Extension[name] == label {
			return m.Extension[labelled]
		}
	}
	return ""
}
