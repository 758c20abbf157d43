package tflite_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/formattest"
	"github.com/repvit-go/repvit/internal/optest"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/tflite"
	"github.com/repvit-go/repvit/verify"
)

func encode(t testing.TB, g *graph.Graph, o tflite.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tflite.Encode(&b, g, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	square := model.Options{Height: 64, Width: 64}
	rounded := func(name string, o quant.Options) *graph.Graph {
		g := formattest.Fused(t, name, square)
		q, _, err := quant.Quantize(t.Context(), g, g, []*graph.Tensor{noise(t, 8)}, [2]int{64, 64}, o)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	int8 := func(scope quant.Scope) *graph.Graph { return rounded("v2_release.pth", quant.Options{Scope: scope}) }
	integers := quant.Options{Scope: quant.All, Integers: true}
	for name, c := range map[string]struct {
		g         *graph.Graph
		o         tflite.Options
		tolerance float64
	}{
		"float32":      {formattest.Fused(t, "v2_release.pth", square), tflite.Options{}, 1e-6},
		"uneven":       {formattest.Fused(t, "v1_release.pth", model.Options{Height: 75, Width: 91}), tflite.Options{}, 1e-6},
		"feature maps": {formattest.Fused(t, "v2_train.pth", model.Options{Height: 64, Width: 96, Features: true}), tflite.Options{}, 1e-6},
		"softmax":      {formattest.Fused(t, "timm_v2.pth", model.Options{Height: 64, Width: 64, Softmax: true}), tflite.Options{}, 1e-6},
		"float16":      {formattest.Fused(t, "v2_release.pth", square), tflite.Options{Half: true}, 5e-3},
		"labels":       {formattest.Fused(t, "v2_release.pth", square), tflite.Options{Labels: []string{"a", "Käse"}, Mean: []float64{.1, .2, .3}, Std: []float64{1, 1, 1}}, 1e-6},
		"pointwise":    {int8(quant.Pointwise), tflite.Options{}, 1e-6},
		"all int8":     {int8(quant.All), tflite.Options{}, 1e-6},
		"integers":     {rounded("v2_release.pth", integers), tflite.Options{Integers: true}, 1e-6},
		"MobileNetV3":  {rounded("families/mobilenetv3_small.pth", integers), tflite.Options{Integers: true}, 1e-6},
	} {
		data := encode(t, c.g, c.o)
		if !tflite.Is(data) || !bytes.Equal(data, encode(t, c.g, c.o)) {
			t.Errorf("%s: other bytes the second time", name)
		}
		got, err := tflite.Decode(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if in := got.Inputs[0]; c.o.Integers && len(got.Consumers()[in]) != 1 {
			t.Errorf("%s: the input is read %d times, want it quantized and nothing else", name, len(got.Consumers()[in]))
		}
		if got.Name != c.g.Name || len(got.Metadata) != len(c.g.Metadata) || got.Outputs[0].Name != c.g.Outputs[0].Name {
			t.Errorf("%s: name %q, metadata %v, output %q", name, got.Name, got.Metadata, got.Outputs[0].Name)
		}
		if d, _ := formattest.Compared(t, got, c.g); d > c.tolerance {
			t.Errorf("%s: off by %.2g", name, d)
		}
		if c.o.Labels != nil && !bytes.Contains(data, []byte("a\nKäse\n")) {
			t.Errorf("%s: no labels", name)
		}
	}
}

// noise returns images of noise.
func noise(t testing.TB, n int) *graph.Tensor {
	t.Helper()
	x, err := verify.RandomInput([]int{n, 3, 64, 64}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return x
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
			for _, g := range []*graph.Graph{g, quantized(g)} {
				if g == nil {
					continue
				}
				var b bytes.Buffer
				err := tflite.Encode(&b, g, tflite.Options{})
				if errors.Is(err, tflite.ErrUnsupported) {
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
					continue
				}
				got, err := tflite.Decode(b.Bytes())
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
					continue
				}
				if d, _ := formattest.Compared(t, got, g); d > 2*c.Tolerance+1e-6 {
					t.Errorf("%s: off by %.2g", c.Name, d)
				}
				kinds := map[string]bool{}
				for _, n := range got.Nodes {
					kinds[n.Op.Kind()] = true
				}
				for _, n := range g.Nodes {
					kind := n.Op.Kind()
					written[kind] = true
					if !kinds[kind] && !n.Is(graph.Converts) {
						t.Errorf("%s: %s was read as something else", c.Name, kind)
					}
				}
			}
		}
	}
	for _, kind := range tflite.Written() {
		if !written[kind] {
			t.Errorf("no case of %s is written", kind)
		}
	}
}

func quantized(g *graph.Graph) *graph.Graph { q, _ := optest.Int8(g); return q }

func TestErrors(t *testing.T) {
	free := formattest.Fused(t, "v2_release.pth", model.Options{})
	if err := tflite.Encode(io.Discard, free, tflite.Options{}); !errors.Is(err, tflite.ErrUnsupported) {
		t.Errorf("a free size: %v", err)
	}
	if err := tflite.Encode(io.Discard, formattest.Fused(t, "v2_release.pth", model.Options{Height: 64, Width: 64}), tflite.Options{Integers: true}); !errors.Is(err, tflite.ErrUnsupported) {
		t.Errorf("integers of floats: %v", err)
	}
	good := encode(t, formattest.Fused(t, "v2_release.pth", model.Options{Height: 64, Width: 64}), tflite.Options{})
	for name, data := range map[string][]byte{"nothing": nil, "another file": []byte("PK\x03\x04hello there"), "half": good[:len(good)/2], "a head": good[:100]} {
		if _, err := tflite.Decode(data); !errors.Is(err, tflite.ErrFormat) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// No cut and no changed byte panics, and whatever is read can be run or is refused.
	for at := 0; at < len(good); at += 97 {
		changed := bytes.Clone(good)
		changed[at] ^= 0x55
		_, _ = tflite.Decode(changed)
		_, _ = tflite.Decode(good[:at])
	}
}

// gates is a hard sigmoid of integers alone.
func gates() *graph.Graph {
	g := &graph.Graph{Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 2, 4, 4)}}}}
	rounded := func(v *graph.Value, name string, scale float32, zero uint8) *graph.Value {
		s, z := graph.Weight(name+".scale", graph.Float32Tensor([]int{}, []float32{scale})), graph.Weight(name+".zero_point", graph.Uint8Tensor([]int{}, []uint8{zero}))
		return g.Add(name, graph.DequantizeLinear{}, g.Add(name+".int8", graph.QuantizeLinear{}, v, s, z), s, z)
	}
	y := g.Add("y.raw", graph.HardSigmoid{Alpha: 1. / 6, Beta: 0.5}, rounded(g.Inputs[0], "x.dequantized", 0.05, 120))
	g.Outputs = []*graph.Value{rounded(y, "y", 1./255, 0)}
	return g
}

// What is spelled of integers rounds as often as the graph does, and is one operator again; with another scale it is a float.
func TestIntegers(t *testing.T) {
	g := gates()
	got, err := tflite.Decode(encode(t, g, tflite.Options{Integers: true}))
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := formattest.Compared(t, got, g); d != 0 || len(got.Nodes) != len(g.Nodes) {
		t.Errorf("off by %.2g, %d nodes of %d", d, len(got.Nodes), len(g.Nodes))
	}
	for _, n := range g.Nodes {
		if n.Name() == "y.int8" {
			n.Inputs[1].Const = graph.Float32Tensor([]int{}, []float32{1. / 254})
		}
	}
	if err := tflite.Encode(io.Discard, g, tflite.Options{Integers: true}); !errors.Is(err, tflite.ErrUnsupported) {
		t.Errorf("another scale: %v", err)
	}
	if d, _ := formattest.Compared(t, decoded(t, g), g); d != 0 {
		t.Errorf("in floats: off by %.2g", d)
	}
}

func decoded(t *testing.T, g *graph.Graph) *graph.Graph {
	t.Helper()
	got, err := tflite.Decode(encode(t, g, tflite.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func FuzzDecode(f *testing.F) {
	small := &graph.Graph{Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 2, 4, 4)}}}}
	w := graph.Weight("w", graph.Float32Tensor([]int{3, 2, 3, 3}, make([]float32, 54)))
	y := small.Add("c", graph.Conv{Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, Group: 1}, small.Inputs[0], w)
	y = small.Add("g", graph.Gelu{}, y)
	y = small.Add("l", graph.LayerNorm{Axes: []int{-3}, Epsilon: 1e-5}, y, graph.Weight("l.w", graph.Float32Tensor([]int{3, 1, 1}, []float32{1, 2, 3})))
	y = small.Add("m", graph.MaxPool{Kernel: [2]int{2, 1}, Strides: [2]int{1, 1}}, small.Add("h", graph.HardSigmoid{Alpha: 0.2, Beta: 0.5}, y))
	top := small.Add("t", graph.ArgMax{Axis: -3, KeepDims: true}, y)
	y = small.Add("f", graph.Flatten{}, small.Add("p", graph.GlobalAveragePool{}, y))
	small.Outputs = []*graph.Value{small.Add("y", graph.Softmax{}, y), top}
	for _, o := range []tflite.Options{{}, {Half: true}} {
		f.Add(encode(f, small, o))
	}
	f.Add(encode(f, gates(), tflite.Options{Integers: true}))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := tflite.Decode(data)
		formattest.Decoded(t, g, err, tflite.ErrFormat, tflite.ErrUnsupported, graph.ErrTooLarge)
	})
}
