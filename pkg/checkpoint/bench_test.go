package checkpoint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source"
)

func BenchmarkSave(b *testing.B) {
	for _, size := range []int{1 << 10, 500 << 10} {
		b.Run(fmt.Sprintf("%d kB", size>>10), func(b *testing.B) {
			d := open(b, b.TempDir())
			pos := source.Position(`["` + strings.Repeat(`0123456789","`, size/13) + `"]`)
			b.SetBytes(int64(len(pos)))
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Save(b.Context(), lane, pos); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
