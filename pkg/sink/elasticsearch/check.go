package elasticsearch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// Check asks what the server is, whether it accepts the credential, which privileges are
// missing, and whether the index template and the pipeline are there. It writes nothing.
// OpenSearch cannot be asked for privileges, so only a real event proves them.
func (c *cluster) Check(ctx context.Context) (string, error) {
	about, err := c.learn(ctx)
	if err != nil {
		return "", err
	}
	proven := "--send-test proves that it can be written"
	exists, err := c.checkTarget(ctx)
	if err != nil {
		return "", err
	}
	if about.flavor == flavorElastic {
		known, err := c.checkPrivileges(ctx, exists)
		if err != nil {
			return "", err
		}
		if known {
			proven = "the credential may write it"
		}
	}
	if err := c.checkPipeline(ctx); err != nil {
		return "", err
	}
	if err := c.warnOfAssets(ctx, about); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s at %s; %s %s; %s", about, c.shownNodes(), c.shownTarget(), exists, proven), nil
}

func (c *cluster) shownNodes() string {
	all := make([]string, len(c.nodes.all))
	for i, n := range c.nodes.all {
		all[i] = n.Shown
	}
	return strings.Join(all, ", ")
}

func (c *cluster) shownTarget() string {
	if c.documents.stream {
		return "data stream " + c.target
	}
	return "index " + c.target
}

// ask makes a request for Check. Answers of the statuses in also are no errors: the server
// says that something is missing, or may not be seen.
func (c *cluster) ask(ctx context.Context, method, path string, body []byte, also ...int) (posting.Reply, error) {
	q := call{method: method, path: path, body: body}
	if body != nil {
		q.contentType = "application/json"
	}
	at, reply, rule, err := c.nodes.post(ctx, q, func(r posting.Reply) posting.Rule {
		for _, status := range also {
			if r.Status == status {
				return posting.Rule{Verdict: posting.Delivered}
			}
		}
		return statuses.Reply(r)
	})
	if err != nil {
		return reply, err
	}
	if rule.Verdict != posting.Delivered {
		return reply, at.FaultOf(describe(reply), reply, rule)
	}
	return reply, nil
}

// presence is whether something is there.
type presence string

const (
	present presence = "exists"
	absent  presence = "does not exist yet"
	unknown presence = "may not be seen with this credential"
)

func presenceOf(status int) presence {
	switch status {
	case http.StatusOK:
		return present
	case http.StatusNotFound:
		return absent
	}
	return unknown
}

// checkTarget looks for the data stream or the index.
func (c *cluster) checkTarget(ctx context.Context) (presence, error) {
	method, kind := http.MethodHead, ""
	if c.documents.stream {
		method, kind = http.MethodGet, "_data_stream/"
	}
	reply, err := c.ask(ctx, method, "/"+kind+url.PathEscape(c.target), nil, unseen...)
	return presenceOf(reply.Status), err
}

// unseen are the statuses of what is missing, may not be seen, or is not there to be asked.
var unseen = []int{http.StatusNotFound, http.StatusForbidden, http.StatusBadRequest, http.StatusMethodNotAllowed}

// checkPrivileges asks for those that Publish needs. known is false if the server does not
// say: its security is off.
func (c *cluster) checkPrivileges(ctx context.Context, exists presence) (known bool, err error) {
	needs := []string{"create_doc"}
	if exists != present {
		needs = append(needs, "auto_configure")
	}
	question, err := json.Marshal(map[string]any{"index": []any{map[string]any{"names": []string{c.target}, "privileges": needs}}})
	if err != nil {
		return false, err
	}
	reply, err := c.ask(ctx, http.MethodPost, "/_security/user/_has_privileges", question, append(unseen, http.StatusInternalServerError)...)
	if err != nil {
		return false, err
	}
	var says struct{ Index map[string]map[string]bool }
	if reply.Status != http.StatusOK || json.Unmarshal(reply.Body, &says) != nil || says.Index[c.target] == nil {
		return false, nil
	}
	has := says.Index[c.target]
	if !has["create_doc"] {
		return true, sink.Refused(fmt.Errorf("the credential lacks the privilege create_doc on %s", c.target), privilegeHint)
	}
	if exists == absent && !has["auto_configure"] {
		return true, sink.Refused(fmt.Errorf("%s does not exist, and the credential lacks the privilege auto_configure to make it", c.target), privilegeHint)
	}
	return true, nil
}

// checkPipeline looks for the pipeline that the settings name, without which the server
// refuses every document.
func (c *cluster) checkPipeline(ctx context.Context) error {
	name := c.settings.Pipeline
	if name == "" || name == "_none" {
		return nil
	}
	reply, err := c.ask(ctx, http.MethodGet, "/_ingest/pipeline/"+url.PathEscape(name), nil, http.StatusNotFound, http.StatusForbidden)
	if err == nil && reply.Status == http.StatusNotFound {
		err = sink.Destination(fmt.Errorf("the ingest pipeline %s does not exist", name), pipelineHint)
	}
	return err
}

// warnOfAssets tells which assets for the target are not as they should be.
func (c *cluster) warnOfAssets(ctx context.Context, about product) error {
	if about.flavor == "" {
		return nil
	}
	all, err := c.assets(about.flavor)
	if err != nil {
		return err
	}
	for _, a := range all {
		found, err := c.look(ctx, a)
		if err != nil {
			return err
		}
		if found == Missing || found == Outdated || found == Foreign {
			c.log.Warn().Str("hint", "run sluice assets install "+about.flavor).Msgf("%s %s", a, found)
		}
	}
	return nil
}
