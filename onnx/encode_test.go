package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/onnx/internal/onnxpb"
)

func opsets() []int {
	var r []int
	for v := MinOpset; v <= MaxOpset; v++ {
		r = append(r, v)
	}
	return r
}

func TestRoundTrip(t *testing.T) {
	built := builtGraphs()
	for name, g := range allGraphs(t) {
		versions := []int{13, 17, 20}
		if built[name] != nil {
			versions = opsets()
		}
		for _, opset := range versions {
			data := encode(t, g, opset)
			m, err := Decode(data)
			if err != nil {
				t.Fatalf("%s, opset %d: %v", name, opset, err)
			}
			if d := difference(g, m.Graph); d != "" {
				t.Errorf("%s, opset %d: %s", name, opset, d)
			}
			if m.Opset != opset || m.Producer != "repvit" || m.ProducerVersion != "v1.2.3" {
				t.Errorf("%s: opset %d by %s %s", name, m.Opset, m.Producer, m.ProducerVersion)
			}
			if !bytes.Equal(data, encode(t, g, opset)) {
				t.Errorf("%s, opset %d: other bytes the second time", name, opset)
			}
		}
	}
}

// The hand-written framing gives what the protocol buffer library writes for the message.
func TestFramingIsProtobuf(t *testing.T) {
	for name, g := range allGraphs(t) {
		for _, opset := range []int{13, 17, 21} {
			data := encode(t, g, opset)
			var m onnxpb.ModelProto
			if err := proto.Unmarshal(data, &m); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			again, err := proto.MarshalOptions{Deterministic: true}.Marshal(&m)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(data, again) {
				t.Errorf("%s, opset %d: %d bytes, the library writes %d others", name, opset, len(data), len(again))
			}
			if n := len(m.ProtoReflect().GetUnknown()); n != 0 {
				t.Errorf("%s: %d unknown bytes", name, n)
			}
		}
	}
}

func parsed(t *testing.T, g *graph.Graph, opset int) *onnxpb.ModelProto {
	t.Helper()
	m := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(encode(t, g, opset), m); err != nil {
		t.Fatal(err)
	}
	return m
}

// describe prints a node as "output = Operator(operands) attribute=value …".
func describe(n *onnxpb.NodeProto) string {
	s := fmt.Sprintf("%s = %s(%s)", strings.Join(n.Output, ","), n.GetOpType(), strings.Join(n.Input, ", "))
	for _, a := range n.Attribute {
		v := any(nil)
		switch a.GetType() {
		case onnxpb.AttributeProto_INT:
			v = a.GetI()
		case onnxpb.AttributeProto_INTS:
			v = a.Ints
		case onnxpb.AttributeProto_FLOAT:
			v = a.GetF()
		}
		s += fmt.Sprintf(" %s=%v", a.GetName(), v)
	}
	return s
}

func TestNodes(t *testing.T) {
	tests := []struct {
		graph *graph.Graph
		opset int
		want  string
	}{
		{everyFloatOp(), 20, `
stem = Conv(input, stem.weight, stem.bias) dilations=[1 1] group=1 kernel_shape=[3 3] pads=[1 1 1 1] strides=[2 2]
bn = BatchNormalization(stem, bn.scale, bn.bias, bn.mean, bn.var) epsilon=1e-05
act = Gelu(bn)
depthwise = Conv(act, depthwise.weight, depthwise.bias) dilations=[1 1] group=8 kernel_shape=[3 3] pads=[1 1 1 1] strides=[1 1]
pool = GlobalAveragePool(depthwise)
relu = Relu(pool)
gate = Sigmoid(relu)
se = Mul(depthwise, gate)
act2 = Gelu(se)
residual = Add(se, act2)
nhwc = Transpose(residual) perm=[0 2 3 1]
product = MatMul(nhwc, product.weight)
nchw = Transpose(product) perm=[0 3 1 2]
pool2 = GlobalAveragePool(nchw)
flatten = Flatten(pool2) axis=1
head1 = Gemm(flatten, head1.weight, head1.bias) alpha=1 beta=1 transB=1
head2 = Gemm(flatten, head2.weight) alpha=1 beta=1 transB=1
logits = Mean(head1, head2)
probabilities = Softmax(logits) axis=-1
`},
		{halved(), 19, `
input.half = Cast(input) to=10
conv = Conv(input.half, conv.weight, conv.bias) dilations=[1 1] group=1 kernel_shape=[1 1] pads=[0 0 0 0] strides=[1 1]
act.div = Div(conv, gelu.sqrt2)
act.erf = Erf(act.div)
act.add = Add(act.erf, gelu.one)
act.mul = Mul(conv, act.add)
act = Mul(act.mul, gelu.half)
pool = GlobalAveragePool(act)
flatten = Flatten(pool) axis=1
fc = Gemm(flatten, fc.weight, fc.bias) alpha=1 beta=1 transB=1
logits = Cast(fc) to=1
`},
		{quantized(), 21, `
bias.dq = DequantizeLinear(bias, bias.scale, bias.zero) axis=0
x.q = QuantizeLinear(input, x.scale, x.zero)
x.dq = DequantizeLinear(x.q, x.scale, x.zero)
conv.weight.dq = DequantizeLinear(conv.weight, conv.weight.scale, conv.weight.zero) axis=0
conv = Conv(x.dq, conv.weight.dq, bias.dq) dilations=[1 1] group=1 kernel_shape=[1 1] pads=[0 0 0 0] strides=[1 1]
y.q = QuantizeLinear(conv, y.scale, y.zero)
y.dq = DequantizeLinear(y.q, y.scale, y.zero)
act = Gelu(y.dq)
z.q = QuantizeLinear(act, z.scale, z.zero)
z.dq = DequantizeLinear(z.q, z.scale, z.zero)
pool = GlobalAveragePool(z.dq)
flatten = Flatten(pool) axis=1
head.weight.dq = DequantizeLinear(head.weight, head.weight.scale, head.weight.zero) axis=1
logits = MatMul(flatten, head.weight.dq)
`},
	}
	for _, test := range tests {
		var got strings.Builder
		got.WriteByte('\n')
		for _, n := range parsed(t, test.graph, test.opset).Graph.Node {
			fmt.Fprintln(&got, describe(n))
			if n.GetName() != n.Output[0] {
				t.Errorf("node %q produces %q", n.GetName(), n.Output[0])
			}
		}
		if got.String() != test.want {
			t.Errorf("opset %d: got %s\nwant %s", test.opset, got.String(), test.want)
		}
	}
}

func TestModel(t *testing.T) {
	ir := map[int]int64{13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}
	for _, opset := range opsets() {
		m := parsed(t, everyFloatOp(), opset)
		if m.GetIrVersion() != ir[opset] || len(m.OpsetImport) != 1 || m.OpsetImport[0].GetDomain() != "" || m.OpsetImport[0].GetVersion() != int64(opset) {
			t.Errorf("opset %d: IR version %d, imports %v", opset, m.GetIrVersion(), m.OpsetImport)
		}
		geluOps := 0
		for _, n := range m.Graph.Node {
			if n.GetOpType() == "Gelu" {
				geluOps++
			}
		}
		if want := map[bool]int{true: 2}[opset >= 20]; geluOps != want {
			t.Errorf("opset %d: %d Gelu nodes, want %d", opset, geluOps, want)
		}
	}
	m := parsed(t, everyFloatOp(), 17)
	if m.GetProducerName() != "repvit" || m.GetProducerVersion() != "v1.2.3" || m.Graph.GetName() != "test" {
		t.Errorf("produced by %q %q, graph %q", m.GetProducerName(), m.GetProducerVersion(), m.Graph.GetName())
	}
	var keys []string
	for _, p := range m.MetadataProps {
		keys = append(keys, p.GetKey())
	}
	if want := []string{"a", "repvit.labels", "z"}; !slices.Equal(keys, want) {
		t.Errorf("metadata %v, want %v", keys, want)
	}
}

// shapeText prints what a file says of a value's shape.
func shapeText(v *onnxpb.ValueInfoProto) string {
	tensor := v.GetType().GetTensorType()
	var s []string
	for _, d := range tensor.GetShape().GetDim() {
		switch d := d.Value.(type) {
		case *onnxpb.TensorShapeProto_Dimension_DimValue:
			s = append(s, fmt.Sprint(d.DimValue))
		case *onnxpb.TensorShapeProto_Dimension_DimParam:
			s = append(s, d.DimParam)
		default:
			s = append(s, "?")
		}
	}
	return onnxpb.TensorProto_DataType(tensor.GetElemType()).String() + " " + strings.Join(s, "×")
}

func TestEveryValueIsDescribed(t *testing.T) {
	for name, g := range allGraphs(t) {
		for _, opset := range []int{13, 20} {
			m := parsed(t, g, opset)
			described := map[string]int{}
			for _, list := range [][]*onnxpb.ValueInfoProto{m.Graph.Input, m.Graph.Output, m.Graph.ValueInfo} {
				for _, v := range list {
					described[v.GetName()]++
				}
			}
			for _, w := range m.Graph.Initializer {
				described[w.GetName()]++
			}
			count := len(described)
			for _, n := range m.Graph.Node {
				for _, v := range append(n.Input, n.Output...) {
					if described[v] != 1 {
						t.Errorf("%s, opset %d: %q is described %d times", name, opset, v, described[v])
					}
				}
			}
			if want := len(m.Graph.Input) + len(m.Graph.Initializer) + len(m.Graph.Node); count != want {
				t.Errorf("%s, opset %d: %d values are described, want %d", name, opset, count, want)
			}
		}
	}
	m := parsed(t, everyFloatOp(), 17)
	want := map[string]string{
		"input": "FLOAT batch×3×height×width", "stem": "FLOAT batch×8×ceil(height/2)×ceil(width/2)",
		"act.erf": "FLOAT batch×8×ceil(height/2)×ceil(width/2)", "logits": "FLOAT batch×5"}
	for _, v := range slices.Concat(m.Graph.Input, m.Graph.Output, m.Graph.ValueInfo) {
		if w, ok := want[v.GetName()]; ok && shapeText(v) != w {
			t.Errorf("%s is %s, want %s", v.GetName(), shapeText(v), w)
		}
		delete(want, v.GetName())
	}
	if len(want) != 0 {
		t.Errorf("not described: %v", want)
	}
}

func TestWeightsInOrderOfUse(t *testing.T) {
	g := everyFloatOp()
	m := parsed(t, g, 21)
	ws := g.Weights()
	if len(m.Graph.Initializer) != len(ws) {
		t.Fatalf("%d initializers, want %d", len(m.Graph.Initializer), len(ws))
	}
	for i, w := range m.Graph.Initializer {
		if w.GetName() != ws[i].Name || !bytes.Equal(w.RawData, ws[i].Const.Bytes()) {
			t.Errorf("initializer %d is %q, want %q", i, w.GetName(), ws[i].Name)
		}
	}
}

func TestDerivedNamesAreUnique(t *testing.T) {
	b := newBuilder(graph.Float32, graph.Fixed(2), graph.Fixed(3))
	x := b.Add("act.erf", graph.Relu{}, b.input())
	x = b.Add("act", graph.Gelu{}, x)
	x = b.Add("gelu.half", graph.Add{}, x, b.weight("gelu.one", 1, 3))
	g := b.finish(x)
	m, err := Decode(encode(t, g, 17))
	if err != nil {
		t.Fatal(err)
	}
	if d := difference(g, m.Graph); d != "" {
		t.Error(d)
	}
}

func TestEncodeRefuses(t *testing.T) {
	scale16 := func(opset int) func() (*graph.Graph, int) {
		return func() (*graph.Graph, int) {
			b := newBuilder(graph.Float16, graph.Fixed(1), graph.Fixed(2))
			s := graph.Weight("s", b.scalar("", 1).Const.Half())
			return b.finish(b.Add("q", graph.QuantizeLinear{}, b.input(), s, graph.Weight("z", graph.Int8Tensor([]int{}, []int8{0})))), opset
		}
	}
	tests := []struct {
		name  string
		graph func() (*graph.Graph, int)
		want  error
		text  string
	}{
		{"opset too old", func() (*graph.Graph, int) { return halved(), 12 }, ErrUnsupported, "found opset 12, expected 13 to 21"},
		{"opset too new", func() (*graph.Graph, int) { return halved(), 22 }, ErrUnsupported, "found opset 22"},
		{"negative opset", func() (*graph.Graph, int) { return halved(), -1 }, ErrUnsupported, "found opset -1"},
		{"no outputs", func() (*graph.Graph, int) { return newImageBuilder().finish(), 17 }, graph.ErrGraph, "no outputs"},
		{"shapes", func() (*graph.Graph, int) {
			b := newImageBuilder()
			return b.finish(b.conv("c", b.input(), 4, 4, 1, 1, 1)), 17
		}, graph.ErrShape, "c (Conv)"},
		{"float16 scale in an old opset", scale16(18), ErrUnsupported, `node "q" (QuantizeLinear): unsupported: found a scale of float16 in opset 18`},
		{"name that is not UTF-8", func() (*graph.Graph, int) {
			b := newImageBuilder()
			return b.finish(b.Add("\xff", graph.Relu{}, b.input())), 17
		}, ErrUnsupported, "not UTF-8"},
		{"metadata that is not UTF-8", func() (*graph.Graph, int) {
			g := halved()
			g.Metadata = map[string]string{"k": "\xff"}
			return g, 17
		}, ErrUnsupported, "metadata k"},
		{"int8 sum before opset 14", func() (*graph.Graph, int) {
			b := newBuilder(graph.Int8, graph.Fixed(1))
			return b.finish(b.Add("sum", graph.Add{}, b.input(), b.input())), 13
		}, ErrUnsupported, "expected opset 14"},
		{"product of integers", func() (*graph.Graph, int) {
			b := newBuilder(graph.Int8, graph.Fixed(1), graph.Fixed(1))
			return b.finish(b.Add("p", graph.MatMul{}, b.input(), graph.Weight("w", graph.Int8Tensor([]int{1, 1}, []int8{1})))), 21
		}, ErrUnsupported, "want a float"},
	}
	for _, test := range tests {
		g, opset := test.graph()
		var b bytes.Buffer
		err := Encode(&b, g, Options{Opset: opset})
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %v with %q", test.name, err, test.want, test.text)
		}
		if b.Len() != 0 {
			t.Errorf("%s: %d bytes were written", test.name, b.Len())
		}
	}
	g, _ := scale16(0)()
	if err := Encode(io.Discard, g, Options{Opset: 19}); err != nil {
		t.Errorf("float16 scale in opset 19: %v", err)
	}
}

func TestDefaults(t *testing.T) {
	var b bytes.Buffer
	if err := Encode(&b, halved(), Options{}); err != nil {
		t.Fatal(err)
	}
	m, err := Decode(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if m.Opset != DefaultOpset || m.ProducerVersion == "" {
		t.Errorf("opset %d, version %q", m.Opset, m.ProducerVersion)
	}
}

var errFull = errors.New("disk full")

// full fails after a number of bytes.
type full int

func (f *full) Write(b []byte) (int, error) {
	if *f -= full(len(b)); *f < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriteErrors(t *testing.T) {
	size := len(encode(t, everyFloatOp(), 17))
	for _, n := range []int{0, 1, size / 2, size - 1} {
		f := full(n)
		if err := Encode(&f, everyFloatOp(), Options{ProducerVersion: "v1.2.3"}); !errors.Is(err, errFull) {
			t.Errorf("room for %d of %d bytes: %v", n, size, err)
		}
	}
}

// big has 32 MiB of weights.
func big() *graph.Graph {
	b := newBuilder(graph.Float32, graph.Symbol("batch"), graph.Fixed(2048))
	x := b.input()
	for i := range 2 {
		name := fmt.Sprintf("fc%d", i)
		x = b.Add(name, graph.Gemm{}, x, graph.Weight(name+".weight", graph.Float32Tensor([]int{2048, 2048}, make([]float32, 2048*2048))))
	}
	return b.finish(x)
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestWeightsAreNotCopied(t *testing.T) {
	g := big()
	n := allocated(func() {
		if err := Encode(io.Discard, g, Options{}); err != nil {
			t.Fatal(err)
		}
	})
	if n > 1<<20 {
		t.Errorf("writing 32 MiB of weights allocates %d bytes", n)
	}
	data := encode(t, g, 17)
	n = allocated(func() {
		if _, err := Decode(data); err != nil {
			t.Fatal(err)
		}
	})
	if n > 1<<20 {
		t.Errorf("reading 32 MiB of weights allocates %d bytes", n)
	}
}

func BenchmarkEncode(b *testing.B) {
	g := big()
	for b.Loop() {
		if err := Encode(io.Discard, g, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
