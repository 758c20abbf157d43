package onnx

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/onnx/internal/onnxpb"
)

// FuzzDecode checks that what Decode accepts survives being written and read again.
func FuzzDecode(f *testing.F) {
	for _, g := range builtGraphs() {
		f.Add(encode(f, g, 13))
		f.Add(encode(f, g, 21))
	}
	for _, nodes := range [][]*onnxpb.NodeProto{
		{op("c = Constant()", tensorValue(floats("", []float32{1.4142135}))), op("d = Div(x, c)"), op("e = Erf(d)"), op("a = Add(e, one)"), op("m = Mul(x, a)"), op("y = Mul(m, half)")},
		{op("r = Relu(x)"), op("s = Add(r, x)"), op("y = Div(s, two)")},
		{op("p = ReduceMean(x)", pbInts("axes", 2, 3), pbInteger("keepdims", 0)), op("g = Gemm(p, matrix)", pbInteger("transB", 1)), op("h = Gemm(g, square, row4)"), op("y = Identity(h)")},
		{op("q = QuantizeLinear(x, scale1)"), op("y = DequantizeLinear(q, scale1)")},
		{op("p = GlobalAveragePool(x)"), op("y = Reshape(p, flat)")},
		{op("m = ReduceMean(x)", pbInts("axes", 1)), op("c = Sub(x, m)"), op("q = Pow(c, two)"), op("v = ReduceMean(q)", pbInts("axes", 1)), op("e = Add(v, half)"), op("r = Sqrt(e)"),
			op("n = Div(c, r)"), op("s = Mul(n, one)"), op("y = Add(s, one)")},
		{{OpType: proto.String("LayerNormalization"), Input: []string{"x", "one"}, Output: []string{"y", "", "i"}}, op("z = Mul(y, i)")},
		{op("a = ArgMin(x)", pbInteger("axis", 1)), op("c = Clip(a, last)"), op("t = Cast(c)", pbInteger("to", 9)), op("u = Xor(t, t)"), op("y = Where(u, x, half)")},
		{op("l = ReduceLogSumExp(x)", pbInts("axes", 1)), op("s = LogSoftmax(l)"), op("p = PRelu(s, half)"), op("g = GreaterOrEqual(p, half)"), op("y = CastLike(g, last)")},
		{op("a = MaxPool(x)", pbInts("kernel_shape", 2, 2), pbInteger("ceil_mode", 1)), op("s = Shape(x)"), op("h = Slice(s, spatial0, far)"), op("t = Shape(a)"), op("c = Slice(t, zeroth, spatial0)"),
			op("z = Concat(c, h)", pbInteger("axis", 0)), op("y = Resize(a, , , z)", text("mode", "linear"))},
		{op("u = Unsqueeze(x, spatial)"), op("g = Gather(u, zeroth)", pbInteger("axis", 1)), op("y = Squeeze(g, spatial0)")},
		{op("c = ConvTranspose(x, upward)", text("auto_pad", "SAME_LOWER")), op("p = Pad(c, somePads)", text("mode", "edge")), op("r = Resize(p, , twice)"), op("y = Slice(r, zeroth, four, spatial0)")},
		{op("s = Shape(x)"), outputs(op("a = Split(s, two2x2)"), "b"), op("f = ConstantOfShape(two2)", tensorValue(longs("", 1))), op("q = Equal(a, f)"), op("w = Where(q, f, a)"), op("e = Expand(x, s)"), op("c = Cast(a)", pbInteger("to", 1)), op("z = ConstantOfShape(a)"), op("r = Range(zero0, four0, one0)"), op("y = Gather(e, r)", pbInteger("axis", 3))},
		{op("i = ArgMax(row4)", pbInteger("axis", 1), pbInteger("keepdims", 0)), op("g = Gather(square, i)", pbInteger("axis", 1)), op("y = Expand(g, four2)")},
	} {
		f.Add(marshal(f, modelOf(17, nodes...)))
	}
	f.Add(marshal(f, masksModel(16, exportedMasks())))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, graph.ErrTooLarge) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		var b bytes.Buffer
		if err := Encode(&b, m.Graph, Options{Opset: m.Opset}); err != nil {
			// Operators on element types that this opset has no form for.
			if !errors.Is(err, ErrUnsupported) {
				t.Fatal(err)
			}
			return
		}
		again, err := Decode(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if m.Graph.Name == "" {
			m.Graph.Name = "graph"
		}
		if d := difference(m.Graph, again.Graph); d != "" {
			t.Fatal(d)
		}
	})
}
