package ecs_test

import "testing"

const (
	openSearchTemplate    = "../../../configs/opensearch/index-template.json"
	openSearchPipeline    = "../../../configs/opensearch/ingest-pipeline.json"
	openSearchOwnTemplate = "../../../configs/opensearch/own-index-template.json"
	openSearchOwnPipeline = "../../../configs/opensearch/own-ingest-pipeline.json"
)

// TestOpenSearchTemplateMapsEveryField is TestElasticTemplateMapsEveryField for OpenSearch.
// With -update the test writes the properties.
func TestOpenSearchTemplateMapsEveryField(t *testing.T) {
	checkProperties(t, openSearchTemplate, openSearchProperties(t))
	checkProperties(t, openSearchOwnTemplate, ofOwnLog(openSearchProperties(t)))
}

func openSearchProperties(t *testing.T) object {
	t.Helper()
	all := properties(t)
	// OpenSearch refuses a constant_keyword without a value. Of one with a value,
	// aggregations of OpenSearch 2.19.6 see the name of the index.
	for _, name := range []string{"type", "dataset", "namespace"} {
		place(all, "data_stream."+name, object{"type": "keyword", "ignore_above": 1024})
	}
	// The pipeline writes it. Elasticsearch has it in its component ecs@mappings.
	place(all, "event.ingested", mapping("event.ingested", "date"))
	return all
}

func TestOpenSearchPipelineNamesRequiredFields(t *testing.T) {
	checkPipeline(t, openSearchPipeline)
	checkPipeline(t, openSearchOwnPipeline)
}
