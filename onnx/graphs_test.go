package onnx

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
)

// builder makes graphs with random weights.
type builder struct {
	*graph.Graph
	r *rand.Rand
}

func newBuilder(t graph.DType, shape ...graph.Dim) *builder {
	g := &graph.Graph{Name: "test"}
	g.Inputs = []*graph.Value{{Name: "input", Type: &graph.Type{DType: t, Shape: shape}}}
	return &builder{g, rand.New(rand.NewPCG(1, 2))}
}

func newImageBuilder() *builder {
	return newBuilder(graph.Float32, graph.Symbol("batch"), graph.Fixed(3), graph.Symbol("height"), graph.Symbol("width"))
}

func (b *builder) input() *graph.Value { return b.Inputs[0] }

func (b *builder) weight(name string, shape ...int) *graph.Value {
	n, err := graph.Numel(shape)
	if err != nil {
		panic(err)
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(b.r.NormFloat64())
	}
	return graph.Weight(name, graph.Float32Tensor(shape, v))
}

func (b *builder) positive(name string, n int) *graph.Value {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(b.r.Float64() + 0.5)
	}
	return graph.Weight(name, graph.Float32Tensor([]int{n}, v))
}

func (b *builder) scalar(name string, v float32) *graph.Value {
	return graph.Weight(name, graph.Float32Tensor([]int{}, []float32{v}))
}

func (b *builder) conv(name string, x *graph.Value, cin, cout, kernel, stride, group int) *graph.Value {
	p := kernel / 2
	op := graph.Conv{Strides: [2]int{stride, stride}, Pads: [4]int{p, p, p, p}, Group: group}
	return b.Add(name, op, x, b.weight(name+".weight", cout, cin/group, kernel, kernel), b.weight(name+".bias", cout))
}

func (b *builder) finish(outputs ...*graph.Value) *graph.Graph {
	b.Outputs = outputs
	return b.Graph
}

// everyFloatOp uses each operator on floats.
func everyFloatOp() *graph.Graph {
	b := newImageBuilder()
	b.Metadata = map[string]string{"z": "last", "a": "first", "repvit.labels": `["tench","ü"]`}
	x := b.conv("stem", b.input(), 3, 8, 3, 2, 1)
	x = b.Add("bn", graph.BatchNorm{Epsilon: 1e-5}, x, b.positive("bn.scale", 8), b.weight("bn.bias", 8), b.weight("bn.mean", 8), b.positive("bn.var", 8))
	x = b.Add("act", graph.Gelu{}, x)
	x = b.conv("depthwise", x, 8, 8, 3, 1, 8)
	se := b.Add("pool", graph.GlobalAveragePool{}, x)
	se = b.Add("relu", graph.Relu{}, se)
	se = b.Add("gate", graph.Sigmoid{}, se)
	x = b.Add("se", graph.Mul{}, x, se)
	y := b.Add("act2", graph.Gelu{}, x)
	x = b.Add("residual", graph.Add{}, x, y)
	x = b.Add("nhwc", graph.Transpose{Perm: []int{0, 2, 3, 1}}, x)
	x = b.Add("product", graph.MatMul{}, x, b.weight("product.weight", 8, 6))
	x = b.Add("nchw", graph.Transpose{Perm: []int{0, 3, 1, 2}}, x)
	x = b.Add("pool2", graph.GlobalAveragePool{}, x)
	x = b.Add("flatten", graph.Flatten{}, x)
	h1 := b.Add("head1", graph.Gemm{}, x, b.weight("head1.weight", 5, 6), b.weight("head1.bias", 5))
	h2 := b.Add("head2", graph.Gemm{}, x, b.weight("head2.weight", 5, 6))
	m := b.Add("logits", graph.Mean{}, h1, h2)
	return b.finish(b.Add("probabilities", graph.Softmax{}, m), m)
}

// quantized is an int8 convolution and an int8 head in QDQ form, with scales per tensor and
// per channel.
func quantized() *graph.Graph {
	b := newImageBuilder()
	q := func(x *graph.Value, name string) *graph.Value {
		s, z := b.scalar(name+".scale", 0.05), graph.Weight(name+".zero", graph.Uint8Tensor([]int{}, []uint8{128}))
		x = b.Add(name+".q", graph.QuantizeLinear{}, x, s, z)
		return b.Add(name+".dq", graph.DequantizeLinear{}, x, s, z)
	}
	w := func(name string, axis int, shape ...int) *graph.Value {
		n, _ := graph.Numel(shape)
		v := make([]int8, n)
		for i := range v {
			v[i] = int8(b.r.IntN(255) - 127)
		}
		return b.Add(name+".dq", graph.DequantizeLinear{Axis: axis}, graph.Weight(name, graph.Int8Tensor(shape, v)),
			b.positive(name+".scale", shape[axis]), graph.Weight(name+".zero", graph.Int8Tensor([]int{shape[axis]}, make([]int8, shape[axis]))))
	}
	bias := b.Add("bias.dq", graph.DequantizeLinear{Axis: 0}, graph.Weight("bias", graph.Int32Tensor([]int{4}, []int32{-70000, 1, 2, 3})),
		b.positive("bias.scale", 4), graph.Weight("bias.zero", graph.Int32Tensor([]int{4}, make([]int32, 4))))
	conv := graph.Conv{Strides: [2]int{1, 1}, Group: 1}
	x := b.Add("conv", conv, q(b.input(), "x"), w("conv.weight", 0, 4, 3, 1, 1), bias)
	x = q(b.Add("act", graph.Gelu{}, q(x, "y")), "z")
	x = b.Add("flatten", graph.Flatten{}, b.Add("pool", graph.GlobalAveragePool{}, x))
	x = b.Add("logits", graph.MatMul{}, x, w("head.weight", 1, 4, 7))
	return b.finish(x)
}

// halved is a float16 network between float32 input and output.
func halved() *graph.Graph {
	b := newImageBuilder()
	x := b.Add("input.half", graph.Cast{To: graph.Float16}, b.input())
	x = b.conv("conv", x, 3, 4, 1, 1, 1)
	x = b.Add("act", graph.Gelu{}, x)
	x = b.Add("flatten", graph.Flatten{}, b.Add("pool", graph.GlobalAveragePool{}, x))
	x = b.Add("fc", graph.Gemm{}, x, b.weight("fc.weight", 2, 4), b.weight("fc.bias", 2))
	for _, v := range b.Weights() {
		v.Const = v.Const.Half()
	}
	return b.finish(b.Add("logits", graph.Cast{To: graph.Float32}, x))
}

// double is a float64 network whose GELUs stand beside float32 ones.
func double() *graph.Graph {
	b := newBuilder(graph.Float64, graph.Fixed(2), graph.Fixed(3))
	x := b.Add("act", graph.Gelu{}, b.input())
	y := b.Add("narrow", graph.Cast{To: graph.Float32}, x)
	return b.finish(b.Add("act32", graph.Gelu{}, y), x)
}

// checkpoints returns the training and the deploy form of every checkpoint in testdata.
func checkpoints(t testing.TB) map[string]*graph.Graph {
	files, err := filepath.Glob("../testdata/*.*")
	if err != nil {
		t.Fatal(err)
	}
	graphs := map[string]*graph.Graph{}
	for _, path := range files {
		switch filepath.Ext(path) {
		case ".pth", ".pt", ".safetensors":
		default:
			continue
		}
		f, err := pytorch.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		sd, err := f.StateDict(pytorch.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m, err := family.Build(sd, model.Options{Preprocess: preprocess.ImageNet(64, 64, 0.875)})
		if err != nil {
			t.Fatal(err)
		}
		graphs[filepath.Base(path)+", training"] = m.Graph
		graphs[filepath.Base(path)+", deploy"] = reparam.Fuse(m.Graph)
	}
	if len(graphs) < 16 {
		t.Fatalf("testdata has %d graphs, expected at least 16", len(graphs))
	}
	return graphs
}

// allGraphs returns the checkpoints' graphs and those built here.
func allGraphs(t testing.TB) map[string]*graph.Graph {
	graphs := checkpoints(t)
	maps.Copy(graphs, builtGraphs())
	return graphs
}

func builtGraphs() map[string]*graph.Graph {
	return map[string]*graph.Graph{
		"every operator": everyFloatOp(), "quantized": quantized(), "float16": halved(), "float64": double()}
}

// difference says where two graphs differ, "" where they do not.
func difference(a, b *graph.Graph) string {
	names := func(vs []*graph.Value) []string {
		var r []string
		for _, v := range vs {
			r = append(r, v.Name)
		}
		return r
	}
	switch {
	case a.Name != b.Name:
		return fmt.Sprintf("names %q and %q", a.Name, b.Name)
	case !maps.Equal(a.Metadata, b.Metadata):
		return fmt.Sprintf("metadata %v and %v", a.Metadata, b.Metadata)
	case !slices.Equal(names(a.Inputs), names(b.Inputs)):
		return fmt.Sprintf("inputs %v and %v", names(a.Inputs), names(b.Inputs))
	case !slices.Equal(names(a.Outputs), names(b.Outputs)):
		return fmt.Sprintf("outputs %v and %v", names(a.Outputs), names(b.Outputs))
	case len(a.Nodes) != len(b.Nodes):
		return fmt.Sprintf("%d and %d nodes", len(a.Nodes), len(b.Nodes))
	}
	for i, v := range a.Inputs {
		if !reflect.DeepEqual(v.Type, b.Inputs[i].Type) {
			return fmt.Sprintf("input %q: %v and %v", v.Name, v.Type, b.Inputs[i].Type)
		}
	}
	for i, n := range a.Nodes {
		m := b.Nodes[i]
		if n.Name() != m.Name() || !reflect.DeepEqual(n.Op, m.Op) || !slices.Equal(names(n.Inputs), names(m.Inputs)) {
			return fmt.Sprintf("node %d: %s %#v of %v and %s %#v of %v", i, n.Name(), n.Op, names(n.Inputs), m.Name(), m.Op, names(m.Inputs))
		}
		for k, v := range n.Inputs {
			w := m.Inputs[k]
			if (v.Const == nil) != (w.Const == nil) || v.Const != nil && (v.Const.DType != w.Const.DType ||
				!slices.Equal(v.Const.Shape, w.Const.Shape) || !bytes.Equal(v.Const.Bytes(), w.Const.Bytes())) {
				return fmt.Sprintf("operand %q of %s", v.Name, n.Name())
			}
		}
	}
	return ""
}

func encode(t testing.TB, g *graph.Graph, opset int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, g, Options{Opset: opset, ProducerVersion: "v1.2.3"}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
