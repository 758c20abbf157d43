package coreml_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/coreml"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/formattest"
	"github.com/repvit-go/repvit/internal/optest"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/verify"
)

// pack is a package's files: manifest, program, weights.
type pack [3][]byte

func encode(t testing.TB, g *graph.Graph, o coreml.Options) pack {
	t.Helper()
	var b [3]bytes.Buffer
	if err := coreml.Encode(&b[0], &b[1], &b[2], g, o); err != nil {
		t.Fatal(err)
	}
	return pack{b[0].Bytes(), b[1].Bytes(), b[2].Bytes()}
}

func (p pack) decode() (*graph.Graph, error) { return coreml.Decode(p[0], p[1], p[2]) }

func int8(t testing.TB, scope quant.Scope) *graph.Graph {
	t.Helper()
	g := formattest.Fused(t, "v2_release.pth", model.Options{Height: 64, Width: 64})
	x, err := verify.RandomInput([]int{8, 3, 64, 64}, 1)
	if err != nil {
		t.Fatal(err)
	}
	q, _, err := quant.Quantize(t.Context(), g, g, []*graph.Tensor{x}, [2]int{64, 64}, quant.Options{Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	return quant.FloatBiases(q)
}

func TestRoundTrip(t *testing.T) {
	square := model.Options{Height: 64, Width: 64}
	labels := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "Käse, grün"}
	image := coreml.Options{Mean: []float64{.485, .456, .406}, Std: []float64{.229, .224, .225}}
	for name, c := range map[string]struct {
		g *graph.Graph
		o coreml.Options
	}{
		"float32":      {formattest.Fused(t, "v2_release.pth", square), coreml.Options{}},
		"uneven":       {formattest.Fused(t, "v1_release.pth", model.Options{Height: 75, Width: 91}), coreml.Options{}},
		"feature maps": {formattest.Fused(t, "v2_train.pth", model.Options{Height: 64, Width: 96, Features: true}), coreml.Options{}},
		"softmax":      {formattest.Fused(t, "timm_v2.pth", model.Options{Height: 64, Width: 64, Softmax: true}), coreml.Options{}},
		"float16":      {quant.Half(formattest.Fused(t, "v2_release.pth", square)), coreml.Options{}},
		"image":        {quant.Half(formattest.Fused(t, "v2_release.pth", square)), image},
		"classifier":   {formattest.Fused(t, "v2_release.pth", model.Options{Height: 64, Width: 64, Softmax: true}), coreml.Options{Labels: labels, Mean: image.Mean, Std: image.Std}},
		"pointwise":    {quant.Half(int8(t, quant.Pointwise)), image},
		"all int8":     {int8(t, quant.All), coreml.Options{}},
		"int8 weights": {quant.Half(int8(t, quant.Weights)), image},
	} {
		p := encode(t, c.g, c.o)
		again := encode(t, c.g, c.o)
		for i := range p {
			if !bytes.Equal(p[i], again[i]) {
				t.Errorf("%s: other bytes the second time", name)
			}
		}
		if !coreml.Is(p[0]) {
			t.Errorf("%s: not known by its manifest", name)
		}
		got, err := p.decode()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Name != c.g.Name || len(got.Metadata) != len(c.g.Metadata) || got.Outputs[0].Name != c.g.Outputs[0].Name || len(got.Nodes) != len(c.g.Nodes) {
			t.Errorf("%s: name %q, metadata %v, output %q, %d nodes", name, got.Name, got.Metadata, got.Outputs[0].Name, len(got.Nodes))
			continue
		}
		for i, n := range got.Nodes {
			if want := c.g.Nodes[i]; n.Name() != want.Name() || n.Op.Kind() != want.Op.Kind() {
				t.Errorf("%s: node %s %q, want %s %q", name, n.Op.Kind(), n.Name(), want.Op.Kind(), want.Name())
				break
			}
		}
		if d, _ := formattest.Compared(t, got, c.g); d > 1e-6 {
			t.Errorf("%s: off by %.2g", name, d)
		}
	}
}

// Of every operator, what is written is read with the same result, or it is refused as unsupported.
func TestOperators(t *testing.T) {
	written := map[string]bool{}
	for _, c := range optest.Cases() {
		for _, shape := range c.Shapes() {
			g := c.Graph.Clone()
			if len(g.Inputs) != 1 {
				continue
			}
			g.Inputs[0].Type = &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(shape...)}
			for _, g := range []*graph.Graph{g, quantized(g)} {
				if g == nil {
					continue
				}
				g = quant.FloatBiases(g)
				var b [3]bytes.Buffer
				err := coreml.Encode(&b[0], &b[1], &b[2], g, coreml.Options{})
				if errors.Is(err, coreml.ErrUnsupported) {
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
					continue
				}
				got, err := coreml.Decode(b[0].Bytes(), b[1].Bytes(), b[2].Bytes())
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
					continue
				}
				if d, _ := formattest.Compared(t, got, g); d > 2*c.Tolerance+1e-6 {
					t.Errorf("%s: off by %.2g", c.Name, d)
				}
				kinds := func(g *graph.Graph) (all []string) {
					for _, n := range g.Nodes {
						kind := n.Op.Kind()
						written[kind] = true
						if kind == (graph.Flatten{}).Kind() {
							kind = graph.Reshape{}.Kind() // what it becomes, but for one vector
						}
						all = append(all, kind)
					}
					return all
				}
				if got, want := kinds(got), kinds(g); !slices.Equal(got, want) {
					t.Errorf("%s: read as %v, want %v", c.Name, got, want)
				}
			}
		}
	}
	for _, kind := range coreml.Written() {
		if !written[kind] {
			t.Errorf("no case of %s is written", kind)
		}
	}
}

func quantized(g *graph.Graph) *graph.Graph { q, _ := optest.Int8(g); return q }

func TestErrors(t *testing.T) {
	encodes := func(g *graph.Graph, o coreml.Options) error {
		return coreml.Encode(io.Discard, io.Discard, io.Discard, g, o)
	}
	fixed := formattest.Fused(t, "v2_release.pth", model.Options{Height: 64, Width: 64})
	probabilities := formattest.Fused(t, "v2_release.pth", model.Options{Height: 64, Width: 64, Softmax: true})
	for name, err := range map[string]error{
		"a free size":      encodes(formattest.Fused(t, "v2_release.pth", model.Options{}), coreml.Options{}),
		"no probabilities": encodes(fixed, coreml.Options{Labels: strings.Split("abcdefghij", "")}),
		"too few labels":   encodes(probabilities, coreml.Options{Labels: []string{"a"}}),
		"equal labels":     encodes(probabilities, coreml.Options{Labels: strings.Split("abcdefghia", "")}),
		"a mean alone":     encodes(fixed, coreml.Options{Mean: []float64{1, 2, 3}}),
	} {
		if !errors.Is(err, coreml.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := encode(t, probabilities, coreml.Options{Mean: []float64{.1, .2, .3}, Std: []float64{1, 1, 1}})
	with := func(i int, b []byte) pack { p := good; p[i] = b; return p }
	for name, c := range map[string]struct {
		p  pack
		is error
	}{
		"no manifest":         {with(0, nil), coreml.ErrFormat},
		"another manifest":    {with(0, []byte(`{"fileFormatVersion": "2.0.0"}`)), coreml.ErrUnsupported},
		"half a program":      {with(1, good[1][:len(good[1])/2]), coreml.ErrFormat},
		"no program":          {with(1, nil), coreml.ErrUnsupported},
		"half of the weights": {with(2, good[2][:len(good[2])/2]), coreml.ErrFormat},
		"no weights":          {with(2, nil), coreml.ErrFormat},
		"another mean":        {with(1, bytes.Replace(good[1], []byte("[0.1,0.2,0.3]"), []byte("[0.1,0.2,0.4]"), 1)), coreml.ErrUnsupported},
		"another activation":  {with(1, bytes.ReplaceAll(good[1], []byte("EXACT"), []byte("OTHER"))), coreml.ErrUnsupported},
		"another operator":    {with(1, bytes.ReplaceAll(good[1], []byte("sigmoid"), []byte("sigmoiD"))), coreml.ErrUnsupported},
	} {
		if _, err := c.p.decode(); !errors.Is(err, c.is) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, expected %v", name, err, c.is)
		}
	}
	// No cut and no changed byte panics.
	for at := 0; at < len(good[1]); at += 97 {
		changed := bytes.Clone(good[1])
		changed[at] ^= 0x55
		_, _ = with(1, changed).decode()
		_, _ = with(1, good[1][:at]).decode()
	}
}

func FuzzDecode(f *testing.F) {
	small := &graph.Graph{Inputs: []*graph.Value{{Name: "x.y", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 3, 4, 4)}}}}
	w := graph.Weight("w", graph.Float32Tensor([]int{3, 3, 3, 3}, make([]float32, 81)))
	y := small.Add("c", graph.Conv{Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, Group: 1}, small.Inputs[0], w)
	y = small.Add("a", graph.Add{}, y, small.Add("g", graph.Gelu{}, y))
	y = small.Add("l", graph.LayerNorm{Axes: []int{-3}, Epsilon: 1e-5}, y, graph.Weight("l.w", graph.Float32Tensor([]int{3, 1, 1}, []float32{1, 2, 3})))
	y = small.Add("m", graph.MaxPool{Kernel: [2]int{2, 1}, Strides: [2]int{1, 1}}, small.Add("h", graph.HardSigmoid{Alpha: 0.2, Beta: 0.5}, y))
	top := small.Add("t", graph.ArgMax{Axis: -3, KeepDims: true}, y)
	y = small.Add("f", graph.Flatten{}, small.Add("p", graph.GlobalAveragePool{}, y))
	small.Outputs = []*graph.Value{small.Add("y", graph.Softmax{}, y), top}
	for _, o := range []coreml.Options{{}, {Labels: []string{"a", "b", "c"}, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}}} {
		if o.Labels != nil { // a classifier has one output
			small.Outputs = small.Outputs[:1]
		}
		for _, g := range []*graph.Graph{small, quant.Half(small)} {
			p := encode(f, g, o)
			f.Add(p[0], p[1], p[2])
		}
	}
	f.Fuzz(func(t *testing.T, manifest, program, weights []byte) {
		g, err := coreml.Decode(manifest, program, weights)
		formattest.Decoded(t, g, err, coreml.ErrFormat, coreml.ErrUnsupported, graph.ErrTooLarge)
	})
}
