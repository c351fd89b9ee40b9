package objects_test

import (
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/internal/objects"
)

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		key    string
		change func(*objects.Options)
	}{
		{"delivery", func(o *objects.Options) { o.Delivery = "twice" }},
		{"flush_interval", func(o *objects.Options) { o.FlushInterval = setting.Duration(time.Hour) }},
		{"max_object_bytes", func(o *objects.Options) { o.MaxObjectBytes = 1 }},
		{"compression", func(o *objects.Options) { o.Compression = "zip" }},
	} {
		o := objects.Defaults
		if errs := o.Validate(); len(errs) > 0 {
			t.Fatalf("before: %v", errs)
		}
		tt.change(&o)
		errs := o.Validate()
		if len(errs) != 1 || errs[0].(*setting.KeyError).Key != tt.key {
			t.Errorf("got %v, want a problem of %s", errs, tt.key)
		}
	}
}
