package elasticsearch

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
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
	fieldsHint     = "with its fields the index would have more than it may have: install the index template with sluice assets install, or raise index.mapping.total_fields.limit"
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

// Types of errors (the names of the servers' classes).
const (
	blockType    = "cluster_block_exception"
	argumentType = "illegal_argument_exception"
)

// is reports whether the error or one of its causes has one of the types. A reason decides
// nothing by itself: servers repeat values of the document in it.
func (c *cause) is(types ...string) bool {
	for ; c != nil; c = c.Inner {
		if slices.Contains(types, c.Type) {
			return true
		}
	}
	return false
}

// argues reports whether the server refuses an argument with a reason that begins so. The
// causes of an error do not count: a pipeline's script chooses their reasons.
func (c *cause) argues(beginning string) bool {
	return c != nil && c.Type == argumentType && strings.HasPrefix(c.Reason, beginning)
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

// causeOf is the error of an answer that is no success; nil if it has none.
func causeOf(r posting.Reply) *cause {
	var body struct{ Error *cause }
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return nil
	}
	return body.Error
}

// describe is what an answer that is no success says to people.
func describe(r posting.Reply) error {
	text := causeOf(r).String()
	if text == "" {
		return r
	}
	return fmt.Errorf("%d %s: %s", r.Status, http.StatusText(r.Status), r.Excerpt(text))
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

// ruleOf is what an answer means that is no success.
func ruleOf(r posting.Reply) posting.Rule {
	switch why := causeOf(r); {
	case r.Status == http.StatusForbidden && why.is(blockType):
		return posting.Rule{Verdict: posting.Destination, Hint: blockedHint}
	case r.Status == http.StatusBadRequest && why.is("e_o_f_exception", "json_e_o_f_exception", "i_o_exception"):
		return posting.Rule{Verdict: posting.Retry} // The body was cut on its way.
	}
	return statuses.Reply(r)
}

// read judges an answer to a bulk request.
func (c *cluster) read(r posting.Reply, q posting.Request) outcome {
	if r.Status != http.StatusOK {
		return outcome{rule: ruleOf(r), why: describe(r)}
	}
	strange := func(rule posting.Rule, format string, args ...any) outcome {
		return outcome{rule: rule, why: fmt.Errorf(format, args...)}
	}
	again := posting.Rule{Verdict: posting.Retry, Hint: strangeHint}
	if r.Cut && q.Len() > 1 {
		return strange(posting.Rule{Verdict: posting.Split}, "the answer to %d documents has more than %d bytes", q.Len(), answerBytes(q))
	}
	items, err := readItems(r.Body, q.Len())
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
	switch status, success := it.Status, it.Status == http.StatusOK || it.Status == http.StatusCreated; {
	case success && it.FailureStore == "used":
		return fault{posting.Rule{Verdict: posting.Rejected},
			fmt.Errorf("the document went to the failure store of %s, since its mapping or pipeline refused it: see GET %s::failures/_search there", c.target, c.target)}
	case success && it.Error == nil && it.Result == "created":
		return fault{}
	case success && it.Error == nil && it.Result == "noop":
		return fault{posting.Rule{Verdict: posting.Rejected}, errors.New("an ingest pipeline dropped it")}
	case success && it.Error == nil:
		return fault{posting.Rule{Verdict: posting.Retry, Hint: strangeHint}, fmt.Errorf("%d without the result created", status)}
	case status == http.StatusConflict && it.Error.is("version_conflict_engine_exception") && c.documents.ids:
		return fault{} // It was there already.
	case status == http.StatusInternalServerError && it.Error.is("fail_processor_exception"):
		return as(posting.Rejected, "")
	case status == http.StatusTooManyRequests && it.Error.is(blockType):
		return as(posting.Destination, blockedHint)
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		return as(posting.Retry, "")
	case status == http.StatusBadRequest:
		return c.judgeRefusal(it, as)
	case status == http.StatusForbidden && it.Error.is(blockType):
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
	case e.argues("Document ID is not supported"):
		return as(posting.Destination, serverlessHint)
	case e.argues("pipeline with id ["):
		return as(posting.Destination, pipelineHint)
	case e.argues("Limit of total fields"):
		return as(posting.Rejected, fieldsHint)
	case e.argues("only write ops with an op_type of create are allowed"), e.is("validation_exception", "invalid_index_name_exception", "index_closed_exception"):
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
	case f.rule.Verdict == posting.Rejected && f.rule.Hint != "":
		return sink.Permanent(fmt.Errorf("%w; %s", err, f.rule.Hint)) // A dead letter has the reason alone.
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
