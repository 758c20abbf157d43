package foreign

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/optest"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
)

func build(t testing.TB, name string, o model.Options) *graph.Graph {
	t.Helper()
	f, err := pytorch.Open(filepath.Join("../../testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	sd, err := f.StateDict(pytorch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := family.Build(sd, o)
	if err != nil {
		t.Fatal(err)
	}
	return m.Graph
}

func encode(t testing.TB, g *graph.Graph, opset int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := onnx.Encode(&b, g, onnx.Options{Opset: opset}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decoded(t testing.TB, data []byte) *graph.Graph {
	t.Helper()
	m, err := onnx.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return m.Graph
}

func TestAgrees(t *testing.T) {
	size := model.Options{Batch: 1, Height: 64, Width: 64}
	for what, g := range map[string]*graph.Graph{
		"v1, training form": build(t, "v1_release.pth", model.Options{}),
		"v1, deploy form":   reparam.Fuse(build(t, "v1_release.pth", model.Options{})),
		"v2, training form": build(t, "v2_release.pth", size),
		"v2, features":      reparam.Fuse(build(t, "v2_release.pth", model.Options{Features: true})),
		"timm, softmax":     reparam.Fuse(build(t, "timm_v2.pth", model.Options{Softmax: true})),
	} {
		for _, opset := range []int{13, 17, 20, 21} {
			data := encode(t, g, opset)
			if _, err := Check(data, decoded(t, data)); err != nil {
				t.Errorf("%s, opset %d: %v", what, opset, err)
				continue
			}
			// Against the graph that was encoded, too.
			r, err := Check(data, g)
			if err != nil {
				t.Errorf("%s, opset %d: %v", what, opset, err)
				continue
			}
			gelus, edges := 0, 0
			for _, n := range g.Nodes {
				edges += len(n.Inputs)
				if n.Op == graph.Op(graph.Gelu{}) {
					gelus++
				}
			}
			want := Report{Nodes: len(g.Nodes), Edges: edges, Initializers: len(g.Weights())}
			for _, w := range g.Weights() {
				want.Elements += int64(w.Const.Len())
			}
			if opset < 20 {
				want.Nodes += 4 * gelus
				want.Edges += 8 * gelus
				want.Initializers += 3
				want.Elements += 3
			}
			if *r != want {
				t.Errorf("%s, opset %d: found %+v, want %+v", what, opset, *r, want)
			}
		}
	}
}

// all returns a graph of every operator that both decoders know.
func all() *graph.Graph {
	x := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 2, 4, 4)}}
	g := &graph.Graph{Inputs: []*graph.Value{x}}
	weight := func(name string, shape ...int) *graph.Value {
		n, _ := graph.Numel(shape)
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(i) + 0.5
		}
		return graph.Weight(name, graph.Float32Tensor(shape, v))
	}
	y := g.Add("conv", graph.Conv{Strides: [2]int{1, 2}, Pads: [4]int{1, 0, 1, 2}, Group: 2}, x, weight("conv.w", 2, 1, 3, 3), weight("conv.b", 2))
	y = g.Add("bn", graph.BatchNorm{Epsilon: 1e-3}, y, weight("bn.w", 2), weight("bn.b", 2), weight("bn.m", 2), weight("bn.v", 2))
	y = g.Add("gelu", graph.Gelu{}, y)
	z := g.Add("sigmoid", graph.Sigmoid{}, g.Add("relu", graph.Relu{}, g.Add("pool", graph.GlobalAveragePool{}, y)))
	y = g.Add("mul", graph.Mul{}, y, z)
	y = g.Add("square", graph.Mul{}, y, y)
	y = g.Add("transpose", graph.Transpose{Perm: []int{0, 2, 3, 1}}, y)
	y = g.Add("matmul", graph.MatMul{}, y, weight("matmul.w", 2, 3))
	y = g.Add("wide", graph.Cast{To: graph.Float64}, y)
	y = g.Add("back", graph.Cast{To: graph.Float32}, y)
	y = g.Add("add", graph.Add{}, y, weight("add.w", 1, 1, 1, 3))
	y = g.Add("flatten", graph.Flatten{}, y)
	y = g.Add("gemm", graph.Gemm{}, y, weight("gemm.w", 2, 24), weight("gemm.b", 2))
	y = g.Add("mean", graph.Mean{}, y, y, y)
	g.Outputs = []*graph.Value{g.Add("softmax", graph.Softmax{}, y), z}
	return g
}

func TestDisagrees(t *testing.T) {
	data := encode(t, all(), 17)
	if _, err := Check(data, all()); err != nil {
		t.Fatal(err)
	}
	at := func(g *graph.Graph, name string) *graph.Node {
		for _, n := range g.Nodes {
			if n.Name() == name {
				return n
			}
		}
		t.Fatalf("no node %q", name)
		return nil
	}
	weight := func(g *graph.Graph, name string) *graph.Value {
		for _, w := range g.Weights() {
			if w.Name == name {
				return w
			}
		}
		t.Fatalf("no weight %q", name)
		return nil
	}
	for want, change := range map[string]func(*graph.Graph){
		`initializer "gemm.w": byte 4 differs`: func(g *graph.Graph) {
			w := weight(g, "gemm.w")
			v := slices.Clone(w.Const.Bytes())
			v[4] ^= 1
			w.Const = graph.RawTensor(graph.Float32, w.Const.Shape, v)
		},
		`initializer "add.w": found the shape [1 1 1 3], expected [1 1 1 1]`: func(g *graph.Graph) {
			weight(g, "add.w").Const = graph.Float32Tensor([]int{1, 1, 1, 1}, []float32{0.5})
		},
		`initializer "other": found nothing`:                                      func(g *graph.Graph) { weight(g, "bn.m").Name = "other" },
		`node "other": found nothing, expected Relu`:                              func(g *graph.Graph) { at(g, "relu").Output.Name = "other" },
		`node "relu": found Relu, expected Sigmoid`:                               func(g *graph.Graph) { at(g, "relu").Op = graph.Sigmoid{} },
		`found the inputs ["x"], expected ["image"]`:                              func(g *graph.Graph) { g.Inputs[0].Name = "image" },
		`found the outputs ["softmax" "sigmoid"], expected ["softmax"]`:           func(g *graph.Graph) { g.Outputs = g.Outputs[:1] },
		`found the outputs ["softmax" "sigmoid"], expected ["sigmoid" "softmax"]`: func(g *graph.Graph) { slices.Reverse(g.Outputs) },
		`node "square": found the operands ["mul" "mul"], expected ["mul" "sigmoid"]`: func(g *graph.Graph) {
			at(g, "square").Inputs[1] = at(g, "sigmoid").Output
		},
		`node "conv": found pads = [1 0 1 2], expected [1 1 1 1]`: func(g *graph.Graph) {
			op := at(g, "conv").Op.(graph.Conv)
			op.Pads = [4]int{1, 1, 1, 1}
			at(g, "conv").Op = op
		},
		`node "bn": found epsilon = 0.001, expected 0.01`: func(g *graph.Graph) { at(g, "bn").Op = graph.BatchNorm{Epsilon: 1e-2} },
		`node "wide": found to = 11, expected 1`:          func(g *graph.Graph) { at(g, "wide").Op = graph.Cast{To: graph.Float32} },
		`node "gelu": found Mul, expected Gelu, or Div, Erf, Add, Mul and Mul of "conv"`: func(g *graph.Graph) {
			at(g, "gelu").Inputs[0] = at(g, "conv").Output
		},
		`node "softmax": found the operands ["mean"], expected ["gemm"]`: func(g *graph.Graph) {
			at(g, "softmax").Inputs[0] = at(g, "gemm").Output
		},
	} {
		g := all().Clone()
		change(g)
		_, err := Check(data, g)
		if !errors.Is(err, ErrDisagree) || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("found %v, want %s", err, want)
		}
	}
}

// A node and an initializer that only onnx-go sees.
func TestDisagreesOnMore(t *testing.T) {
	g := all()
	more := g.Clone()
	more.Outputs[0] = more.Add("more", graph.Relu{}, more.Outputs[0])
	more.Outputs[0].Name, g.Outputs[0].Name = "softmax", "softmax"
	more.Nodes[len(more.Nodes)-2].Output.Name = "hidden"
	if _, err := Check(encode(t, more, 20), g); !errors.Is(err, ErrDisagree) {
		t.Errorf("%v, want one that wraps ErrDisagree", err)
	}
	dead := g.Clone()
	dead.Add("dead", graph.Relu{}, dead.Inputs[0])
	if _, err := Check(encode(t, dead, 20), g); !errors.Is(err, ErrDisagree) || !strings.Contains(err.Error(), `"dead" (Relu)`) {
		t.Errorf("%v, want one that names the dead node", err)
	}
}

func TestUnsupported(t *testing.T) {
	x := func(d graph.DType) *graph.Value {
		return &graph.Value{Name: "x", Type: &graph.Type{DType: d, Shape: graph.FixedShape(2)}}
	}
	one := func(d graph.DType, ops ...graph.Op) *graph.Graph {
		g := &graph.Graph{Inputs: []*graph.Value{x(d)}}
		y := g.Inputs[0]
		for i, op := range ops {
			y = g.Add(string(rune('a'+i)), op, y)
		}
		g.Outputs = []*graph.Value{y}
		return g
	}
	quantized := &graph.Graph{Inputs: []*graph.Value{x(graph.Float32)}}
	scale := graph.Weight("scale", graph.Float32Tensor(nil, []float32{1}))
	zero := graph.Weight("zero", graph.Uint8Tensor(nil, []uint8{0}))
	q := quantized.Add("q", graph.QuantizeLinear{}, quantized.Inputs[0], scale, zero)
	quantized.Outputs = []*graph.Value{quantized.Add("y", graph.DequantizeLinear{}, q, scale, zero)}
	for what, c := range map[string]struct {
		g    *graph.Graph
		text string
	}{
		"int8":    {quantized, "is of uint8"},
		"float16": {one(graph.Float32, graph.Cast{To: graph.Float16}, graph.Cast{To: graph.Float32}), `"a" is of float16`},
		"half":    {one(graph.Float16, graph.Relu{}), `"x" is of float16`},
	} {
		_, err := Check(encode(t, c.g, 17), c.g)
		if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", what, err)
		}
	}

	// A node whose attribute is a graph, and an operator that package onnx rewrites.
	g := one(graph.Float32, graph.Relu{})
	for what, node := range map[string][]byte{
		"operator \"Identity\"":   field(field(field(nil, 1, "a"), 2, "b"), 4, "Identity"),
		"a graph as its attribut": field(field(nil, 4, "If"), 5, string(field(field(nil, 1, "then"), 6, ""))),
	} {
		model := field(encode(t, g, 17), 7, string(field(nil, 1, string(node))))
		if _, err := Check(model, g); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// field appends a field that has a length.
func field(b []byte, number protowire.Number, content string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), content)
}

func TestMalformed(t *testing.T) {
	g := all()
	data := encode(t, g, 17)
	for what, c := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "cut": data[:len(data)/2], "one byte": data[:1],
		"no graph":         field(nil, 2, "producer"),
		"an empty graph":   field(nil, 7, ""),
		"a broken tensor":  field(data, 7, string(field(nil, 5, string(field(nil, 8, "t"))))),
		"a shape too many": field(data, 7, string(field(nil, 5, string(append([]byte{8, 0xff, 0xff, 0x7f, 16, 1}, field(field(nil, 8, "t"), 9, "abcd")...))))),
	} {
		if _, err := Check(c, g); !errors.Is(err, ErrDecode) && !errors.Is(err, ErrDisagree) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	g := all()
	f.Add(encode(f, g, 13))
	f.Add(encode(f, g, 20))
	f.Add(field(nil, 7, string(field(nil, 1, string(field(field(nil, 2, "b"), 4, "Relu"))))))
	f.Fuzz(func(t *testing.T, data []byte) {
		own := g
		if m, err := onnx.Decode(data); err == nil {
			own = m.Graph
		}
		r, err := Check(data, own)
		if err == nil && r == nil {
			t.Fatal("neither a report nor an error")
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\r\x00\x1b") {
			t.Fatalf("error %q", err)
		}
	})
}

// Of every operator the comparison agrees or says that it does not know it: a good file is
// never called wrong.
func TestOperators(t *testing.T) {
	agreed := 0
	for _, c := range optest.Cases() {
		for opset := max(c.Opset, onnx.MinOpset); opset <= onnx.MaxOpset; opset++ {
			data := encode(t, c.Graph, opset)
			switch _, err := Check(data, decoded(t, data)); {
			case err == nil:
				agreed++
			case !errors.Is(err, ErrUnsupported):
				t.Errorf("%s, opset %d: %v", c.Name, opset, err)
			}
		}
	}
	if agreed < 300 {
		t.Errorf("%d graphs were compared, expected at least 300", agreed)
	}
}
