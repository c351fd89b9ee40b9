package config

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	variable  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	reference = "write ${NAME} or ${NAME:-default}, and $$ for a dollar sign"
)

// expand replaces the variables in a value once. It returns an error for each that has
// no value. A dollar sign before anything but another or a brace stays as it is.
func expand(text string, env func(string) (string, bool)) (string, []error) {
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
			inner, rest, closed := strings.Cut(after[1:], "}")
			if !closed {
				return "", append(errs, fmt.Errorf("${ is not closed; %s", reference))
			}
			value, err := lookup(inner, env)
			if err != nil {
				errs = append(errs, err)
			}
			out.WriteString(value)
			text = rest
		default:
			out.WriteByte('$')
			text = after
		}
	}
}

// lookup returns the value of the text between the braces.
func lookup(inner string, env func(string) (string, bool)) (string, error) {
	name, otherwise, hasDefault := strings.Cut(inner, ":-")
	if !variable.MatchString(name) {
		return "", fmt.Errorf("${…} does not hold the name of a variable; %s", reference)
	}
	value, set := env(name)
	switch {
	case value != "":
		return value, nil
	case hasDefault:
		return otherwise, nil
	case set:
		return "", fmt.Errorf("${%s} is empty; give the environment variable %s a value or write ${%s:-default}", name, name, name)
	default:
		return "", fmt.Errorf("${%s} is not set; set the environment variable %s or write ${%s:-default}", name, name, name)
	}
}
