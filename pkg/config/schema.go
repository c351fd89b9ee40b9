package config

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// object is a JSON object of the schema.
type object = map[string]any

// Schema returns the JSON Schema (draft 2020-12) of a configuration. sources says whether
// it is that of a file which the key sources names in place of a list. The schema is for
// editors and pipelines. It accepts whatever Load accepts, and also mistakes that no schema
// can see, such as a name that does not exist.
func (r Reference) Schema(sources bool) ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	root := "configuration"
	if sources {
		root = "sources"
	}
	return json.MarshalIndent(object{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "Sluice: " + root,
		"$ref":    "#/$defs/" + root,
		"$defs":   r.definitions(),
	}, "", "  ")
}

// Texts that the decoder refuses whatever the key: see scalar.go and expand.go. A group
// $$ stands for a dollar sign, so it does not begin a variable.
const (
	anyReference = `\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}`

	strayVariable = `^\$[A-Za-z_][A-Za-z0-9_]*$|(^|[^$])(\$\$)*\$([A-Z_][A-Z0-9_]*([^A-Za-z0-9_]|$)|\(|env:[A-Za-z_])`
	badReference  = `(^|[^$])(\$\$)*\$\{([^A-Za-z_]|$|[A-Za-z_][A-Za-z0-9_]*([^A-Za-z0-9_:}]|$|:([^-]|$)|:-[^}]*($|\$\{|\$[A-Z_(])))`
	rendered      = `^[ \t]*(\{\{.*\}\}|%[A-Z_][A-Z0-9_]*%|<%.*%>)[ \t]*$`

	oddQuotes = `^[“”„‘’‚«»‹›]`
	edges     = "^[ \u00a0\ue000-\uf8ff]|[ \u00a0\ue000-\uf8ff]$|^~/|^\".*\"$|^'.*'$"
	unseen    = "[\x00-\x08\x0b-\x1f\x7f-\u009f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)

func (r Reference) definitions() object {
	top := r.Top
	entry := *top.key("sources").Item
	list := object{"type": "array", "minItems": 1, "items": object{"$ref": "#/$defs/source"}}
	defs := object{
		"configuration": top.mapping(),
		"sources": object{
			"type": "object", "additionalProperties": false, "required": []string{"sources"},
			"properties": object{"sources": list},
		},
		"source": withParts(entry.mapping(), "source", "type", "settings", "", r.Sources),
		"sink":   withParts(withParts(top.key("sinks").Item.mapping(), "sink", "type", "settings", "", r.Sinks), "format", "format", "format_settings", "", r.Formats),
		"state":  withParts(top.key("state").mapping(), "state", "type", "settings", "file", r.States),
		"text": object{
			"type": []string{"string", "number"},
			"not":  object{"type": "string", "pattern": strings.Join([]string{strayVariable, badReference, rendered, oddQuotes, edges, unseen}, "|")},
		},
		"value": object{
			"type": []string{"string", "number", "boolean"},
			"not":  object{"type": "string", "pattern": strings.Join([]string{strayVariable, badReference, rendered, oddQuotes, unseen}, "|")},
		},
		"secret": object{
			"type": []string{"string", "number"}, "minLength": 1,
			"not": object{"type": "string", "pattern": strings.Join([]string{strayVariable, badReference, rendered, oddQuotes, "^null$"}, "|")},
		},
		"variable": object{"type": "string", "pattern": anyReference, "not": object{"pattern": strayVariable + "|" + badReference}},
	}
	for kind, parts := range map[string][]Part{"source": r.Sources, "sink": r.Sinks, "format": r.Formats, "state": r.States} {
		for _, p := range parts {
			defs[kind+"_"+p.Name] = p.Settings.mapping()
		}
	}
	properties := defs["configuration"].(object)["properties"].(object)
	properties["sources"] = described(top.key("sources"), object{"anyOf": []any{list, object{"$ref": "#/$defs/text", "type": "string", "minLength": 1}}})
	properties["sinks"] = described(top.key("sinks"), object{"type": "array", "minItems": 1, "items": object{"$ref": "#/$defs/sink"}})
	properties["state"] = described(top.key("state"), object{"$ref": "#/$defs/state"})
	shared := slices.DeleteFunc(names(r.States, func(p Part) string { return p.Name }), func(name string) bool { return name == "file" })
	// A state that replicas share keeps dead letters, too.
	defs["configuration"].(object)["if"] = object{
		"properties": object{"state": object{"type": "object", "properties": object{"type": object{"enum": shared}}, "required": []string{"type"}}},
		"required":   []string{"state"},
	}
	defs["configuration"].(object)["then"] = object{"not": object{"required": []string{"dead_letters"}}}
	return defs
}

// withParts adds to the schema of an entry what its type or format decides: the schema of
// its settings. absent is the part that applies without the key; empty if none does.
func withParts(entry object, kind, by, settings, absent string, parts []Part) object {
	rules, _ := entry["allOf"].([]any)
	for _, p := range parts {
		condition := object{"properties": object{by: object{"const": p.Name}}}
		if p.Name != absent {
			condition["required"] = []string{by}
		}
		then := object{"properties": object{settings: object{"$ref": "#/$defs/" + kind + "_" + p.Name}}}
		if p.Settings.needsKeys() {
			then["required"] = []string{settings}
		}
		rules = append(rules, object{"if": condition, "then": then})
	}
	entry["allOf"] = rules
	properties := entry["properties"].(object)
	properties[settings] = object{"description": properties[settings].(object)["description"], "type": []string{"object", "null"}}
	return entry
}

// needsKeys reports whether an empty mapping is wrong.
func (s *Setting) needsKeys() bool {
	return slices.ContainsFunc(s.Keys, func(k Setting) bool {
		return k.Required == "true" && k.Default == "" || strings.HasPrefix(k.Required, "unless ")
	})
}

// described adds to a schema what it says to people.
func described(s *Setting, schema object) object {
	if s.Doc != "" {
		schema["description"] = s.Doc
	}
	if s.InWords != "" {
		schema["description"] = strings.TrimSpace(s.Doc + " Default: " + s.InWords + ".")
	}
	switch {
	case s.Default == "" || s.Kind == List || s.Kind == Map || s.Kind == Mapping:
	case s.Kind == Switch || s.Kind == Whole || s.Kind == Number:
		schema["default"] = json.RawMessage(s.Default)
	default:
		schema["default"] = s.Default
	}
	return schema
}

// schema returns the schema of a value.
func (s *Setting) schema() object { return described(s, s.form()) }

func (s *Setting) form() object {
	least, _ := strconv.Atoi(s.Least) // Validate has refused what is no number.
	switch s.Kind {
	case Switch:
		return orVariable(object{"type": "boolean"})
	case Whole:
		whole := object{"type": "integer"}
		if s.Least != "" {
			whole["minimum"] = least
		}
		if len(s.Form.Values) > 0 {
			whole = object{"enum": numbers(s.Form.Values)}
		}
		return orVariable(whole)
	case Number:
		return orVariable(object{"type": "number"})
	case Mapping:
		return s.mapping()
	case Map:
		return object{"type": []string{"object", "null"}, "additionalProperties": s.Item.schema()}
	case List:
		list := object{"type": "array", "items": s.Item.schema()}
		if least > 0 {
			list["minItems"] = least
		}
		return list
	}
	if s.Required != "" {
		least = max(least, 1)
	}
	return s.text(least)
}

// text returns the schema of a text or a secret with so many characters at least.
func (s *Setting) text(least int) object {
	base := "#/$defs/text"
	switch {
	case s.Kind == Secret:
		base = "#/$defs/secret"
	case s.Form.Name != "":
		base = "#/$defs/value"
	}
	schema := object{"$ref": base}
	if least > 0 {
		schema["minLength"] = least
	}
	switch {
	case len(s.Form.Values) > 0:
		return orVariable(object{"enum": texts(s.Form.Values)})
	case s.Form.Pattern != "" && s.Form.Name == "":
		// A number without quotes is a text, too, if its digits are.
		schema["pattern"], schema["minimum"] = s.Form.Pattern, 0
		if digits := regexp.MustCompile(s.Form.Pattern); !digits.MatchString("1") {
			schema["type"] = "string"
		}
		return orVariable(schema)
	case s.Form.Pattern != "" && s.Form.Number:
		return orVariable(object{"type": "string", "pattern": s.Form.Pattern}, object{"type": "integer", "minimum": least})
	case s.Form.Pattern != "":
		return orVariable(object{"type": "string", "pattern": s.Form.Pattern}, object{"const": 0})
	}
	if least > 1 {
		return orVariable(schema)
	}
	return schema
}

// orVariable also allows a text with a variable, whose value nobody knows.
func orVariable(schemas ...object) object {
	all := []any{}
	for _, s := range schemas {
		all = append(all, s)
	}
	return object{"anyOf": append(all, object{"$ref": "#/$defs/variable"})}
}

// texts returns the values as JSON has them. YAML reads true and false as booleans.
func texts(values []string) (all []any) {
	for _, v := range values {
		all = append(all, v)
		if v == "true" || v == "false" {
			all = append(all, v == "true")
		}
	}
	return all
}

func numbers(texts []string) (all []json.RawMessage) {
	for _, t := range texts {
		all = append(all, json.RawMessage(t))
	}
	return all
}

// mapping returns the schema of keys.
func (s *Setting) mapping() object {
	properties, required, rules := object{}, []string{}, []any{}
	for _, k := range s.Keys {
		if k.Kind == Never {
			continue
		}
		properties[k.Key] = k.schema()
		if k.Kind == Secret {
			properties[k.Key+"_file"] = object{
				"description": "Path of a file that holds " + k.Key + ": " + k.Doc, "$ref": "#/$defs/text", "minLength": 1,
			}
			rules = append(rules, object{"not": object{"type": "object", "required": []string{k.Key, k.Key + "_file"}}})
		}
		if k.Required == "true" && k.Kind != Secret && k.Default == "" {
			required = append(required, k.Key)
			continue
		}
		if rule := s.rule(&k); rule != nil {
			rules = append(rules, rule)
		}
	}
	schema := object{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
	if s.needsKeys() {
		schema["type"] = "object"
	}
	if len(required) > 0 {
		schema["required"] = required
	}
	if len(rules) > 0 {
		schema["allOf"] = rules
	}
	return described(s, schema)
}

// rule returns when a key is required or wrong, nil if always neither.
func (s *Setting) rule(k *Setting) object {
	word, of, _ := strings.Cut(k.Required, " ")
	switch word {
	case "true":
		if k.Default != "" {
			return nil
		}
		return given(k)
	case "with":
		return object{"if": given(s.key(of)), "then": given(k)}
	case "unless":
		return object{"oneOf": []any{given(k), given(s.key(of))}}
	case "if":
		other, values, _ := strings.Cut(of, "=")
		// Of a variable nobody knows which values it has.
		condition := object{"properties": object{other: object{"enum": strings.Split(values, "|")}}, "required": []string{other}}
		known := object{"properties": object{other: object{"enum": s.key(other).Form.Values}}, "required": []string{other}}
		return object{"if": condition, "then": given(k), "else": object{"if": known, "then": object{"not": given(k)}}}
	}
	return nil
}

// given returns the schema of mappings that have a key.
func given(k *Setting) object {
	if k.Kind != Secret {
		return object{"required": []string{k.Key}}
	}
	return object{"anyOf": []any{object{"required": []string{k.Key}}, object{"required": []string{k.Key + "_file"}}}}
}
