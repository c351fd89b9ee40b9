package elasticsearch

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadItems(t *testing.T) {
	body := ` {"took":3,"errors":true,"items":[
		{"create":{"_index":".ds-a-000001","_id":"acme|\u0031","_version":1,"result":"created","status":201,"_shards":{"total":2}}},
		{"create":{"_id":"acme|2","status":400,"error":{"type":"a","reason":"b","caused_by":{"type":"c","reason":"d"}}}},
		{"create":{"_id":null,"status":201,"failure_store":"used","error":null}},
		{"create":{"status":500,"error":"a text"}}],"ingest_took":4}`
	got, err := readItems([]byte(body), 4)
	if err != nil {
		t.Fatal(err)
	}
	want := []item{
		{ID: "acme|1", Index: ".ds-a-000001", Status: 201, Result: "created"},
		{ID: "acme|2", Status: 400, Error: &cause{Type: "a", Reason: "b", Inner: &cause{Type: "c", Reason: "d"}}},
		{Status: 201, FailureStore: "used"},
		{Status: 500, Error: &cause{Reason: "a text"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

func TestReadItemsRefuses(t *testing.T) {
	for _, body := range []string{
		``, `null`, `[]`, `{"items":[`, `{"items":[]}x`, `{"items":[],"items":[]}`, `{"items":[null]}`, `{"items":[{}]}`,
		`{"items":[{"index":{"status":201}}]}`, `{"items":[{"create":null}]}`, `{"items":[{"create":{"status":201},"create":{"status":201}}]}`,
		`{"items":[{"create":{"status":201}},{"create":{"status":201}},{"create":{"status":201}}]}`,
		`{"items":[{"create":{"status":"201"}}]}`, `{"items":[{"create":{"status":2e2}}]}`, `{"items":[{"create":{"error":1}}]}`,
	} {
		if items, err := readItems([]byte(body), 2); err == nil {
			t.Errorf("%s: got %v", body, items)
		}
	}
}

// Whatever is read is JSON that encoding/json reads in the same way.
func FuzzReadItems(f *testing.F) {
	f.Add([]byte(`{"items":[{"create":{"_id":"a","status":201}}]}`))
	f.Add([]byte(`{"items":[{"create":{"_id":"a","status":400,"error":{"type":"x"}}}],"errors":true}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := readItems(body, 1<<20)
		if err == nil && !json.Valid(body) {
			t.Errorf("%d items of what is no JSON", len(items))
		}
	})
}
