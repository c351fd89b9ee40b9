package elasticsearch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// product is what the server is.
type product struct {
	flavor     string // flavorElastic or flavorOpen; empty: not known
	version    string // empty: not known
	serverless bool   // Elastic Cloud Serverless, whose version does not count
}

// dataStreamsSince is the version of Elasticsearch that has require_data_stream.
var dataStreamsSince = [2]int{8, 13}

func (p product) knowsDataStreams() bool {
	if p.flavor != flavorElastic {
		return false
	}
	var has [2]int
	if n, _ := fmt.Sscanf(p.version, "%d.%d", &has[0], &has[1]); n != 2 {
		return false
	}
	return p.serverless || has[0] > dataStreamsSince[0] || has[0] == dataStreamsSince[0] && has[1] >= dataStreamsSince[1]
}

// String describes the product for people.
func (p product) String() string {
	name := map[string]string{flavorElastic: "Elasticsearch", flavorOpen: "OpenSearch"}[p.flavor]
	switch {
	case name == "":
		return "a server of unknown kind"
	case p.serverless:
		return name + " Serverless"
	case p.version == "":
		return name + " of unknown version"
	}
	return name + " " + p.version
}

// learn asks once what the server is. A server that does not say is of unknown kind: the
// credential may not be allowed to ask, and Amazon OpenSearch Serverless has no answer.
func (c *cluster) learn(ctx context.Context) (product, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.about != nil {
		return *c.about, nil
	}
	at, reply, rule, err := c.nodes.post(ctx, call{method: http.MethodGet, path: "/"}, judgeRoot)
	if err != nil {
		return product{}, err
	}
	if rule.Verdict != posting.Delivered {
		return product{}, at.FaultOf(describe(reply), reply, rule)
	}
	about := productOf(reply)
	if c.settings.Flavor != flavorAuto {
		about.flavor = c.settings.Flavor
	}
	c.about = &about
	return about, nil
}

// judgeRoot takes an answer that does not say what the server is for one that does.
func judgeRoot(r posting.Reply) posting.Rule {
	rule := statuses.Reply(r)
	if r.Status == http.StatusForbidden || r.Status == http.StatusNotFound || r.Status == http.StatusBadRequest || r.Status == http.StatusMethodNotAllowed {
		return posting.Rule{Verdict: posting.Delivered}
	}
	return rule
}

func productOf(r posting.Reply) (p product) {
	var root struct {
		Version struct {
			Number, Distribution string
			Flavor               string `json:"build_flavor"`
		}
	}
	if r.Header.Get("X-Elastic-Product") == "Elasticsearch" { // since 7.14, in every answer
		p.flavor = flavorElastic
	}
	if err := json.Unmarshal(r.Body, &root); err != nil || r.Status != http.StatusOK || root.Version.Number == "" {
		return p
	}
	p.version, p.serverless = root.Version.Number, root.Version.Flavor == "serverless"
	switch {
	case root.Version.Distribution == "opensearch":
		p.flavor = flavorOpen
	case p.flavor == "":
		p.flavor = flavorElastic
	}
	return p
}
