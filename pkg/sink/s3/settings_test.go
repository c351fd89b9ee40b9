package s3_test

import (
	"testing"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/s3"
)

func TestValidate(t *testing.T) {
	s := s3.Type.Settings().(*s3.Settings)
	if errs := s.Validate(); len(errs) > 0 {
		t.Fatalf("before: %v", errs)
	}
	s.StorageClass = "DEEP_ARCHIVE"
	if errs := s.Validate(); len(errs) != 1 || errs[0].(*setting.KeyError).Key != "storage_class" {
		t.Errorf("got %v, want a problem of storage_class", errs)
	}
	lock := &s3.ObjectLock{Mode: "FOREVER"}
	if errs := lock.Validate(); len(errs) != 2 {
		t.Errorf("got %v, want problems of mode and retention", errs)
	}
}
