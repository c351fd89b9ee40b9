package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
)

// comparison says which members of a record are compared with what its original gives.
type comparison struct {
	ours      []string // all that begin with one of these
	not       []string // but these
	catalogue []string // and these only if the record is of this version
}

// comparisons are those of the formats. In each, % stands for the dataset.
var comparisons = map[string]comparison{
	"ecs": {
		ours: []string{
			"@timestamp", "message", "event.", "user.", "group.", "source.", "client.", "related.", "threat.", "error.",
			"cloud.", "organization.", "service.", "%.",
		},
		not: []string{"event.created", "event.ingested", "event.sequence", "event.original", "source.geo.", "source.as.", "%.epoch", "%.late", "%.own_token", "%.replayed"},
		catalogue: []string{
			"message", "event.category", "event.type", "event.outcome", "user.target.", "user.changes.", "group.", "related.user",
			"threat.", "%.object.", "%.container.", "%.severity", "%.unmapped",
		},
	},
	"ocsf": {
		ours: []string{
			"time", "message", "class_", "category_", "activity_", "type_", "severity", "status", "actor.", "src_endpoint.", "api.",
			"cloud.", "user.", "group.", "entity.", "privileges", "resources", "attacks", "is_remote", "service.", "raw_data_", "unmapped.",
			"metadata.uid", "metadata.event_code", "metadata.tenant_uid", "metadata.modified_time", "metadata.debug", "metadata.is_truncated",
		},
		not: []string{
			"src_endpoint.location.", "src_endpoint.autonomous_system.", "unmapped.sluice.epoch", "unmapped.sluice.late",
			"unmapped.sluice.own_token", "unmapped.sluice.replayed",
		},
		catalogue: []string{
			"message", "class_", "category_", "activity_", "type_", "severity", "status", "user.", "group.", "entity.", "privileges",
			"resources", "attacks", "is_remote", "service.", "unmapped.resources", "unmapped.sluice.", "api.",
		},
	},
}

func (c *comparison) compares(path, dataset string, catalogue bool) bool {
	begins := func(prefixes []string) bool {
		return slices.ContainsFunc(prefixes, func(prefix string) bool {
			if rest, own := strings.CutPrefix(prefix, "%"); own {
				path, is := strings.CutPrefix(path, dataset)
				return is && strings.HasPrefix(path, rest)
			}
			return strings.HasPrefix(path, prefix)
		})
	}
	return begins(c.ours) && !begins(c.not) && (catalogue || !begins(c.catalogue))
}

// difference returns the first member in which a record is not what its original gives.
func (r *remap) difference(want, got []byte, s *stated) string {
	c := comparisons[s.format]
	wanted, err := flatten(want)
	if err != nil {
		return ""
	}
	members, err := flatten(got)
	if err != nil {
		return ""
	}
	var paths []string
	for path := range wanted {
		paths = append(paths, path)
	}
	for path := range members {
		if _, both := wanted[path]; !both {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for _, path := range paths {
		w, g := wanted[path], members[path]
		if w == g || !c.compares(path, s.dataset, s.version == r.version) {
			continue
		}
		switch {
		case g == "":
			return fmt.Sprintf("%s is missing, and its original gives %s", path, w)
		case w == "":
			return fmt.Sprintf("%s is %s, and its original gives none", path, g)
		}
		return fmt.Sprintf("%s is %s, and its original gives %s", path, g, w)
	}
	return ""
}

// flatten returns the members of an object by their paths. Values are JSON without blanks,
// with the members of objects in order.
func flatten(text []byte) (map[string]string, error) {
	s := rawjson.Scanner{In: text}
	members := make(map[string]string, 128)
	if s.Peek() != '{' {
		return nil, s.Unexpected("object")
	}
	return members, flattenInto(members, &s, "", 0)
}

func flattenInto(members map[string]string, s *rawjson.Scanner, prefix string, depth int) error {
	return s.Object(depth, nil, func(key string) error {
		if s.Peek() == '{' {
			return flattenInto(members, s, prefix+key+".", depth+1)
		}
		value, err := canonical(s, depth+1)
		if value != "null" {
			members[prefix+key] = value
		}
		return err
	})
}

func canonical(s *rawjson.Scanner, depth int) (string, error) {
	switch s.Peek() {
	case '"':
		text, err := s.Quoted()
		return string(rawjson.AppendString(nil, text)), err
	case '[':
		var all []string
		err := s.Array(depth, func() error {
			value, err := canonical(s, depth+1)
			all = append(all, value)
			return err
		})
		return "[" + strings.Join(all, ",") + "]", err
	case '{':
		inner := map[string]string{}
		err := flattenInto(inner, s, "", depth)
		var all []string
		for path, value := range inner {
			all = append(all, path+":"+value)
		}
		slices.Sort(all)
		return "{" + strings.Join(all, ",") + "}", err
	}
	return s.Value(depth)
}
