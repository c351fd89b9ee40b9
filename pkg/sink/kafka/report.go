package kafka

import "github.com/sluice-siem/sluice/pkg/sink"

// report turns the records' errors into the result of Publish: nil, a plain error if
// all records failed with the same retryable error, or a BatchError. Records with the
// same error share one explained error.
func (k *kafka) report(errs []error) error {
	var failed sink.BatchError
	explained := make(map[string]error)
	permanent := false
	for i, err := range errs {
		switch {
		case err == nil:
			continue
		case sink.IsPermanent(err):
			permanent = true
			err = k.publishing(err)
		default:
			err = k.explain(explained, err)
		}
		failed = append(failed, sink.RecordError{Index: i, Err: err})
	}
	switch {
	case len(failed) == 0:
		return nil
	case len(failed) == len(errs) && len(explained) == 1 && !permanent:
		return failed[0].Err
	}
	return failed
}

func (k *kafka) explain(known map[string]error, err error) error {
	text := err.Error()
	if e, ok := known[text]; ok {
		return e
	}
	e := k.settings.Cluster.Explain(k.publishing(err), k.settings.Topic)
	known[text] = e
	return e
}
