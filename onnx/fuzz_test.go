package onnx

import (
	"bytes"
	"errors"
	"testing"

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
		{op("a = MaxPool(x)", pbInts("kernel_shape", 2, 2), pbInteger("ceil_mode", 1)), op("s = Shape(x)"), op("h = Slice(s, spatial0, far)"), op("t = Shape(a)"), op("c = Slice(t, zeroth, spatial0)"),
			op("z = Concat(c, h)", pbInteger("axis", 0)), op("y = Resize(a, , , z)", text("mode", "linear"))},
		{op("u = Unsqueeze(x, spatial)"), op("g = Gather(u, zeroth)", pbInteger("axis", 1)), op("y = Squeeze(g, spatial0)")},
		{op("c = ConvTranspose(x, upward)", text("auto_pad", "SAME_LOWER")), op("p = Pad(c, somePads)", text("mode", "edge")), op("r = Resize(p, , twice)"), op("y = Slice(r, zeroth, four, spatial0)")},
	} {
		f.Add(marshal(f, modelOf(17, nodes...)))
	}
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
