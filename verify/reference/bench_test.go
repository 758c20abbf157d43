package reference

import (
	"testing"

	"github.com/repvit-go/repvit/graph"
)

func benchmark(b *testing.B, training bool) {
	g := repvit(training, 224, 1000, []int{80, 160, 320, 640}, []int{7, 8, 36, 3})
	n, err := New(g, 0)
	if err != nil {
		b.Fatal(err)
	}
	x := noise(1, 1, 3, 224, 224)
	macs, err := g.MACs(graph.FixedShape(x.Shape...))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := n.Run(b.Context(), x); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(macs)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
}

// The largest published network, RepViT-M2.3.
func BenchmarkM23Deploy(b *testing.B)   { benchmark(b, false) }
func BenchmarkM23Training(b *testing.B) { benchmark(b, true) }
