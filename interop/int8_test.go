package interop

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/verify"
)

// quantized converts a checkpoint of testdata to int8 and decodes the file.
func quantized(t testing.TB, name, scope string, flags ...string) (path string, g *graph.Graph) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "int8.onnx")
	run(t, "repvit-convert", append(flags, testdata+"/"+name, "-q", "--size", "64", "--quant", "int8", "--int8-scope", scope, "--calib", testdata+"/input.npy", "-o", path)...)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return path, m.Graph
}

// int8Kinds are the forms of int8 that are compared.
var int8Kinds = []struct {
	scope string
	flags []string
}{{"pointwise", nil}, {"all", nil}, {"pointwise", []string{"--int8-symmetric"}}, {"all", []string{"--int8-symmetric"}}}

// TestInt8Layers cuts every quantized layer out of a network and runs it alone in ONNX
// Runtime and in the engine: the results are the same integers, or neighbours where the
// exact value lies between two.
func TestInt8Layers(t *testing.T) {
	needORT(t)
	for _, c := range int8Kinds {
		t.Run(c.scope+strings.Join(c.flags, ""), func(t *testing.T) {
			t.Parallel()
			_, g := quantized(t, "v2_release.pth", c.scope, c.flags...)
			layers := cut(t, g)
			if len(layers) < 20 {
				t.Fatalf("found %d quantized layers", len(layers))
			}
			for i, l := range layers {
				if i%4 != 0 && !testing.Verbose() { // a process each: all of them with -v
					continue
				}
				compareLayer(t, l)
			}
		})
	}
}

// layer is a graph of one operator between DequantizeLinear and QuantizeLinear.
type layer struct {
	name  string
	graph *graph.Graph
	step  float64 // scale of its output
}

// cut finds every operator whose data operands come from DequantizeLinear and whose result
// goes to QuantizeLinear, and makes each a graph that takes and gives float32.
func cut(t testing.TB, g *graph.Graph) (layers []layer) {
	t.Helper()
	types, err := g.Infer(graph.FixedShape(1, 3, 64, 64))
	if err != nil {
		t.Fatal(err)
	}
	producers, consumers := g.Producers(), g.Consumers()
	dequantized := func(v *graph.Value) *graph.Node {
		if n := producers[v]; n != nil {
			if _, ok := n.Op.(graph.DequantizeLinear); ok {
				return n
			}
		}
		return nil
	}
	for _, n := range g.Nodes {
		switch n.Op.(type) {
		case graph.Conv, graph.Gemm, graph.Gelu, graph.Add, graph.Mul, graph.GlobalAveragePool:
		default:
			continue
		}
		out := consumers[n.Output]
		if len(out) != 1 || dequantized(n.Inputs[0]) == nil {
			continue
		}
		q, ok := out[0].Op.(graph.QuantizeLinear)
		if !ok {
			continue
		}
		l := layer{name: n.Name(), graph: &graph.Graph{Name: "layer"}, step: out[0].Inputs[1].Const.Float64s()[0]}
		var operands []*graph.Value
		complete := true
		for i, v := range n.Inputs {
			d := dequantized(v)
			switch {
			case d == nil:
				complete = complete && v.Const != nil
				operands = append(operands, v)
			case d.Inputs[0].Const != nil: // a weight
				operands = append(operands, l.graph.Add(fmt.Sprintf("weight%d", i), d.Op, d.Inputs...))
			case len(l.graph.Inputs) == 0:
				shape := types[v].Shape
				in := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: shape}}
				l.graph.Inputs = []*graph.Value{in}
				x := l.graph.Add("input.q", graph.QuantizeLinear{}, in, d.Inputs[1], d.Inputs[2])
				operands = append(operands, l.graph.Add("input.dq", d.Op, x, d.Inputs[1], d.Inputs[2]))
			default: // a second operand: one input is enough, so it reads the first
				complete = complete && slices.Equal(types[v].Shape, types[n.Inputs[0]].Shape)
				x := l.graph.Add(fmt.Sprintf("input.q%d", i), graph.QuantizeLinear{}, l.graph.Inputs[0], d.Inputs[1], d.Inputs[2])
				operands = append(operands, l.graph.Add(fmt.Sprintf("input.dq%d", i), d.Op, x, d.Inputs[1], d.Inputs[2]))
			}
		}
		if !complete {
			continue
		}
		y := l.graph.Add("result", n.Op, operands...)
		y = l.graph.Add("result.q", q, y, out[0].Inputs[1], out[0].Inputs[2])
		l.graph.Outputs = []*graph.Value{l.graph.Add("output", graph.DequantizeLinear{}, y, out[0].Inputs[1], out[0].Inputs[2])}
		layers = append(layers, l)
	}
	return layers
}

func compareLayer(t *testing.T, l layer) {
	t.Helper()
	dir := t.TempDir()
	model, input := filepath.Join(dir, "layer.onnx"), filepath.Join(dir, "in.npy")
	f, err := os.Create(model)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := onnx.Encode(f, l.graph, onnx.Options{Opset: 20}); err != nil {
		t.Fatalf("%s: %v", l.name, err)
	}
	shape, _ := l.graph.Inputs[0].Type.Shape.Ints()
	x, err := verify.RandomInput(shape, 3)
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Create(input)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := npy.Write(in, x); err != nil {
		t.Fatal(err)
	}
	want := read(t, ort(t, model, input)(0)).Float64s()
	s, err := infer.New(l.graph, infer.Options{})
	if err != nil {
		t.Fatalf("%s: %v", l.name, err)
	}
	defer s.Close()
	y, err := s.Run(context.Background(), x)
	if err != nil {
		t.Fatalf("%s: %v", l.name, err)
	}
	neighbours := 0
	for i, v := range y.Float64s() {
		switch steps := math.Abs(v-want[i]) / l.step; {
		case steps > 1.01:
			t.Fatalf("%s: element %d is %v, in ONNX Runtime %v: %.1f steps of %v", l.name, i, v, want[i], steps, l.step)
		case steps > 0.5:
			neighbours++
		}
	}
	if n := len(want); neighbours > n/20 {
		t.Errorf("%s: %d of %d elements differ by a step", l.name, neighbours, n)
	}
}

// TestInt8Network compares whole networks, in which neighbours add up, with the float
// network's own error as the measure.
func TestInt8Network(t *testing.T) {
	needORT(t)
	for _, c := range int8Kinds {
		t.Run(c.scope+strings.Join(c.flags, ""), func(t *testing.T) {
			t.Parallel()
			path, g := quantized(t, "v2_release.pth", c.scope, c.flags...)
			input := testdata + "/input.npy"
			want := read(t, ort(t, path, input)(0))
			s, err := infer.New(g, infer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			got, err := s.Run(context.Background(), read(t, input))
			if err != nil {
				t.Fatal(err)
			}
			near(t, "the engine against ONNX Runtime", got, want, 0.05)
			near(t, "int8 against PyTorch's float32", got, read(t, testdata+"/v2_release.logits.npy"), 0.25)
		})
	}
}
