package infer

import (
	"fmt"
	"testing"

	"github.com/repvit-go/repvit/graph"
)

// mobileNetV3 builds MobileNetV3-Large (arXiv 1905.02244, table 1) with random weights.
func mobileNetV3() *graph.Graph {
	b := newBuilder(3)
	hard, relu := graph.HardSwish{}, graph.Relu{}
	c := 16
	x := b.add(hard, b.conv(b.input(), 3, c, 3, 2, 1))
	for _, l := range []struct {
		kernel, expand, out int
		se                  bool
		act                 graph.Op
		stride              int
	}{
		{3, 16, 16, false, relu, 1}, {3, 64, 24, false, relu, 2}, {3, 72, 24, false, relu, 1},
		{5, 72, 40, true, relu, 2}, {5, 120, 40, true, relu, 1}, {5, 120, 40, true, relu, 1},
		{3, 240, 80, false, hard, 2}, {3, 200, 80, false, hard, 1}, {3, 184, 80, false, hard, 1}, {3, 184, 80, false, hard, 1},
		{3, 480, 112, true, hard, 1}, {3, 672, 112, true, hard, 1},
		{5, 672, 160, true, hard, 2}, {5, 960, 160, true, hard, 1}, {5, 960, 160, true, hard, 1},
	} {
		y := x
		if l.expand != c {
			y = b.add(l.act, b.conv(y, c, l.expand, 1, 1, 1))
		}
		y = b.add(l.act, b.conv(y, l.expand, l.expand, l.kernel, l.stride, l.expand))
		if l.se {
			mid := (l.expand/4 + 4) / 8 * 8
			s := b.add(relu, b.conv(b.add(graph.GlobalAveragePool{}, y), l.expand, mid, 1, 1, 1))
			y = b.add(graph.Mul{}, y, b.add(graph.HardSigmoid{Alpha: 1. / 6, Beta: 0.5}, b.conv(s, mid, l.expand, 1, 1, 1)))
		}
		y = b.conv(y, l.expand, l.out, 1, 1, 1)
		if l.stride == 1 && c == l.out {
			y = b.add(graph.Add{}, y, x)
		}
		x, c = y, l.out
	}
	x = b.add(hard, b.conv(x, c, 960, 1, 1, 1))
	x = b.add(graph.Flatten{}, b.add(graph.GlobalAveragePool{}, x))
	x = b.add(hard, b.add(graph.Gemm{}, x, b.normal(0.03, 1280, 960), b.normal(0.1, 1280)))
	b.Outputs = []*graph.Value{b.add(graph.Gemm{}, x, b.normal(0.03, 1000, 1280), b.normal(0.1, 1000))}
	return b.Graph
}

func TestMobileNetV3(t *testing.T) { compare(t, mobileNetV3(), randomInput(1, 3, 65, 96), 1e-5) }

func BenchmarkMobileNetV3(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) { benchmark(b, mobileNetV3(), threads, 1, 3, 224, 224) })
	}
}
