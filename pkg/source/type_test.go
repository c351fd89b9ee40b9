package source_test

import (
	"context"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source"
)

// TestATypeThatItsAuthorGotWrong breaks one thing of a good type, and wants an error that
// names it.
func TestATypeThatItsAuthorGotWrong(t *testing.T) {
	for want, spoil := range map[string]func(*source.Type){
		"":                                          func(*source.Type) {},
		`the name "Acme" is not a word of a-z`:      func(k *source.Type) { k.Name = "Acme" },
		"make the type with source.NewType":         func(k *source.Type) { k.Open = nil },
		"Parse is missing":                          func(k *source.Type) { k.Parse = nil },
		"Product.Vendor is empty":                   func(k *source.Type) { k.Product.Vendor = "" },
		"Product.Version is empty":                  func(k *source.Type) { k.Product.Version = "" },
		`Product.Dataset "acme" is not two words`:   func(k *source.Type) { k.Product.Dataset = "acme" },
		"Product.Keys.ID is empty":                  func(k *source.Type) { k.Product.Keys.ID = "" },
		`"actor" is taken`:                          func(k *source.Type) { k.Product.Objects[0] = "actor" },
		`"My safe" is not a word of a-z, 0-9 and _`: func(k *source.Type) { k.Product.Objects[1] = "My safe" },
		`both are called "safe"`:                    func(k *source.Type) { k.Product.Objects[1] = "safe" },
	} {
		k := source.NewType("acme", struct{}{}, func(context.Context, source.OpenEnv, struct{}) (source.Source, error) { return nil, nil })
		k.Parse = func([]byte, string) ([]source.Event, error) { return nil, nil }
		k.Product = source.Product{
			Vendor: "Acme", Name: "Acme Vault", Feature: "Audit Log", Version: "3", Dataset: "acme.vault",
			Objects: [2]string{"safe", "room"}, Keys: source.Keys{ID: "ref"},
		}
		spoil(&k)
		switch err := k.Validate(); {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")):
			t.Errorf("got %v, want only: %s", err, want)
		}
	}
}
