package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	variable  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	reference = "write ${NAME} or ${NAME:-default}, and $$ for a dollar sign"

	// What else stands for a variable elsewhere: $NAME in a shell, $(…) in a shell and in
	// Kubernetes, $env:NAME in PowerShell, {{ … }} in templates, %NAME% on Windows. A
	// $name in small letters may be a part of a password or of a condition, so it counts
	// only as a whole value.
	bare     = regexp.MustCompile(`^(?:[A-Z_][A-Z0-9_]*(?:[^A-Za-z0-9_]|$)|\(|env:[A-Za-z_])`)
	whole    = regexp.MustCompile(`^\$[A-Za-z_][A-Za-z0-9_]*$`)
	template = regexp.MustCompile(`^\s*(?:\{\{.*\}\}|%[A-Z_][A-Z0-9_]*%|<%.*%>)\s*$`)
)

// eventHubs is the user name of every client that logs in to Azure Event Hubs with a
// connection string (Azure/azure-event-hubs-for-kafka, README, "Update your Kafka client
// configuration"). It is no secret.
const eventHubs = "$ConnectionString"

// expand replaces the variables in a value once. It returns an error for each that has
// no value, and for what stands for a variable elsewhere; meant is how to write what only
// looks like the place of a value in a template. Any other dollar sign before anything but
// another or a brace stays as it is.
func expand(text, meant string, env func(string) (string, bool)) (string, []error) {
	switch {
	case text == eventHubs:
		return "", []error{errors.New("is a variable without braces; write $" + eventHubs + " if a dollar sign is meant, as in the user name for Azure Event Hubs, or ${ConnectionString} for the variable")}
	case whole.MatchString(text):
		return "", []error{errors.New("is a variable without braces; " + reference)}
	case template.MatchString(text):
		return "", []error{errors.New("is the place of a value in a template; " + meant)}
	}
	var out strings.Builder
	var errs []error
	for {
		before, after, found := strings.Cut(text, "$")
		out.WriteString(before)
		if !found {
			return out.String(), errs
		}
		switch {
		case strings.HasPrefix(after, "$"):
			out.WriteByte('$')
			text = after[1:]
		case strings.HasPrefix(after, "{"):
			inner, rest, closed := cutBraces(after[1:])
			if !closed {
				return "", append(errs, fmt.Errorf("${ is not closed; %s", reference))
			}
			value, err := lookup(inner, env)
			if err != nil {
				errs = append(errs, err)
			}
			out.WriteString(value)
			text = rest
		case bare.MatchString(after):
			errs = append(errs, errors.New("has a variable without braces, or a command; "+reference))
			text = after
		default:
			out.WriteByte('$')
			text = after
		}
	}
}

// cutBraces returns the text up to the brace that closes, and the text behind it. Braces
// within are those of another variable.
func cutBraces(text string) (inner, rest string, closed bool) {
	open := 1
	for i, c := range text {
		switch {
		case c == '}':
			open--
		case strings.HasPrefix(text[i:], "${"):
			open++
		}
		if open == 0 {
			return text[:i], text[i+1:], true
		}
	}
	return "", "", false
}

// lookup returns the value of the text between the braces.
func lookup(inner string, env func(string) (string, bool)) (string, error) {
	name, otherwise, hasDefault := strings.Cut(inner, ":-")
	switch {
	case hasDefault && (strings.Contains(otherwise, "${") || hasBare(otherwise)):
		return "", errors.New("the default of a variable holds a variable, which is not supported; write plain text as the default, and $$ for a dollar sign")
	case variable.MatchString(strings.TrimSpace(name)) && name != strings.TrimSpace(name):
		return "", errors.New("${…} has blanks around its name; remove them")
	case !variable.MatchString(name):
		return "", fmt.Errorf("${…} does not hold the name of a variable; %s", reference)
	}
	value, set := env(name)
	switch {
	case value != "":
		return value, nil
	case hasDefault:
		return strings.ReplaceAll(otherwise, "$$", "$"), nil
	case set:
		return "", fmt.Errorf("${%s} is empty; give the environment variable %s a value or write ${%s:-default}", name, name, name)
	default:
		return "", fmt.Errorf("${%s} is not set; set the environment variable %s or write ${%s:-default}", name, name, name)
	}
}

// hasBare reports whether a text holds a variable without braces.
func hasBare(text string) bool {
	if whole.MatchString(text) {
		return true
	}
	for {
		_, after, found := strings.Cut(text, "$")
		if !found || bare.MatchString(after) {
			return found
		}
		text = strings.TrimPrefix(after, "$")
	}
}
