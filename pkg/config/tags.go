package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Validate reports tags that are wrong. Tags are a part of the program, so only the author
// of a type makes such a mistake.
func (r Reference) Validate() error {
	var errs []error
	for _, group := range [][]Part{{{Settings: r.Top}}, r.Sources, r.Sinks, r.Formats, r.States} {
		for _, p := range group {
			errs = append(errs, p.Settings.validate(p.Name)...)
		}
	}
	return errors.Join(errs...)
}

func (s *Setting) validate(path string) (errs []error) {
	for i := range s.Keys {
		k := &s.Keys[i]
		at := join(path, k.Key)
		for _, problem := range k.flaws(s.Keys) {
			errs = append(errs, fmt.Errorf("the tags of %s: %s", at, problem))
		}
		errs = append(errs, k.validate(at)...)
	}
	if s.Item != nil {
		errs = append(errs, s.Item.validate(path+"[]")...)
	}
	return errs
}

// flaws returns what is wrong with the tags of one of some keys.
func (s *Setting) flaws(all []Setting) (flaws []string) {
	for _, pattern := range []string{s.Form.Pattern, s.itemPattern()} {
		if _, err := regexp.Compile(pattern); err != nil {
			flaws = append(flaws, err.Error())
		}
	}
	if _, err := strconv.Atoi(s.Least); err != nil && s.Least != "" {
		flaws = append(flaws, "least is not a whole number")
	}
	if s.Kind == Whole && slices.ContainsFunc(s.Form.Values, func(v string) bool { _, err := strconv.Atoi(v); return err != nil }) {
		flaws = append(flaws, "values are not whole numbers")
	}
	word, other, _ := strings.Cut(s.Required, " ")
	other, values, has := strings.Cut(other, "=")
	known := slices.ContainsFunc(all, func(k Setting) bool { return k.Key == other })
	switch {
	case (word == "" || word == "true") && other == "":
	case (word == "with" || word == "unless") && known && !has:
	case word == "if" && known && values != "":
	default:
		flaws = append(flaws, `required is not "true", "with KEY", "unless KEY" or "if KEY=VALUE|VALUE" with another key`)
	}
	return flaws
}

func (s *Setting) itemPattern() string {
	if s.Item == nil {
		return ""
	}
	return s.Item.Form.Pattern
}
