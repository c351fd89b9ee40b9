package elasticsearch

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

const (
	credentialHint = "make sure that api_key, token, or username and password is right, and that the key has not expired or been invalidated"
	privilegeHint  = "give the credential the privileges create_doc and auto_configure on the data stream or index; sluice check names what is missing"
	blockedHint    = "the index is blocked: make room on the disks of the cluster (flood stage), or remove the block; writing goes on by itself then"
	missingHint    = "create the data stream or index, or let it be created: install the index template with sluice assets install, and give the credential auto_configure"
	pipelineHint   = "create the ingest pipeline, such as with sluice assets install, or correct pipeline"
	serverlessHint = "set document_id: none, since this collection refuses ids; events that are sent again are then stored again"
	fieldsHint     = "the index has as many fields as it may have: install the index template with sluice assets install, or raise index.mapping.total_fields.limit"
	malformedHint  = "this is a mistake of Sluice, or a proxy changes requests: report it with this message"
	strangeHint    = "the server at url does not answer as the bulk API does, or a proxy changes its answers"
	renamedHint    = "an ingest pipeline changes _id, so the server cannot confirm events: install the pipeline of this version with sluice assets install, or set pipeline: _none"
)

// statuses are those of an answer as a whole. 200 alone has items; see read.
var statuses = posting.Common.With(posting.Statuses{
	2:                               {Verdict: posting.Retry, Hint: strangeHint},
	http.StatusOK:                   {Verdict: posting.Delivered},
	http.StatusBadRequest:           {Verdict: posting.Destination, Hint: malformedHint},
	http.StatusUnauthorized:         {Verdict: posting.Unauthorized, Hint: credentialHint},
	http.StatusForbidden:            {Verdict: posting.Unauthorized, Hint: privilegeHint},
	http.StatusNotFound:             {Verdict: posting.Destination, Hint: missingHint},
	http.StatusNotAcceptable:        {Verdict: posting.Destination, Hint: strangeHint},
	http.StatusUnprocessableEntity:  {Verdict: posting.Destination, Hint: strangeHint},
	http.StatusUnsupportedMediaType: {Verdict: posting.Destination, Hint: "set compression: none if the server at url cannot read gzip"},
})

// cause is the error of an answer or of an item.
type cause struct {
	Type   string
	Reason string
	Inner  *cause `json:"caused_by"`
}

// UnmarshalJSON also takes a text, which some answers have in place of an object.
func (c *cause) UnmarshalJSON(text []byte) error {
	if strings.HasPrefix(string(text), `"`) {
		return json.Unmarshal(text, &c.Reason)
	}
	type plain cause
	return json.Unmarshal(text, (*plain)(c))
}

// says reports whether the error or one of its causes has a type or a reason with that text.
func (c *cause) says(text string) bool {
	for ; c != nil; c = c.Inner {
		if strings.Contains(c.Type, text) || strings.Contains(c.Reason, text) {
			return true
		}
	}
	return false
}

// String describes the error, and what caused it if that says more.
func (c *cause) String() string {
	switch {
	case c == nil:
		return ""
	case c.Type == "":
		return c.Reason
	case c.Inner != nil && c.Inner.Reason != "" && c.Inner.Reason != c.Reason:
		return c.Type + ": " + c.Reason + ": " + c.Inner.Reason
	}
	return c.Type + ": " + c.Reason
}

// describe is what an answer that is no success says to people.
func describe(r posting.Reply) error {
	var body struct{ Error *cause }
	if err := json.Unmarshal(r.Body, &body); err != nil || body.Error == nil || body.Error.String() == "" {
		return r
	}
	return fmt.Errorf("%d %s: %s", r.Status, http.StatusText(r.Status), r.Excerpt(body.Error.String()))
}

// outcome is what an answer to a bulk request shows.
type outcome struct {
	rule  posting.Rule
	why   error   // of a rule that is not Delivered
	each  []fault // of each record, in order; nil: the answer proves nothing of any
	plain bool    // documents went to an index, not to a data stream
}

// fault is the outcome of one record. The zero fault is delivered.
type fault struct {
	rule posting.Rule
	why  error
}

// read judges an answer to a bulk request.
func (c *cluster) read(r posting.Reply, q posting.Request) outcome {
	if r.Status != http.StatusOK {
		rule, why := statuses.Reply(r), describe(r)
		switch text := why.Error(); {
		case r.Status == http.StatusForbidden && strings.Contains(text, "cluster_block_exception"):
			rule = posting.Rule{Verdict: posting.Destination, Hint: blockedHint}
		case r.Status == http.StatusBadRequest && strings.Contains(text, "Unexpected end"):
			rule = posting.Rule{Verdict: posting.Retry} // The body was cut on its way.
		}
		return outcome{rule: rule, why: why}
	}
	strange := func(rule posting.Rule, format string, args ...any) outcome {
		return outcome{rule: rule, why: fmt.Errorf(format, args...)}
	}
	again := posting.Rule{Verdict: posting.Retry, Hint: strangeHint}
	if r.Cut && q.Len() > 1 {
		return strange(posting.Rule{Verdict: posting.Split}, "the answer to %d documents has more than %d bytes", q.Len(), maxAnswer)
	}
	items, err := readItems(r.Body)
	switch {
	case err != nil:
		return strange(again, "200 OK with an answer that is not the bulk API's (%v): %s", err, r.Excerpt(string(r.Body)))
	case len(items) != q.Len():
		return strange(again, "the answer has %d items for %d documents", len(items), q.Len())
	}
	said := outcome{each: make([]fault, q.Len())}
	denied := 0
	for n, it := range items {
		if want := c.documents.id(&q.Records[n]); want != "" && it.ID != want {
			return strange(posting.Rule{Verdict: posting.Retry, Hint: renamedHint}, "item %d of the answer is about another document", n)
		}
		said.each[n] = c.judge(it, r)
		said.plain = said.plain || it.Status < 300 && it.Index == c.target
		if said.each[n].rule.Hint == privilegeHint {
			denied++
		}
	}
	if denied == q.Len() {
		return outcome{rule: posting.Rule{Verdict: posting.Unauthorized, Hint: privilegeHint}, why: said.each[0].why}
	}
	return said
}

// judge says what an item means for its record.
func (c *cluster) judge(it item, r posting.Reply) fault {
	as := func(verdict posting.Verdict, hint string) fault {
		return fault{posting.Rule{Verdict: verdict, Hint: hint}, fmt.Errorf("%d %s", it.Status, r.Excerpt(it.Error.String()))}
	}
	switch status := it.Status; {
	case (status == http.StatusOK || status == http.StatusCreated) && it.FailureStore == "used":
		return fault{posting.Rule{Verdict: posting.Rejected},
			fmt.Errorf("the document went to the failure store of %s, since its mapping or pipeline refused it: see GET %s::failures/_search there", c.target, c.target)}
	case (status == http.StatusOK || status == http.StatusCreated) && it.Error == nil:
		return fault{}
	case status == http.StatusConflict && it.Error.says("version_conflict_engine_exception") && c.documents.ids:
		return fault{} // It was there already.
	case it.Error.says("fail_processor_exception"): // with status 500
		return as(posting.Rejected, "")
	case status == http.StatusTooManyRequests && it.Error.says("cluster_block_exception"):
		return as(posting.Destination, blockedHint)
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		return as(posting.Retry, "")
	case status == http.StatusBadRequest:
		return c.judgeRefusal(it, as)
	case status == http.StatusForbidden && it.Error.says("cluster_block_exception"):
		return as(posting.Destination, blockedHint)
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return as(posting.Unauthorized, privilegeHint)
	case status == http.StatusNotFound:
		return as(posting.Destination, missingHint)
	}
	return as(posting.Retry, strangeHint)
}

// judgeRefusal is about status 400: most often a document that cannot be parsed, but also
// what is wrong with every document.
func (c *cluster) judgeRefusal(it item, as func(posting.Verdict, string) fault) fault {
	switch e := it.Error; {
	case e.says("Document ID is not supported"):
		return as(posting.Destination, serverlessHint)
	case e.says("pipeline with id ["):
		return as(posting.Destination, pipelineHint)
	case e.says("Limit of total fields"):
		return as(posting.Destination, fieldsHint)
	case e.says("validation_exception"), e.says("invalid_index_name_exception"), e.says("op_type of create are allowed"), e.says("index_closed_exception"):
		return as(posting.Destination, missingHint)
	}
	return as(posting.Rejected, "")
}

// answer turns the outcome of each record into an answer for the publication.
func (c *cluster) answer(at *node, said outcome) posting.Answer {
	if said.plain && c.documents.stream {
		c.warned.Do(func() {
			c.log.Warn().Str("index", c.target).Str("hint", "install the index template with sluice assets install, then delete this index; or write its name under index").
				Msg("events are stored in an index, since no index template makes it a data stream")
		})
	}
	a := posting.Answer{Each: make([]error, len(said.each))}
	for i, f := range said.each {
		err := c.errorOf(at, f)
		a.Each[i] = err
		if err != nil && f.rule.Verdict != posting.Rejected && a.Err == nil {
			a.Verdict, a.Err = f.rule.Verdict, err
		}
	}
	return a
}

// errorOf returns the error of a record.
func (c *cluster) errorOf(at *node, f fault) error {
	if f.rule.Verdict == posting.Delivered {
		return nil
	}
	err := at.Wrap(f.why)
	switch {
	case f.rule.Verdict == posting.Rejected:
		return sink.Permanent(err)
	case f.rule.Verdict == posting.Unauthorized:
		return sink.Refused(err, f.rule.Hint)
	case f.rule.Verdict == posting.Destination:
		return sink.Destination(err, f.rule.Hint)
	case f.rule.Hint != "":
		return sink.Hint(err, f.rule.Hint)
	}
	return err
}
