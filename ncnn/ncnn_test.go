package ncnn_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/formattest"
	"github.com/repvit-go/repvit/internal/optest"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/ncnn"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/verify"
)

func encode(t testing.TB, g *graph.Graph, o ncnn.Options) (param, bin []byte) {
	t.Helper()
	var p, b bytes.Buffer
	if err := ncnn.Encode(&p, &b, g, o); err != nil {
		t.Fatal(err)
	}
	return p.Bytes(), b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	square := model.Options{Height: 64, Width: 64}
	for name, c := range map[string]struct {
		g         *graph.Graph
		o         ncnn.Options
		tolerance float64
	}{
		"float32":      {formattest.Fused(t, "v2_release.pth", square), ncnn.Options{}, 1e-6},
		"uneven":       {formattest.Fused(t, "v1_release.pth", model.Options{Height: 75, Width: 91}), ncnn.Options{}, 1e-6},
		"feature maps": {formattest.Fused(t, "v2_train.pth", model.Options{Height: 64, Width: 96, Features: true}), ncnn.Options{}, 1e-6},
		"softmax":      {formattest.Fused(t, "timm_v2.pth", model.Options{Height: 64, Width: 64, Softmax: true}), ncnn.Options{}, 1e-6},
		"float16":      {formattest.Fused(t, "v2_release.pth", square), ncnn.Options{Half: true}, 5e-3},
	} {
		param, bin := encode(t, c.g, c.o)
		p, b := encode(t, c.g, c.o)
		if !ncnn.Is(param) || !bytes.Equal(p, param) || !bytes.Equal(b, bin) {
			t.Errorf("%s: other bytes the second time", name)
		}
		got, err := ncnn.Decode(param, bin)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d, _ := formattest.Compared(t, got, c.g); d > c.tolerance {
			t.Errorf("%s: off by %.2g", name, d)
		}
	}
}

// int8 is rounded in ncnn's way, symmetrically and behind activations: it is nearly as near to float as
// package quant's.
func TestInt8(t *testing.T) {
	g := formattest.Fused(t, "v2_release.pth", model.Options{Height: 64, Width: 64})
	x, err := verify.RandomInput([]int{8, 3, 64, 64}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range []quant.Scope{quant.Pointwise, quant.All} {
		q, _, err := quant.Quantize(t.Context(), g, g, []*graph.Tensor{x}, [2]int{64, 64}, quant.Options{Scope: scope})
		if err != nil {
			t.Fatal(err)
		}
		param, bin := encode(t, q, ncnn.Options{})
		if scope == quant.All && !bytes.Contains(param, []byte(" 8=1")) || !bytes.Contains(param, []byte(" 8=2")) {
			t.Errorf("%s: not in int8", scope)
		}
		got, err := ncnn.Decode(param, bin)
		if err != nil {
			t.Fatal(err)
		}
		_, own := formattest.Compared(t, q, g)
		if _, sqnr := formattest.Compared(t, got, g); sqnr < own-9 {
			t.Errorf("%s: SQNR %.1f dB, package quant's has %.1f", scope, sqnr, own)
		}
	}
}

// Outputs that the network rounds are what it rounds, as everything between is.
func TestQuantizedOutputs(t *testing.T) {
	g := formattest.Fused(t, "v2_release.pth", model.Options{Height: 64, Width: 64, Features: true})
	x, err := verify.RandomInput([]int{8, 3, 64, 64}, 2)
	if err != nil {
		t.Fatal(err)
	}
	q, _, err := quant.Quantize(t.Context(), g, g, []*graph.Tensor{x}, [2]int{64, 64}, quant.Options{Scope: quant.All, NoLogits: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := q.Producers()[q.Outputs[0]].Op.(graph.DequantizeLinear); !ok {
		t.Fatal("no output is rounded")
	}
	got, err := ncnn.Decode(encode(t, q, ncnn.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	_, own := formattest.Compared(t, q, g)
	if _, sqnr := formattest.Compared(t, got, g); sqnr < own-9 {
		t.Errorf("SQNR %.1f dB, package quant's has %.1f", sqnr, own)
	}
}

// Outputs are in the order of the graph, in which they need not be made.
func TestOutputs(t *testing.T) {
	g := &graph.Graph{Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 2, 3, 3)}}}}
	y := g.Inputs[0]
	for i := range 12 {
		y = g.Add(fmt.Sprint("y", i), graph.Sigmoid{}, y)
		g.Outputs = append([]*graph.Value{y}, g.Outputs...)
	}
	got, err := ncnn.Decode(encode(t, g, ncnn.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := formattest.Compared(t, got, g); d > 1e-6 {
		t.Errorf("off by %.2g", d)
	}
}

// Of every operator, what is written is read with the same result, or it is refused as unsupported.
func TestOperators(t *testing.T) {
	written := map[string]bool{}
	for _, c := range optest.Cases() {
		for _, shape := range c.Shapes() {
			if shape[0] != 1 {
				continue
			}
			g := c.Graph.Clone()
			g.Inputs[0].Type = &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(shape...)}
			var p, b bytes.Buffer
			err := ncnn.Encode(&p, &b, g, ncnn.Options{})
			if errors.Is(err, ncnn.ErrUnsupported) {
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
				continue
			}
			got, err := ncnn.Decode(p.Bytes(), b.Bytes())
			if err != nil {
				t.Errorf("%s: %v\n%s", c.Name, err, p.String())
				continue
			}
			if d, _ := formattest.Compared(t, got, g); d > 2*c.Tolerance+1e-6 {
				t.Errorf("%s: off by %.2g", c.Name, d)
			}
			if kind := c.Op.Kind(); kind != (graph.Gemm{}).Kind() && !c.Op.Traits().Has(graph.Converts) && !slices.ContainsFunc(got.Nodes, func(n *graph.Node) bool { return n.Op.Kind() == kind }) {
				t.Errorf("%s: read as something else", c.Name)
			}
			written[c.Op.Kind()] = true
		}
	}
	for _, op := range []graph.Op{graph.Conv{}, graph.Gemm{}, graph.Gelu{}, graph.Relu{}, graph.Sigmoid{}, graph.HardSigmoid{}, graph.HardSwish{}, graph.Add{}, graph.Mul{},
		graph.GlobalAveragePool{}, graph.MaxPool{}, graph.LayerNorm{}, graph.Resize{}, graph.Flatten{}, graph.Softmax{}} {
		if !written[op.Kind()] {
			t.Errorf("no case of %s is written", op.Kind())
		}
	}
}

func TestErrors(t *testing.T) {
	if err := ncnn.Encode(io.Discard, io.Discard, formattest.Fused(t, "v2_release.pth", model.Options{}), ncnn.Options{}); !errors.Is(err, ncnn.ErrUnsupported) {
		t.Errorf("a free size: %v", err)
	}
	param, bin := encode(t, formattest.Fused(t, "v2_release.pth", model.Options{Height: 64, Width: 64}), ncnn.Options{})
	replaced := func(old, new string) []byte { return bytes.Replace(param, []byte(old), []byte(new), 1) }
	for name, c := range map[string]struct {
		param, bin []byte
		is         error
	}{
		"nothing":           {nil, bin, ncnn.ErrFormat},
		"half the weights":  {param, bin[:len(bin)/2], ncnn.ErrFormat},
		"more weights":      {param, append(bytes.Clone(bin), 0), ncnn.ErrFormat},
		"half the layers":   {param[:len(param)/2], bin, ncnn.ErrFormat},
		"an unknown layer":  {replaced("GELU", "LSTM"), bin, ncnn.ErrUnsupported},
		"tanh":              {replaced("features.0.conv1 features.0.act\n", "features.0.conv1 features.0.act 0=1\n"), bin, ncnn.ErrUnsupported},
		"a blob twice":      {replaced("features.0.conv1 features.0.act\n", "features.0.conv1 in0\n"), bin, ncnn.ErrFormat},
		"no such blob":      {replaced("1 1 features.0.conv1 ", "1 1 features.9.conv1 "), bin, ncnn.ErrFormat},
		"a parameter twice": {replaced("0=64 1=64", "0=64 0=64"), bin, ncnn.ErrFormat},
		"negative weights":  {replaced("6=216", "6=-216"), bin, ncnn.ErrFormat},
		"huge outputs":      {replaced("0=8 1=3", "0=2147483647 1=3"), bin, ncnn.ErrFormat},
		"another tag":       {param, append([]byte{1, 2, 3, 4}, bin[4:]...), ncnn.ErrUnsupported},
	} {
		if _, err := ncnn.Decode(c.param, c.bin); !errors.Is(err, c.is) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, expected %v", name, err, c.is)
		}
	}
}

func FuzzDecode(f *testing.F) {
	small := &graph.Graph{Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 2, 4, 4)}}}}
	w := graph.Weight("w", graph.Float32Tensor([]int{3, 2, 3, 3}, make([]float32, 54)))
	y := small.Add("c", graph.Conv{Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, Group: 1}, small.Inputs[0], w)
	y = small.Add("a", graph.Add{}, y, small.Add("g", graph.Gelu{}, y))
	y = small.Add("l", graph.LayerNorm{Axes: []int{-3}, Epsilon: 1e-5}, y, graph.Weight("l.w", graph.Float32Tensor([]int{3, 1, 1}, []float32{1, 2, 3})))
	y = small.Add("m", graph.MaxPool{Kernel: [2]int{2, 1}, Strides: [2]int{1, 1}}, small.Add("h", graph.HardSigmoid{Alpha: 0.2, Beta: 0.5}, y))
	y = small.Add("f", graph.Flatten{}, small.Add("p", graph.GlobalAveragePool{}, y))
	small.Outputs = []*graph.Value{small.Add("y", graph.Softmax{}, y)}
	for _, o := range []ncnn.Options{{}, {Half: true}} {
		param, bin := encode(f, small, o)
		f.Add(param, bin)
	}
	f.Fuzz(func(t *testing.T, param, bin []byte) {
		g, err := ncnn.Decode(param, bin)
		formattest.Decoded(t, g, err, ncnn.ErrFormat, ncnn.ErrUnsupported, graph.ErrTooLarge)
	})
}
