package objectstore_test

import (
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/setting"
)

func TestValidate(t *testing.T) {
	secret := setting.NewSecret("wJalrXUtnFEMI/K7MDENG")
	for _, tt := range []struct {
		name string
		s    objectstore.Settings
		key  string // of the only problem; empty: none
	}{
		{"a bucket alone", objectstore.Settings{Bucket: "audit"}, ""},
		{"all", objectstore.Settings{
			Bucket: "audit", Prefix: "a/b=c", Region: "eu-central-1", Endpoint: "https://minio:9000", AccessKeyID: secret, SecretAccessKey: secret,
			SessionToken: secret, RoleARN: "arn:aws-us-gov:iam::123456789012:role/path/sluice", ExternalID: "x", Encryption: "aws:kms", KMSKeyID: "alias/audit",
		}, ""},
		{"a simulator", objectstore.Settings{Bucket: "audit", Endpoint: "http://127.0.0.1:9000"}, ""},
		{"no bucket", objectstore.Settings{}, "bucket"},
		{"a URL as the bucket", objectstore.Settings{Bucket: "s3://audit/x"}, "bucket"},
		{"a slash at the end", objectstore.Settings{Bucket: "audit", Prefix: "a/"}, "prefix"},
		{"a prefix that leads out", objectstore.Settings{Bucket: "audit", Prefix: "../a"}, "prefix"},
		{"a prefix that needs escapes", objectstore.Settings{Bucket: "audit", Prefix: "a b"}, "prefix"},
		{"a region in words", objectstore.Settings{Bucket: "audit", Region: "EU (Frankfurt)"}, "region"},
		{"clear text", objectstore.Settings{Bucket: "audit", Endpoint: "http://minio:9000"}, "endpoint"},
		{"a bucket in the endpoint", objectstore.Settings{Bucket: "audit", Endpoint: "https://minio:9000/audit"}, "endpoint"},
		{"half a key", objectstore.Settings{Bucket: "audit", AccessKeyID: secret}, "secret_access_key"},
		{"the other half", objectstore.Settings{Bucket: "audit", SecretAccessKey: secret}, "access_key_id"},
		{"a session without a key", objectstore.Settings{Bucket: "audit", SessionToken: secret}, "session_token"},
		{"a role's name", objectstore.Settings{Bucket: "audit", RoleARN: "sluice"}, "role_arn"},
		{"an external id alone", objectstore.Settings{Bucket: "audit", ExternalID: "x"}, "external_id"},
		{"an unknown encryption", objectstore.Settings{Bucket: "audit", Encryption: "aes"}, "sse"},
		{"a key that is not used", objectstore.Settings{Bucket: "audit", Encryption: "AES256", KMSKeyID: "x"}, "kms_key_id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var keys []string
			for _, err := range tt.s.Validate() {
				keys = append(keys, err.(*setting.KeyError).Key)
			}
			if tt.key == "" && len(keys) > 0 || tt.key != "" && (len(keys) != 1 || keys[0] != tt.key) {
				t.Errorf("got problems of %v, want of %q", keys, tt.key)
			}
		})
	}
}
