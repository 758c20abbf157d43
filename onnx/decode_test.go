package onnx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/onnx/internal/onnxpb"
)

// op makes a node from "output = Operator(operand, operand)".
func op(text string, attributes ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	output, call, _ := strings.Cut(text, " = ")
	kind, operands, _ := strings.Cut(strings.TrimSuffix(call, ")"), "(")
	n := &onnxpb.NodeProto{Output: []string{output}, OpType: proto.String(kind), Attribute: attributes}
	if operands != "" {
		n.Input = strings.Split(operands, ", ")
	}
	return n
}

// outputs adds further outputs to a node.
func outputs(n *onnxpb.NodeProto, names ...string) *onnxpb.NodeProto {
	n.Output = append(n.Output, names...)
	return n
}

func tensorValue(t *onnxpb.TensorProto) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String("value"), T: t, Type: onnxpb.AttributeProto_TENSOR.Enum()}
}

func text(name, value string) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), S: []byte(value), Type: onnxpb.AttributeProto_STRING.Enum()}
}

func floats(name string, v []float32, dims ...int64) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{Name: proto.String(name), Dims: dims, DataType: proto.Int32(1), FloatData: v}
}

func longs(name string, v ...int64) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{Name: proto.String(name), Dims: []int64{int64(len(v))}, DataType: proto.Int32(7), Int64Data: v}
}

// constants are initializers that the tests' nodes use.
func constants() []*onnxpb.TensorProto {
	ramp := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(i + 1)
		}
		return v
	}
	return []*onnxpb.TensorProto{
		floats("sqrt2", []float32{1.4142135381698608}), floats("sqrthalf", []float32{0.70710677}, 1),
		floats("one", []float32{1}), floats("half", []float32{0.5}), floats("two", []float32{2}), floats("three", []float32{3}),
		floats("kernel", ramp(12), 4, 3, 1, 1), floats("upward", ramp(24), 3, 2, 2, 2), floats("vector4", ramp(4), 4), floats("row4", ramp(4), 1, 4),
		floats("matrix", ramp(12), 4, 3), floats("square", ramp(16), 4, 4), floats("vector3", ramp(3), 3),
		longs("spatial", 2, 3), longs("minus", -1), longs("minus2", -2), longs("four", 4), {Name: proto.String("four0"), DataType: proto.Int32(7), Int64Data: []int64{4}}, longs("four2", 4, 5), longs("last2", -1), longs("quad", 1, 2, 3, 4), longs("pairs", -1, 2), longs("least", -math.MaxInt64), longs("zeroth", 0), longs("two2", 2), longs("two2x2", 2, 2), longs("image1", 1, 1, 1, 5), longs("vast", 1, 1, 1, 1<<30), longs("five1", 5), {Name: proto.String("zero0"), DataType: proto.Int32(7), Int64Data: []int64{0}}, {Name: proto.String("one0"), DataType: proto.Int32(7), Int64Data: []int64{1}}, {Name: proto.String("vast0"), DataType: proto.Int32(7), Int64Data: []int64{1 << 40}}, longs("spatial0", 2), longs("far", math.MaxInt64), longs("minus2s", 5, 7), floats("twice", []float32{1, 1, 2, 2}, 4), floats("channels2", []float32{1, 2, 2, 2}, 4), floats("empty", nil, 0), longs("sizes", 1, 3, 5, 7), longs("somePads", 0, 0, 1, 1, 0, 0, 1, 1), longs("noPads", 0, 0, 0, 0, 0, 0, 0, 0), longs("spatial_backwards", -1, -2), longs("last", 3), longs("flat", 0, -1), longs("flat3", -1, 3),
		longs("flat4", -1, 4), longs("single", 1, -1), longs("image", 0, 3, 1, 1),
		floats("scale1", []float32{0.5}, 1), {Name: proto.String("zero1"), Dims: []int64{1}, DataType: proto.Int32(2), Int32Data: []int32{7}},
		{Name: proto.String("bytes"), Dims: []int64{2, 2}, DataType: proto.Int32(3), Int32Data: []int32{-128, 127, 0, -1}},
		floats("scale2", []float32{0.5, 2}, 2),
	}
}

// modelOf makes a model of an input N×3×H×W and nodes, whose last output is the graph's.
func modelOf(opset int64, nodes ...*onnxpb.NodeProto) *onnxpb.ModelProto {
	symbol := func(s string) *onnxpb.TensorShapeProto_Dimension {
		return &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: s}}
	}
	in := pbInfo("x", graph.Type{DType: graph.Float32, Shape: graph.Shape{{Div: 1}, graph.Fixed(3), {Div: 1}, {Div: 1}}})
	in.Type.GetTensorType().Shape.Dim[0] = symbol("batch")
	g := &onnxpb.GraphProto{Name: proto.String("g"), Node: nodes, Initializer: constants(), Input: []*onnxpb.ValueInfoProto{in}}
	if len(nodes) > 0 {
		g.Output = []*onnxpb.ValueInfoProto{{Name: proto.String(nodes[len(nodes)-1].Output[0])}}
	}
	return &onnxpb.ModelProto{IrVersion: proto.Int64(8), Graph: g,
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: proto.Int64(opset)}}}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// summary prints a graph's nodes, with attributes where want has them.
func summary(g *graph.Graph) string {
	var s []string
	for _, n := range g.Nodes {
		var in []string
		for _, v := range n.Inputs {
			in = append(in, v.Name)
		}
		s = append(s, fmt.Sprintf("%s = %s(%s) %v", n.Name(), n.Op.Kind(), strings.Join(in, ", "), n.Op))
	}
	return strings.ReplaceAll(strings.Join(s, "; "), " {}", "")
}

func TestDecodeSpellings(t *testing.T) {
	half := floats("", []float32{0.5})
	tests := []struct {
		name  string
		opset int64
		nodes []*onnxpb.NodeProto
		want  string
	}{
		{"GELU as PyTorch writes it", 14, []*onnxpb.NodeProto{
			op("c1 = Constant()", tensorValue(floats("", []float32{1.4142135}))), op("d = Div(x, c1)"), op("e = Erf(d)"),
			op("c2 = Constant()", tensorValue(floats("", []float32{1}))), op("a = Add(e, c2)"), op("m = Mul(x, a)"),
			op("c3 = Constant()", tensorValue(half)), op("y = Mul(m, c3)"), op("z = Relu(y)"),
		}, "y = Gelu(x); z = Relu(y)"},
		{"GELU, constants first", 20, []*onnxpb.NodeProto{op("d = Mul(sqrthalf, x)"), op("e = Erf(d)"), op("a = Add(one, e)"), op("h = Mul(half, x)"), op("y = Mul(a, h)")}, "y = Gelu(x)"},
		{"GELU, half of the sum", 17, []*onnxpb.NodeProto{op("d = Div(x, sqrt2)"), op("e = Erf(d)"), op("a = Add(e, one)"), op("h = Mul(a, half)"), op("y = Mul(h, x)")}, "y = Gelu(x)"},
		{"GELU, exact by attribute", 20, []*onnxpb.NodeProto{op("y = Gelu(x)", text("approximate", "none"))}, "y = Gelu(x)"},
		{"GELU of a product", 17, []*onnxpb.NodeProto{op("p = Mul(x, x)"), op("d = Div(p, sqrt2)"), op("e = Erf(d)"), op("a = Add(e, one)"), op("m = Mul(p, a)"), op("y = Mul(m, half)")}, "p = Mul(x, x); y = Gelu(p)"},
		{"mean of two", 17, []*onnxpb.NodeProto{op("a = Relu(x)"), op("s = Add(a, x)"), op("y = Div(s, two)")}, "a = Relu(x); y = Mean(a, x)"},
		{"mean as a product", 17, []*onnxpb.NodeProto{op("a = Relu(x)"), op("s = Add(a, x)"), op("y = Mul(half, s)")}, "a = Relu(x); y = Mean(a, x)"},
		{"convolution without attributes", 13, []*onnxpb.NodeProto{op("y = Conv(x, kernel, )")}, "y = Conv(x, kernel) {[1 1] [0 0 0 0] 1 [0 0]}"},
		{"dilated convolution", 13, []*onnxpb.NodeProto{op("y = Conv(x, kernel)", pbInts("dilations", 2, 3))}, "y = Conv(x, kernel) {[1 1] [0 0 0 0] 1 [2 3]}"},
		{"batch normalisation", 15, []*onnxpb.NodeProto{op("y = BatchNormalization(x, vector3, vector3, vector3, vector3)", pbFloat("momentum", 0.9), pbInteger("training_mode", 0))},
			"y = BatchNormalization(x, vector3, vector3, vector3, vector3) {1e-05}"},
		{"pooling by axes", 17, []*onnxpb.NodeProto{op("y = ReduceMean(x)", pbInts("axes", 2, 3), pbInteger("keepdims", 1))}, "y = GlobalAveragePool(x)"},
		{"pooling by axes in opset 18", 18, []*onnxpb.NodeProto{op("y = ReduceMean(x, spatial_backwards)")}, "y = GlobalAveragePool(x)"},
		{"pooling to vectors", 17, []*onnxpb.NodeProto{op("y = ReduceMean(x)", pbInts("axes", -1, -2), pbInteger("keepdims", 0))}, "y.pool = GlobalAveragePool(x); y = Flatten(y.pool)"},
		{"scaled Gemm", 9, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("f = Flatten(p)"), op("y = Gemm(f, matrix, vector4)", pbFloat("alpha", 2), pbFloat("beta", 0.5), pbInteger("transB", 1))},
			"p = GlobalAveragePool(x); f = Flatten(p); y.scaled = Mul(f, y.factor); y.bias = Mul(vector4, y.factor_1); y.product = Gemm(y.scaled, matrix); y = Add(y.product, y.bias)"},
		{"Gemm of values, transposed", 17, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("f = Flatten(p)"), op("y = Gemm(f, f)", pbInteger("transA", 1))},
			"p = GlobalAveragePool(x); f = Flatten(p); y.a = Transpose(f) {[1 0]}; y = MatMul(y.a, f)"},
		{"Gemm of values with a bias", 17, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("f = Flatten(p)"), op("y = Gemm(f, f, one)", pbInteger("transB", 1))},
			"p = GlobalAveragePool(x); f = Flatten(p); y.b = Transpose(f) {[1 0]}; y.product = MatMul(f, y.b); y = Add(y.product, one)"},
		{"Gemm with a scalar as bias", 17, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("f = Flatten(p)"), op("y = Gemm(f, matrix, one)", pbInteger("transB", 1))},
			"p = GlobalAveragePool(x); f = Flatten(p); y.product = Gemm(f, matrix); y = Add(y.product, one)"},
		{"padding", 9, []*onnxpb.NodeProto{op("y = Pad(x)", pbInts("pads", 0, 0, 1, 1, 0, 0, 1, 1), pbFloat("value", 0.1))}, "y = Pad(x) {constant [0 0 1 1 0 0 1 1] 0.1}"},
		{"padding of some axes", 18, []*onnxpb.NodeProto{op("y = Pad(x, four2, two, last2)", text("mode", "constant"))}, "y = Pad(x) {constant [0 0 0 4 0 0 0 5] 2}"},
		{"padding as PyTorch writes it", 13, []*onnxpb.NodeProto{op("z = ConstantOfShape(four)", tensorValue(longs("", 0))), op("c = Concat(quad, z)", pbInteger("axis", 0)), op("r = Reshape(c, pairs)"),
			op("s = Slice(r, minus, least, zeroth, minus)"), op("t = Transpose(s)", pbInts("perm", 1, 0)), op("f = Reshape(t, minus)"), op("p = Cast(f)", pbInteger("to", 7)), op("y = Pad(x, p)", text("mode", "reflect"))},
			"y = Pad(x) {reflect [0 0 3 1 0 0 4 2] 0}"},
		{"channels at an index", 13, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("c = Constant()", &onnxpb.AttributeProto{Name: proto.String("value_int"), I: proto.Int64(-1), Type: onnxpb.AttributeProto_INT.Enum()}), op("y = Gather(p, c)", pbInteger("axis", 3))},
			"p = GlobalAveragePool(x); y.list = Gather(p, c.list) {3}; y = Reshape(y.list) {[0 3 1]}"},
		{"broadcast to a constant shape", 13, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("e = Expand(p, sizes)"), op("y = Relu(e)")},
			"p = GlobalAveragePool(x); e.expanded = Where(e.truths, p, p); e.expanded_1 = Where(e.truths_1, e.expanded, e.expanded); y = Relu(e.expanded_1)"},
		{"broadcast to the shape that is there", 13, []*onnxpb.NodeProto{op("s = Shape(x)"), op("e = Expand(x, s)"), op("y = Relu(e)")}, "y = Relu(x)"},
		{"broadcast to each image", 13, []*onnxpb.NodeProto{op("s = Shape(x)"), op("b = Gather(s, zeroth)"), op("t = Concat(b, last2)", pbInteger("axis", 0)), op("f = ConstantOfShape(two2)", tensorValue(longs("", 1))),
			op("m = Mul(f, minus)"), op("n = Equal(t, m)"), op("w = Where(n, f, t)"), op("e = Expand(row4, w)"), op("y = Relu(e)")},
			"e.first = Slice(x) {[1 2 3] [0 0 0] [1 1 1] [1 1 1]}; e.row = Flatten(e.first); e.truths = Equal(e.row, e.row); e.expanded = Where(e.truths, row4, row4); y = Relu(e.expanded)"},
		{"zeros", 13, []*onnxpb.NodeProto{op("z = ConstantOfShape(image1)"), op("y = Add(x, z)")}, "z.expanded = Where(z.truths, z.element.axes4, z.element.axes4); y = Add(x, z.expanded)"},
		{"range", 13, []*onnxpb.NodeProto{op("r = Range(zero0, four0, one0)"), op("p = GlobalAveragePool(x)"), op("f = Cast(r)", pbInteger("to", 1)), op("y = Add(p, f)")}, "p = GlobalAveragePool(x); f = Cast(r) {float32}; y = Add(p, f)"},
		{"a size as a value", 13, []*onnxpb.NodeProto{op("s = Shape(x)"), op("b = Gather(s, zero0)"), op("f = Cast(b)", pbInteger("to", 1)), op("y = Div(x, f)")},
			"b.first = Slice(x) {[1 2 3] [0 0 0] [1 1 1] [1 1 1]}; b.row = Reshape(b.first) {[0]}; b.truths = Equal(b.row, b.row); b.ones = Where(b.truths, b.one, b.one); b.sum = ReduceSum(b.ones) {[-1] true}; b.count = Cast(b.sum) {int64}; b.shaped = Reshape(b.count) {[]}; f = Cast(b.shaped) {float32}; y = Div(x, f)"},
		{"parts of sizes", 13, []*onnxpb.NodeProto{op("s = Shape(x)"), outputs(op("a = Split(s, two2x2)"), "b"), op("t = Concat(a, minus)", pbInteger("axis", 0)), op("y = Reshape(x, t)")}, "y = Reshape(x) {[0 3 -1]}"},
		{"the row of an index that is computed", 13, []*onnxpb.NodeProto{op("i = ArgMax(row4)", pbInteger("axis", 1), pbInteger("keepdims", 0)), op("g = Gather(square, i)", pbInteger("axis", 0)), op("y = Relu(g)")},
			"i = ArgMax(row4) {-1 false false}; g.index = Reshape(i) {[1 1]}; g.batch = Reshape(square) {[1 4 4]}; g.element = GatherND(g.batch, g.index) {1}; y = Relu(g.element)"},
		{"the column of an index that is computed", 13, []*onnxpb.NodeProto{op("i = ArgMax(row4)", pbInteger("axis", 1)), op("c = Cast(i)", pbInteger("to", 6)), op("g = Gather(square, c)", pbInteger("axis", 1)), op("y = Relu(g)")},
			"i = ArgMax(row4) {-1 true false}; c = Cast(i) {int32}; g.index = Cast(c) {int64}; g.first = Transpose(square) {[1 0]}; g.batch = Reshape(g.first) {[1 4 4]}; g.element = GatherND(g.batch, g.index) {1}; g = Reshape(g.element) {[4 1 1]}; y = Relu(g)"},
		{"an index and nothing", 13, []*onnxpb.NodeProto{op("i = ArgMax(row4)", pbInteger("axis", 1)), op("j = Add(i, zeroth)"), op("y = Cast(j)", pbInteger("to", 1))}, "i = ArgMax(row4) {-1 true false}; y = Cast(i) {float32}"},
		{"padding of nothing", 17, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("a = Pad(p, noPads)", text("mode", "constant")), op("y = Relu(a)")}, "p = GlobalAveragePool(x); y = Relu(p)"},
		{"padding of nothing in opset 9", 9, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("a = Pad(p)", pbInts("pads", 0, 0, 0, 0, 0, 0, 0, 0), pbFloat("value", 0)), op("y = Relu(a)")}, "p = GlobalAveragePool(x); y = Relu(p)"},
		{"half a GELU", 17, []*onnxpb.NodeProto{op("y = Erf(x)")}, "y = Erf(x)"},
		{"GELU with another constant", 17, []*onnxpb.NodeProto{op("d = Div(x, two)"), op("e = Erf(d)"), op("a = Add(e, one)"), op("m = Mul(x, a)"), op("y = Mul(m, half)")},
			"d = Div(x, two); e = Erf(d); a = Add(e, one); m = Mul(x, a); y = Mul(m, half)"},
		{"GELU whose erf is used", 17, []*onnxpb.NodeProto{op("d = Div(x, sqrt2)"), op("e = Erf(d)"), op("a = Add(e, one)"), op("m = Mul(x, a)"), op("g = Mul(m, half)"), op("y = Add(g, e)")},
			"d = Div(x, sqrt2); e = Erf(d); a = Add(e, one); m = Mul(x, a); g = Mul(m, half); y = Add(g, e)"},
		{"GELU of two values", 17, []*onnxpb.NodeProto{op("r = Relu(x)"), op("d = Div(r, sqrt2)"), op("e = Erf(d)"), op("a = Add(e, one)"), op("m = Mul(x, a)"), op("y = Mul(m, half)")},
			"r = Relu(x); d = Div(r, sqrt2); e = Erf(d); a = Add(e, one); m = Mul(x, a); y = Mul(m, half)"},
		{"sum of three", 8, []*onnxpb.NodeProto{op("y = Sum(x, x, one)")}, "y.part = Add(x, x); y = Add(y.part, one)"},
		{"sum of one", 8, []*onnxpb.NodeProto{op("s = Sum(x)"), op("y = Relu(s)")}, "y = Relu(x)"},
		{"largest of three", 13, []*onnxpb.NodeProto{op("y = Max(x, one, two)")}, "y.part = Max(x, one); y = Max(y.part, two)"},
		{"bounds that are computed", 13, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("y = Clip(x, p, two)")}, "p = GlobalAveragePool(x); y.raised = Max(x, p); y = Min(y.raised, two)"},
		{"an upper bound that is computed", 13, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("y = Clip(x, , p)")}, "p = GlobalAveragePool(x); y = Min(x, p)"},
		{"bounds of integers", 13, []*onnxpb.NodeProto{op("i = Cast(x)", pbInteger("to", 7)), op("c = Clip(i, last)"), op("y = Cast(c)", pbInteger("to", 1))}, "i = Cast(x) {int64}; c = Max(i, last); y = Cast(c) {float32}"},
		{"least index", 13, []*onnxpb.NodeProto{op("y = ArgMin(x)", pbInteger("axis", 1), pbInteger("keepdims", 0))}, "y.negative = Neg(x); y = ArgMax(y.negative) {-3 false false}"},
		{"exponent of another type", 13, []*onnxpb.NodeProto{op("y = Pow(x, last)")}, "y.exponent = Cast(last) {float32}; y = Pow(x, y.exponent)"},
		{"at least", 16, []*onnxpb.NodeProto{op("y = GreaterOrEqual(x, one)")}, "y.order = Greater(x, one); y.equal = Equal(x, one); y = Or(y.order, y.equal)"},
		{"either", 13, []*onnxpb.NodeProto{op("a = Less(x, one)"), op("b = Greater(x, two)"), op("y = Xor(a, b)")}, "a = Less(x, one); b = Greater(x, two); y.equal = Equal(a, b); y = Not(y.equal)"},
		{"sum over axes in opset 13", 13, []*onnxpb.NodeProto{op("y = ReduceSum(x, spatial)")}, "y = ReduceSum(x) {[-2 -1] true}"},
		{"sum over axes in opset 12", 12, []*onnxpb.NodeProto{op("y = ReduceSum(x)", pbInts("axes", 1), pbInteger("keepdims", 0))}, "y = ReduceSum(x) {[-3] false}"},
		{"length", 17, []*onnxpb.NodeProto{op("y = ReduceL2(x)", pbInts("axes", 1))}, "y.square = Mul(x, x); y.sum = ReduceSum(y.square) {[-3] true}; y = Sqrt(y.sum)"},
		{"logarithm of a sum of powers", 17, []*onnxpb.NodeProto{op("y = ReduceLogSumExp(x)", pbInts("axes", 1), pbInteger("keepdims", 0))},
			"y.max = ReduceMax(x) {[-3] true}; y.top = Clip(y.max) {-3.4028234663852886e+38 3.4028234663852886e+38}; y.shifted = Sub(x, y.top); y.exp = Exp(y.shifted); y.top_1 = ReduceMax(y.top) {[-3] false}; y.sum = ReduceSum(y.exp) {[-3] false}; y.log = Log(y.sum); y = Add(y.log, y.top_1)"},
		{"log softmax", 17, []*onnxpb.NodeProto{op("y = LogSoftmax(x)")},
			"y.top = ReduceMax(x) {[-1] true}; y.shifted = Sub(x, y.top); y.exp = Exp(y.shifted); y.sum = ReduceSum(y.exp) {[-1] true}; y.log = Log(y.sum); y = Sub(y.shifted, y.log)"},
		{"slopes of channels in opset 6", 6, []*onnxpb.NodeProto{op("y = PRelu(x, vector3)")}, "y.negative = Less(x, y.factor); y.scaled = Mul(x, vector3.2); y = Where(y.negative, y.scaled, x)"},
		{"slopes of columns in opset 7", 7, []*onnxpb.NodeProto{op("y = PRelu(x, vector3)")}, "y.negative = Less(x, y.factor); y.scaled = Mul(x, vector3); y = Where(y.negative, y.scaled, x)"},
		{"infinities", 20, []*onnxpb.NodeProto{op("y = IsInf(x)")}, "y.abs = Abs(x); y = Equal(y.abs, y.factor)"},
		{"type of another value", 15, []*onnxpb.NodeProto{op("y = CastLike(x, last)")}, "y = Cast(x) {int64}"},
		{"reciprocal", 13, []*onnxpb.NodeProto{op("y = Reciprocal(x)")}, "y = Div(y.factor, x)"},
		{"SELU", 6, []*onnxpb.NodeProto{op("y = Selu(x)", pbFloat("alpha", 2), pbFloat("gamma", 3))}, "y.elu = Elu(x) {2}; y = Mul(y.elu, y.factor)"},
		{"transpose by default", 17, []*onnxpb.NodeProto{op("y = Transpose(x)")}, "y = Transpose(x) {[3 2 1 0]}"},
		{"dropout with a mask that nothing reads", 9, []*onnxpb.NodeProto{{Input: []string{"x"}, Output: []string{"d", "mask"}, OpType: proto.String("Dropout"), Attribute: []*onnxpb.AttributeProto{pbFloat("ratio", 0.5)}}, op("y = Relu(d)")}, "y = Relu(x)"},
		{"opset 6", 6, []*onnxpb.NodeProto{op("a = BatchNormalization(x, vector3, vector3, vector3, vector3)", pbInteger("is_test", 1)), op("b = Dropout(a)", pbInteger("is_test", 1)),
			op("c = Add(b, b)"), op("y = Mul(c, c)")}, "a = BatchNormalization(x, vector3, vector3, vector3, vector3) {1e-05}; c = Add(a, a); y = Mul(c, c)"},
		{"bounds as attributes", 9, []*onnxpb.NodeProto{op("y = Clip(x)", pbFloat("min", 0), pbFloat("max", 6))}, "y = Clip(x) {0 6}"},
		{"softmax by default in opset 12", 12, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("y = Softmax(p)")}, "p = GlobalAveragePool(x); y = Softmax(p) {-3}"},
		{"softmax of vectors in opset 9", 9, []*onnxpb.NodeProto{op("f = Flatten(x)"), op("y = Softmax(f)", pbInteger("axis", 1))}, "f = Flatten(x); y = Softmax(f) {0}"},
		{"normalisation in opset 7", 7, []*onnxpb.NodeProto{op("y = BatchNormalization(x, vector3, vector3, vector3, vector3)", pbInteger("spatial", 1), pbFloat("momentum", 0.5), pbFloat("epsilon", 1e-3))}, "y = BatchNormalization(x, vector3, vector3, vector3, vector3) {0.001}"},
		{"list of floats", 24, []*onnxpb.NodeProto{op("c = Constant()", &onnxpb.AttributeProto{Name: proto.String("value_floats"), Floats: []float32{1, 2}, Type: onnxpb.AttributeProto_FLOATS.Enum()}), op("y = Add(x, c)")}, "y = Add(x, c)"},
		{"mean over channels", 17, []*onnxpb.NodeProto{op("y = ReduceMean(x)", pbInts("axes", 2, 1))}, "y = ReduceMean(x) {[-3 -2] true}"},
		{"mean over everything", 17, []*onnxpb.NodeProto{op("y = ReduceMean(x)", pbInteger("keepdims", 0))}, "y = ReduceMean(x) {[-4 -3 -2 -1] false}"},
		{"mean over the last axis in opset 18", 18, []*onnxpb.NodeProto{op("y = ReduceMean(x, last)", pbInteger("keepdims", 0))}, "y = ReduceMean(x) {[-1] false}"},
		{"squeeze", 17, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("y = Squeeze(p, spatial)")}, "p = GlobalAveragePool(x); y = Flatten(p)"},
		{"reshape to the same", 17, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("r = Reshape(p, image)"), op("y = Relu(r)")}, "p = GlobalAveragePool(x); y = Relu(p)"},
		{"an input as output", 17, []*onnxpb.NodeProto{op("y = Identity(x)")}, "y = Cast(x) {float32}"},
		{"view of sizes in opset 9", 9, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("s = Shape(p)"), op("c = Constant()", tensorValue(&onnxpb.TensorProto{DataType: proto.Int32(7), Int64Data: []int64{0}})),
			op("n = Gather(s, c)", pbInteger("axis", 0)), op("u = Unsqueeze(n)", pbInts("axes", 0)), op("v = Concat(u, minus)", pbInteger("axis", 0)), op("y = Reshape(p, v)")}, "p = GlobalAveragePool(x); y = Flatten(p)"},
		{"view of sizes in opset 15", 15, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("n = Shape(p)", pbInteger("start", -4), pbInteger("end", 1)),
			op("v = Concat(n, minus)", pbInteger("axis", 0)), op("y = Reshape(p, v)")}, "p = GlobalAveragePool(x); y = Flatten(p)"},
		{"reshape", 17, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("y = Reshape(p, flat)")}, "p = GlobalAveragePool(x); y = Flatten(p)"},
		{"flatten from the third axis", 17, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("y = Flatten(p)", pbInteger("axis", -2))}, "p = GlobalAveragePool(x); y = Reshape(p) {[-1 1]}"},
		{"flatten all", 9, []*onnxpb.NodeProto{op("y = Flatten(x)", pbInteger("axis", 0))}, "y = Reshape(x) {[1 -1]}"},
		{"flatten rows", 17, []*onnxpb.NodeProto{op("m = ReduceMean(x)", pbInts("axes", 3), pbInteger("keepdims", 0)), op("y = Flatten(m)")}, "m = ReduceMean(x) {[-1] false}; y = Reshape(m) {[0 -1]}"},
		{"squeeze of one axis", 17, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("y = Squeeze(p, last)")}, "p = GlobalAveragePool(x); y = Reshape(p) {[0 3 1]}"},
		{"unsqueeze before sizes that are not known", 17, []*onnxpb.NodeProto{op("y = Unsqueeze(x, spatial)")}, "y = Reshape(x) {[0 3 1 1 -4 -5]}"},
		{"unsqueeze", 12, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("f = Flatten(p)"), op("y = Unsqueeze(f)", pbInts("axes", -1, 1))}, "p = GlobalAveragePool(x); f = Flatten(p); y = Reshape(f) {[0 1 3 1]}"},
		{"reshape to images", 17, []*onnxpb.NodeProto{op("y = Reshape(x, image)")}, "y = Reshape(x) {[0 3 1 1]}"},
		{"reshape across images", 17, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("y = Reshape(p, flat4)")}, "p = GlobalAveragePool(x); y = Reshape(p) {[-1 4]}"},
		{"reshape to one image", 17, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("y = Reshape(p, single)")}, "p = GlobalAveragePool(x); y = Reshape(p) {[1 -1]}"},
		{"tokens of sizes", 17, []*onnxpb.NodeProto{op("s = Shape(x)"), op("h = Slice(s, minus2, minus)"), op("w = Slice(s, minus, four)"), op("n = Mul(h, w)"),
			op("b = Shape(x)", pbInteger("end", 2)), op("v = Concat(b, n)", pbInteger("axis", 0)), op("y = Reshape(x, v)")}, "y = Reshape(x) {[0 3 -1]}"},
		{"reshape by size", 17, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("y = Reshape(p, flat3)")}, "p = GlobalAveragePool(x); y = Flatten(p)"},
		{"Gemm with a weight K×M and a row as bias", 17, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("f = Flatten(p)"),
			op("g = Gemm(f, matrix)", pbInteger("transB", 1)), op("y = Gemm(g, square, row4)")},
			"p = GlobalAveragePool(x); f = Flatten(p); g = Gemm(f, matrix); y = Gemm(g, square.transposed, row4.vector)"},
		{"hard swish as PyTorch writes it", 13, []*onnxpb.NodeProto{op("g = HardSigmoid(x)", pbFloat("alpha", 1./6)), op("y = Mul(x, g)")}, "y = HardSwish(x)"},
		{"hard swish, gate first", 17, []*onnxpb.NodeProto{op("g = HardSigmoid(x)", pbFloat("alpha", 0.16666667), pbFloat("beta", 0.5)), op("y = Mul(g, x)")}, "y = HardSwish(x)"},
		{"another gate", 17, []*onnxpb.NodeProto{op("g = HardSigmoid(x)"), op("y = Mul(x, g)")}, "g = HardSigmoid(x) {0.2 0.5}; y = Mul(x, g)"},
		{"a gate of something else", 17, []*onnxpb.NodeProto{op("r = Relu(x)"), op("g = HardSigmoid(r)", pbFloat("alpha", 1./6)), op("y = Mul(x, g)")},
			"r = Relu(x); g = HardSigmoid(r) {0.16666666666666666 0.5}; y = Mul(x, g)"},
		{"a gate that is read twice", 17, []*onnxpb.NodeProto{op("g = HardSigmoid(x)", pbFloat("alpha", 1./6)), op("z = Mul(x, g)"), op("y = Add(z, g)")},
			"g = HardSigmoid(x) {0.16666666666666666 0.5}; z = Mul(x, g); y = Add(z, g)"},
		{"ReLU6", 13, []*onnxpb.NodeProto{op("c0 = Constant()", tensorValue(floats("", []float32{0}))), op("c6 = Constant()", tensorValue(floats("", []float32{6}))), op("y = Clip(x, c0, c6)")}, "y = Clip(x) {0 6}"},
		{"clip with one bound", 13, []*onnxpb.NodeProto{op("y = Clip(x, , two)")}, "y = Clip(x) {-3.4028234663852886e+38 2}"},
		{"largest of windows", 13, []*onnxpb.NodeProto{op("y = MaxPool(x)", pbInts("kernel_shape", 3, 2), pbInts("pads", 1, 0, 1, 1), pbInteger("storage_order", 0), pbInteger("ceil_mode", 0))}, "y = MaxPool(x) {[3 2] [1 1] [1 0 1 1] [0 0] false}"},
		{"largest of windows, rounded up, of pixels apart", 13, []*onnxpb.NodeProto{op("y = MaxPool(x)", pbInts("kernel_shape", 2, 2), pbInts("dilations", 2, 3), pbInteger("ceil_mode", 1))}, "y = MaxPool(x) {[2 2] [1 1] [0 0 0 0] [2 3] true}"},
		{"padded automatically", 13, []*onnxpb.NodeProto{op("y = MaxPool(x)", pbInts("kernel_shape", 3, 2), text("auto_pad", "SAME_UPPER"))}, "y = MaxPool(x) {[3 2] [1 1] [1 0 1 1] [0 0] false}"},
		{"padded automatically before", 13, []*onnxpb.NodeProto{op("y = AveragePool(x)", pbInts("kernel_shape", 3, 2), pbInteger("ceil_mode", 1), text("auto_pad", "SAME_LOWER"))}, "y = AveragePool(x) {[3 2] [1 1] [1 1 1 0] false false}"},
		{"padded automatically by stride", 13, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("y = AveragePool(p)", pbInts("kernel_shape", 2, 2), pbInts("strides", 2, 2), text("auto_pad", "SAME_UPPER"))}, "p = GlobalAveragePool(x); y = AveragePool(p) {[2 2] [2 2] [0 0 1 1] false false}"},
		{"not padded automatically", 13, []*onnxpb.NodeProto{op("y = Conv(x, kernel)", text("auto_pad", "VALID"), pbInts("dilations", 1, 1))}, "y = Conv(x, kernel) {[1 1] [0 0 0 0] 1 [0 0]}"},
		{"resize by default", 13, []*onnxpb.NodeProto{op("y = Resize(x, , twice)")}, "y = Resize(x) {nearest half_pixel round_prefer_floor [2 2] [0 0]}"},
		{"resize in opset 10", 10, []*onnxpb.NodeProto{op("y = Resize(x, twice)", text("mode", "nearest"))}, "y = Resize(x) {nearest asymmetric floor [2 2] [0 0]}"},
		{"resize in opset 11", 11, []*onnxpb.NodeProto{op("y = Resize(x, empty, twice)", text("mode", "cubic"), pbFloat("cubic_coeff_a", -0.75))}, "y = Resize(x) {cubic half_pixel  [2 2] [0 0]}"},
		{"resize of two axes", 18, []*onnxpb.NodeProto{op("y = Resize(x, , , minus2s)", text("mode", "linear"), text("nearest_mode", "floor"), pbInts("axes", 3, -2))}, "y = Resize(x) {linear half_pixel  [0 0] [7 5]}"},
		{"upsample", 7, []*onnxpb.NodeProto{op("y = Upsample(x)", &onnxpb.AttributeProto{Name: proto.String("scales"), Floats: []float32{1, 1, 2, 3}, Type: onnxpb.AttributeProto_FLOATS.Enum()})}, "y = Resize(x) {nearest asymmetric floor [2 3] [0 0]}"},
		{"upsample in opset 9", 9, []*onnxpb.NodeProto{op("y = Upsample(x, twice)")}, "y = Resize(x) {nearest asymmetric floor [2 2] [0 0]}"},
		{"resize like another", 13, []*onnxpb.NodeProto{op("a = MaxPool(x)", pbInts("kernel_shape", 2, 2), pbInts("strides", 2, 2)), op("s = Shape(x)"), op("h = Slice(s, spatial0, far)"), op("t = Shape(a)"), op("c = Slice(t, zeroth, spatial0)"),
			op("z = Concat(c, h)", pbInteger("axis", 0)), op("y = Resize(a, , , z)", text("mode", "linear"), text("coordinate_transformation_mode", "align_corners"))},
			"a = MaxPool(x) {[2 2] [2 2] [0 0 0 0] [0 0] false}; y = Resize(a, x) {linear align_corners  [0 0] [0 0]}"},
		{"shape of constants", 11, []*onnxpb.NodeProto{op("u = Unsqueeze(four0)", pbInts("axes", 0)), op("m = Mul(u, spatial0)"), op("v = Concat(zeroth, minus, m)", pbInteger("axis", 0)), op("y = Reshape(x, v)")}, "y = Reshape(x) {[0 -1 8]}"},
		{"indexes of constants", 13, []*onnxpb.NodeProto{op("v = Concat(zeroth, minus)", pbInteger("axis", 0)), op("y = Gather(x, v)", pbInteger("axis", 1))}, "y = Gather(x, v) {1}"},
		{"constants that are no sizes", 13, []*onnxpb.NodeProto{op("c = Cast(four)", pbInteger("to", 1)), op("y = Mul(x, c)")}, "c = Cast(four) {float32}; y = Mul(x, c)"},
		{"parts", 11, []*onnxpb.NodeProto{outputs(op("a = Split(x)", pbInteger("axis", 1), pbInts("split", 1, 2)), "b"), op("y = Concat(b, a)", pbInteger("axis", 1))},
			"a = Slice(x) {[1] [0] [1] [1]}; b = Slice(x) {[1] [1] [3] [1]}; y = Concat(b, a) {1}"},
		{"uneven parts", 18, []*onnxpb.NodeProto{outputs(op("a = Split(x)", pbInteger("axis", 1), pbInteger("num_outputs", 2)), "b"), op("y = Identity(b)")},
			"a = Slice(x) {[1] [0] [2] [1]}; y = Slice(x) {[1] [2] [3] [1]}"},
		{"transposed convolution", 11, []*onnxpb.NodeProto{op("y = ConvTranspose(x, upward)", pbInts("strides", 2, 1), pbInts("kernel_shape", 2, 2), pbInts("output_padding", 1, 0))}, "y = ConvTranspose(x, upward) {[2 1] [0 0 0 0] [1 0] 1 [0 0]}"},
		{"transposed convolution, padded automatically", 11, []*onnxpb.NodeProto{op("y = ConvTranspose(x, upward)", text("auto_pad", "SAME_UPPER"))}, "y = ConvTranspose(x, upward) {[1 1] [0 0 1 1] [0 0] 1 [0 0]}"},
		{"mean of windows", 13, []*onnxpb.NodeProto{op("y = AveragePool(x)", pbInts("kernel_shape", 3, 2), pbInts("strides", 2, 1))}, "y = AveragePool(x) {[3 2] [2 1] [0 0 0 0] false false}"},
		{"identity", 17, []*onnxpb.NodeProto{op("w = Identity(kernel)"), op("a = Conv(x, w)"), op("y = Identity(a)")}, "y = Conv(x, kernel) {[1 1] [0 0 0 0] 1 [0 0]}"},
		{"softmax with a positive axis", 17, []*onnxpb.NodeProto{op("p = GlobalAveragePool(x)"), op("f = Flatten(p)"), op("y = Softmax(f)", pbInteger("axis", 1))},
			"p = GlobalAveragePool(x); f = Flatten(p); y = Softmax(f) {0}"},
		{"softmax over channels", 17, []*onnxpb.NodeProto{op("y = Softmax(x)", pbInteger("axis", 1))}, "y = Softmax(x) {-3}"},
		{"operands of several ranks", 17, []*onnxpb.NodeProto{op("y = Mul(x, three)")}, "y = Mul(x, three)"},
		{"scales of one element, no zero points", 17, []*onnxpb.NodeProto{op("q = QuantizeLinear(x, scale1)"), op("y = DequantizeLinear(q, scale1)")},
			"q = QuantizeLinear(x, scale1.scalar, scale1.scalar.zero_point.uint8) {0}; y = DequantizeLinear(q, scale1.scalar, scale1.scalar.zero_point.uint8) {0}"},
		{"zero point", 13, []*onnxpb.NodeProto{op("q = QuantizeLinear(x, scale1, zero1)"), op("y = DequantizeLinear(q, scale1, zero1)")},
			"q = QuantizeLinear(x, scale1.scalar, zero1.scalar) {0}; y = DequantizeLinear(q, scale1.scalar, zero1.scalar) {0}"},
		{"weight with a negative axis", 17, []*onnxpb.NodeProto{op("y = DequantizeLinear(bytes, scale2)", pbInteger("axis", -1))},
			"y = DequantizeLinear(bytes, scale2, scale2.zero_point.int8) {1}"},
		{"quantized type by attribute", 21, []*onnxpb.NodeProto{op("q = QuantizeLinear(x, half)", pbInteger("output_dtype", 3)), op("y = DequantizeLinear(q, half)")},
			"q = QuantizeLinear(x, half, half.zero_point.int8) {0}; y = DequantizeLinear(q, half, half.zero_point.int8) {0}"},
	}
	for _, test := range tests {
		m, err := Decode(marshal(t, modelOf(test.opset, test.nodes...)))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := summary(m.Graph); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, test.want)
		}
	}
}

// Layer normalisation in nodes is found, whatever the exporter; what looks like it and is not
// stays as it is.
func TestDecodeLayerNorm(t *testing.T) {
	mean := func(text string, axis int) *onnxpb.NodeProto { return op(text, pbInts("axes", axis)) }
	with := func(axis int, scale string, more ...*onnxpb.NodeProto) []*onnxpb.NodeProto {
		return append([]*onnxpb.NodeProto{mean("m = ReduceMean(x)", axis), op("c = Sub(x, m)"), op("q = Pow(c, two)"), mean("v = ReduceMean(q)", axis),
			op("e = Add(v, half)"), op("r = Sqrt(e)"), op("n = Div(c, r)"), op("s = Mul(n, " + scale + ")")}, more...)
	}
	change := func(nodes []*onnxpb.NodeProto, at int, to *onnxpb.NodeProto) []*onnxpb.NodeProto {
		nodes[at] = to
		return nodes
	}
	const channels, spelled = "y = LayerNormalization(x, image3, image3) {[-3] 0.5}", "c = Sub(x, m)"
	for _, test := range []struct {
		name  string
		opset int64
		nodes []*onnxpb.NodeProto
		want  string // the whole graph, or a part of it
	}{
		{"of channels", 14, with(1, "image3", op("y = Add(s, image3)")), channels},
		{"the operands in the other order", 14, with(-3, "image3", op("y = Add(image3, s)")), channels},
		{"in opset 17", 17, with(1, "image3", op("y = Add(s, image3)")), channels},
		{"without bias", 14, with(1, "image3"), "s = LayerNormalization(x, image3) {[-3] 0.5}"},
		{"the square as a product", 14, change(with(1, "image3", op("y = Add(s, image3)")), 2, op("q = Mul(c, c)")), channels},
		{"the difference twice", 14, append([]*onnxpb.NodeProto{mean("m = ReduceMean(x)", 1), op("c = Sub(x, m)"), op("d = Sub(x, m)")},
			change(with(1, "image3", op("y = Add(s, image3)")), 6, op("n = Div(d, r)"))[2:]...), channels},
		{"and then something that is no bias", 14, with(1, "image3", op("y = Add(s, x)")), "s = LayerNormalization(x, image3) {[-3] 0.5}; y = Add(s, x)"},
		{"and then a constant that is no bias", 14, with(1, "image3", op("y = Add(s, one)")), "s = LayerNormalization(x, image3) {[-3] 0.5}; y = Add(s, one)"},
		{"a scale of other shape", 14, with(1, "one", op("y = Add(s, image3)")), spelled},
		{"over the batch", 14, with(0, "image3"), spelled},
		{"over different axes", 14, change(with(1, "image3"), 3, mean("v = ReduceMean(q)", 2)), spelled},
		{"the mean of something else", 14, change(with(1, "image3"), 0, mean("m = ReduceMean(image3)", 0)), spelled},
		{"another power", 14, change(with(1, "image3"), 2, op("q = Pow(c, three)")), spelled},
		{"a variance that is used", 14, with(1, "image3", op("y = Add(s, v)")), spelled},
		{"a mean that is used", 14, with(1, "image3", op("y = Add(s, m)")), spelled},
		{"axes that are not kept", 14, change(change(with(3, "image3"), 0, op("m = ReduceMean(x)", pbInts("axes", 3), pbInteger("keepdims", 0))), 1, op("c = Sub(x, half)")), "c = Sub(x, half)"},
	} {
		model := modelOf(test.opset, test.nodes...)
		model.Graph.Initializer = append(model.Graph.Initializer, floats("image3", []float32{1, 2, 3}, 3, 1, 1))
		m, err := Decode(marshal(t, model))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := summary(m.Graph); got != test.want && !(test.want[0] == 'c' && strings.Contains(got, test.want)) {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, test.want)
		}
	}
}

// The operator itself, with outputs that it has in ONNX alone.
func TestDecodeLayerNormalization(t *testing.T) {
	node := func(outputs ...string) *onnxpb.NodeProto {
		return &onnxpb.NodeProto{OpType: proto.String("LayerNormalization"), Input: []string{"x", "row3", "row3"}, Output: outputs}
	}
	in := pbInfo("x", graph.Type{DType: graph.Float32, Shape: graph.FixedShape(2, 5, 3)})
	for _, test := range []struct {
		node    *onnxpb.NodeProto
		outputs []string
		want    string
	}{
		{node("y"), []string{"y"}, "y = LayerNormalization(x, row3, row3) {[-1] 1e-05}"},
		{node("y", "m", "i"), []string{"y", "m", "i"}, "m = ReduceMean(x) {[-1] true}; y.centred = Sub(x, m); y.square = Mul(y.centred, y.centred); y.variance = ReduceMean(y.square) {[-1] true}; " +
			"y.variance_epsilon = Add(y.variance, y.factor); y.deviation = Sqrt(y.variance_epsilon); i = Div(y.factor_1, y.deviation); y.normal = Mul(y.centred, i); y.scaled = Mul(y.normal, row3); y = Add(y.scaled, row3)"},
	} {
		model := modelOf(17, test.node)
		model.Graph.Input = []*onnxpb.ValueInfoProto{in}
		model.Graph.Initializer = []*onnxpb.TensorProto{floats("row3", []float32{1, 2, 3}, 3)}
		model.Graph.Output = nil
		for _, name := range test.outputs {
			model.Graph.Output = append(model.Graph.Output, &onnxpb.ValueInfoProto{Name: proto.String(name)})
		}
		m, err := Decode(marshal(t, model))
		if err != nil {
			t.Errorf("%v: %v", test.outputs, err)
			continue
		}
		if got := summary(m.Graph); got != test.want {
			t.Errorf("%v:\ngot  %s\nwant %s", test.outputs, got, test.want)
		}
	}
}

func TestTransposedWeight(t *testing.T) {
	m, err := Decode(marshal(t, modelOf(17, op("p = GlobalAveragePool(x)"), op("f = Flatten(p)"), op("g = Gemm(f, matrix)", pbInteger("transB", 1)), op("y = Gemm(g, matrix)"))))
	if err != nil {
		t.Fatal(err)
	}
	w := m.Graph.Nodes[3].Inputs[1].Const
	if want := []float32{1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12}; !slices.Equal(w.Float32s(), want) || !slices.Equal(w.Shape, []int{3, 4}) {
		t.Errorf("%v %v, want %v", w.Shape, w.Float32s(), want)
	}
}

func TestDecodeTensors(t *testing.T) {
	le := binary.LittleEndian
	tests := []struct {
		name   string
		tensor *onnxpb.TensorProto
		want   *graph.Tensor
	}{
		{"float_data", floats("", []float32{1, -2}, 2), graph.Float32Tensor([]int{2}, []float32{1, -2})},
		{"double_data", &onnxpb.TensorProto{Dims: []int64{2}, DataType: proto.Int32(11), DoubleData: []float64{1, -2}}, graph.Float64Tensor([]int{2}, []float64{1, -2})},
		{"int8", &onnxpb.TensorProto{Dims: []int64{3}, DataType: proto.Int32(3), Int32Data: []int32{-128, 0, 127}}, graph.Int8Tensor([]int{3}, []int8{-128, 0, 127})},
		{"uint8", &onnxpb.TensorProto{Dims: []int64{1, 2}, DataType: proto.Int32(2), Int32Data: []int32{255, 1}}, graph.Uint8Tensor([]int{1, 2}, []uint8{255, 1})},
		{"int32", &onnxpb.TensorProto{Dims: []int64{2}, DataType: proto.Int32(6), Int32Data: []int32{math.MinInt32, 5}}, graph.Int32Tensor([]int{2}, []int32{math.MinInt32, 5})},
		{"int64", longs("", math.MinInt64, 7), graph.Int64Tensor([]int{2}, []int64{math.MinInt64, 7})},
		{"float16", &onnxpb.TensorProto{DataType: proto.Int32(10), Int32Data: []int32{0xbc00}}, graph.Float32Tensor([]int{}, []float32{-1}).Half()},
		{"raw", &onnxpb.TensorProto{Dims: []int64{1}, DataType: proto.Int32(1), RawData: le.AppendUint32(nil, math.Float32bits(3))}, graph.Float32Tensor([]int{1}, []float32{3})},
		{"no elements", &onnxpb.TensorProto{Dims: []int64{0, 5}, DataType: proto.Int32(1)}, graph.Float32Tensor([]int{0, 5}, nil)},
	}
	for _, test := range tests {
		_, got, err := readTensor(message{"TensorProto", marshal(t, test.tensor), 0})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got.DType != test.want.DType || !slices.Equal(got.Shape, test.want.Shape) || !slices.Equal(got.Bytes(), test.want.Bytes()) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

// Repeated numbers may be packed or not, and in several runs.
func TestUnpackedNumbers(t *testing.T) {
	var b []byte
	b = protowire.AppendTag(b, 2, protowire.VarintType)
	b = protowire.AppendVarint(b, 1)
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendBytes(b, []byte{1, 2})
	b = protowire.AppendTag(b, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, 2)
	b = protowire.AppendTag(b, 4, protowire.BytesType)
	b = protowire.AppendBytes(b, protowire.AppendFixed32(nil, math.Float32bits(1)))
	file := slices.Clone(b)
	for i := range 2 {
		b = protowire.AppendTag(b, 4, protowire.Fixed32Type)
		b = protowire.AppendFixed32(b, math.Float32bits(float32(i+2)))
	}
	b = protowire.AppendTag(b, 4, protowire.BytesType)
	b = protowire.AppendBytes(b, protowire.AppendFixed32(nil, math.Float32bits(4)))
	_, got, err := readTensor(message{"TensorProto", b, 0})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Shape, []int{1, 2, 2}) || !slices.Equal(got.Float32s(), []float32{1, 2, 3, 4}) {
		t.Errorf("%v of %v", got.Float32s(), got.Shape)
	}
	if !slices.Equal(b[:len(file)], file) {
		t.Error("reading has changed the file")
	}
}

func TestInitializersAsInputs(t *testing.T) {
	m := modelOf(17, op("y = Conv(x, kernel)"))
	m.IrVersion = proto.Int64(3)
	m.Graph.Input = append(m.Graph.Input, pbInfo("kernel", graph.Type{DType: graph.Float32, Shape: graph.FixedShape(4, 3, 1, 1)}))
	d, err := Decode(marshal(t, m))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Graph.Inputs) != 1 || d.Graph.Nodes[0].Inputs[1].Const == nil {
		t.Errorf("%d inputs", len(d.Graph.Inputs))
	}
}

func TestDecodeRefuses(t *testing.T) {
	nodes := func(n ...*onnxpb.NodeProto) *onnxpb.ModelProto { return modelOf(17, n...) }
	change := func(f func(*onnxpb.ModelProto)) *onnxpb.ModelProto {
		m := nodes(op("y = Conv(x, kernel)"))
		f(m)
		return m
	}
	tensor := func(t *onnxpb.TensorProto) *onnxpb.ModelProto {
		return change(func(m *onnxpb.ModelProto) { m.Graph.Initializer = append(m.Graph.Initializer, t) })
	}
	many := make([]*onnxpb.NodeProto, maxNodes+1)
	for i := range many {
		many[i] = op(fmt.Sprintf("n%d = Relu(x)", i))
	}
	tests := []struct {
		name  string
		model *onnxpb.ModelProto
		want  error
		text  string
	}{
		{"empty", &onnxpb.ModelProto{}, ErrFormat, "found IR version 0"},
		{"no graph", change(func(m *onnxpb.ModelProto) { m.Graph = nil }), ErrFormat, "no graph"},
		{"no operator set", change(func(m *onnxpb.ModelProto) { m.OpsetImport = nil }), ErrFormat, "imports no operator set"},
		{"opset 0", modelOf(0, op("y = Relu(x)")), ErrFormat, "found opset 0, expected 6 to 24"},
		{"opset -1", modelOf(-1, op("y = Relu(x)")), ErrFormat, "found opset -1, expected 6 to 24"},
		{"opset 5", modelOf(5, op("y = Relu(x)")), ErrUnsupported, "found opset 5, expected 6 to 24"},
		{"opset 25", modelOf(25, op("y = Relu(x)")), ErrUnsupported, "found opset 25, expected 6 to 24"},
		{"another domain only", change(func(m *onnxpb.ModelProto) { m.OpsetImport[0].Domain = proto.String("com.microsoft") }), ErrUnsupported, `found operator set "com.microsoft"`},
		{"the domain twice", change(func(m *onnxpb.ModelProto) {
			m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: proto.String("ai.onnx"), Version: proto.Int64(17)})
		}), ErrFormat, "the standard operator set twice"},
		{"many domains", change(func(m *onnxpb.ModelProto) {
			for range maxDomains + 1 {
				m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: proto.String("d"), Version: proto.Int64(1)})
			}
		}), graph.ErrTooLarge, "more than 256 operator sets"},
		{"metadata twice", change(func(m *onnxpb.ModelProto) {
			p := &onnxpb.StringStringEntryProto{Key: proto.String("k")}
			m.MetadataProps = append(m.MetadataProps, p, p)
		}), ErrFormat, `metadata "k" stands twice`},
		{"operator", nodes(op("y = LSTM(x)")), ErrUnsupported, `node "y" (LSTM): unsupported: operator, expected one of Abs`},
		{"tanh GELU", modelOf(20, op("y = Gelu(x)", text("approximate", "tanh"))), ErrUnsupported, `found attribute approximate = "tanh", expected "none"`},
		{"domain of a node", change(func(m *onnxpb.ModelProto) { m.Graph.Node[0].Domain = proto.String("com.example") }), ErrUnsupported, `found operator Conv of "com.example"`},
		{"two outputs of a node", change(func(m *onnxpb.ModelProto) { m.Graph.Node[0].Output = []string{"y", "z"} }), ErrUnsupported, "found 2 outputs, expected 1"},
		{"second output read", change(func(m *onnxpb.ModelProto) {
			m.Graph.Node = []*onnxpb.NodeProto{op("p = MaxPool(x)", pbInts("kernel_shape", 2, 2)), op("y = Cast(i)", pbInteger("to", 1))}
			m.Graph.Node[0].Output = []string{"p", "i"}
			m.Graph.Output[0].Name = proto.String("y")
		}), ErrUnsupported, `it reads "i", which is not the first output of node "" (MaxPool)`},
		{"second output of the graph", change(func(m *onnxpb.ModelProto) {
			m.Graph.Node = []*onnxpb.NodeProto{op("p = MaxPool(x)", pbInts("kernel_shape", 2, 2))}
			m.Graph.Node[0].Output = []string{"p", "y"}
			m.Graph.Output[0].Name = proto.String("y")
		}), ErrUnsupported, `output "y" of the graph is not its first`},
		{"first output left out", change(func(m *onnxpb.ModelProto) { m.Graph.Node[0].Output = []string{"", "y"} }), ErrUnsupported, "its first output is left out"},
		{"all outputs left out", change(func(m *onnxpb.ModelProto) { m.Graph.Node[0].Output = []string{"", ""} }), ErrFormat, "no output"},
		{"dropout in training", nodes(op("d = Dropout(x, half, one)"), op("y = Relu(d)")), ErrUnsupported, `training_mode "one"`},
		{"training in opset 6", modelOf(6, op("y = BatchNormalization(x, vector3, vector3, vector3, vector3)")), ErrUnsupported, "is_test = 0"},
		{"dropout in training in opset 6", modelOf(6, op("y = Dropout(x)")), ErrUnsupported, "is_test = 0"},
		{"broadcasting along an axis", modelOf(6, op("y = Add(x, vector3)", pbInteger("broadcast", 1), pbInteger("axis", 1))), ErrUnsupported, "found attribute broadcast = 1"},
		{"statistics for each pixel", modelOf(7, op("y = BatchNormalization(x, vector3, vector3, vector3, vector3)", pbInteger("spatial", 0))), ErrUnsupported, "spatial = 0"},
		{"softmax over many axes as one", modelOf(12, op("y = Softmax(x)")), ErrUnsupported, "axis = 1 of an operand"},
		{"bound as an attribute", modelOf(11, op("y = Clip(x)", pbFloat("min", 0))), ErrUnsupported, `attribute "min"`},
		{"scales of channels in opset 12", modelOf(12, op("y = DequantizeLinear(bytes, scale2)")), ErrUnsupported, "opset 12"},
		{"no output of a node", change(func(m *onnxpb.ModelProto) { m.Graph.Node[0].Output = nil }), ErrFormat, "has no output"},
		{"dilation", modelOf(19, op("y = AveragePool(x)", pbInts("kernel_shape", 2, 2), pbInts("dilations", 2, 2))), ErrUnsupported, "found attribute dilations = [2 2], expected [1 1]"},
		{"automatic padding", nodes(op("y = Conv(x, kernel)", text("auto_pad", "SOME"))), ErrUnsupported, "found attribute auto_pad"},
		{"automatic padding of sizes that are not known", nodes(op("y = MaxPool(x)", pbInts("kernel_shape", 3, 3), pbInts("strides", 2, 2), text("auto_pad", "SAME_UPPER"))), ErrUnsupported, "expected sizes that are known"},
		{"automatic padding of a small kernel, transposed", nodes(op("y = ConvTranspose(x, upward)", pbInts("strides", 3, 1), text("auto_pad", "SAME_LOWER"))), ErrUnsupported, "as large as a stride"},
		{"kernel shape", nodes(op("y = Conv(x, kernel)", pbInts("kernel_shape", 3, 3))), ErrFormat, "found attribute kernel_shape = [3 3], expected 1×1"},
		{"one-dimensional pads", nodes(op("y = Conv(x, kernel)", pbInts("pads", 1, 1))), ErrUnsupported, "expected 4 numbers"},
		{"negative pads", nodes(op("y = Conv(x, kernel)", pbInts("pads", -1, 0, 0, 0))), ErrFormat, "padding"},
		{"no groups", nodes(op("y = Conv(x, kernel)", pbInteger("group", 0))), ErrFormat, "group = 0"},
		{"attribute of another type", nodes(op("y = Conv(x, kernel)", pbFloat("group", 1))), ErrFormat, `attribute "group" is of type 1, expected INT`},
		{"no inputs", change(func(m *onnxpb.ModelProto) {
			m.Graph.Input = nil
			m.Graph.Node = []*onnxpb.NodeProto{op("y = Relu(kernel)")}
		}), ErrUnsupported, "a graph without inputs"},
		{"an empty weight", change(func(m *onnxpb.ModelProto) {
			m.Graph.Initializer = append(m.Graph.Initializer, floats("none", nil, 0, 3, 1, 1))
			m.Graph.Node = []*onnxpb.NodeProto{op("y = Add(x, none)")}
		}), ErrUnsupported, `weight "none": unsupported: no elements in 0×3×1×1`},
		{"attribute twice", nodes(op("y = Conv(x, kernel)", pbInteger("group", 1), pbInteger("group", 1))), ErrUnsupported, `found attribute "group"`},
		{"unknown attribute", nodes(op("y = Relu(x)", pbFloat("alpha", 1))), ErrUnsupported, `found attribute "alpha"`},
		{"operands", nodes(op("y = Conv(x)")), ErrFormat, "found 1 operands, expected 2 to 3"},
		{"operand left out", nodes(op("y = Conv(, kernel)")), ErrFormat, `reads ""`},
		{"operand from nowhere", nodes(op("y = Conv(x, nothing)")), ErrFormat, `reads "nothing"`},
		{"order", nodes(op("y = Add(x, z)"), op("z = Relu(x)")), ErrFormat, `reads "z"`},
		{"cycle", nodes(op("y = Relu(y)")), ErrFormat, `reads "y"`},
		{"identity of itself", nodes(op("a = Identity(a)"), op("y = Relu(a)")), ErrFormat, `reads "a"`},
		{"two values of a name", nodes(op("y = Relu(x)"), op("y = Relu(x)")), ErrFormat, `two values are named "y"`},
		{"node named like a weight", nodes(op("kernel = Relu(x)")), ErrFormat, `two values are named "kernel"`},
		{"shapes", nodes(op("y = Conv(x, square)")), ErrFormat, "weight of shape 4×4"},
		{"training", nodes(op("y = BatchNormalization(x, vector3, vector3, vector3, vector3)", pbInteger("training_mode", 1))), ErrUnsupported, "found attribute training_mode = 1, expected 0"},
		{"flatten another axis", nodes(op("y = Flatten(x)", pbInteger("axis", 2))), ErrUnsupported, "expected sizes that are known before or behind it"},
		{"padding with less than nothing", modelOf(9, op("y = Pad(x)", pbInts("pads", 0, 0, -1, 0, 0, 0, 1, 1))), ErrUnsupported, "want 0 or more"},
		{"linear resize in opset 10", modelOf(10, op("y = Resize(x, twice)", text("mode", "linear"))), ErrUnsupported, "does not say where pixels lie, expected opset 11"},
		{"linear upsample in opset 7", modelOf(7, op("y = Upsample(x)", text("mode", "linear"))), ErrUnsupported, "does not say where pixels lie, expected opset 11"},
		{"resize of channels", nodes(op("y = Resize(x, , channels2)")), ErrUnsupported, "found scales [1 2 2 2]"},
		{"resize to one image", nodes(op("y = Resize(x, , , sizes)")), ErrUnsupported, "expected the same first two"},
		{"resize to what is computed", nodes(op("y = Resize(x, , , x)")), ErrUnsupported, "the sizes \"x\" are neither constant"},
		{"resize to nothing", nodes(op("y = Resize(x)")), ErrFormat, "found neither scales nor sizes"},
		{"resize of a part", nodes(op("y = Resize(x, , twice)", text("coordinate_transformation_mode", "tf_crop_and_resize"))), ErrUnsupported, "tf_crop_and_resize"},
		{"another cubic resize", nodes(op("y = Resize(x, , twice)", text("mode", "cubic"), pbFloat("cubic_coeff_a", -0.5))), ErrUnsupported, "cubic_coeff_a"},
		{"resize without pixels outside", nodes(op("y = Resize(x, , twice)", pbInteger("exclude_outside", 1))), ErrUnsupported, "exclude_outside"},
		{"parts that do not fill an axis", nodes(outputs(op("a = Split(x, minus2s)", pbInteger("axis", 1)), "b"), op("y = Add(a, b)")), ErrFormat, "found lengths [5 7]"},
		{"uneven parts", nodes(outputs(op("a = Split(x)", pbInteger("axis", 1)), "b"), op("y = Add(a, b)")), ErrUnsupported, "found 2 parts of an axis of size 3"},
		{"parts of what is not known", nodes(outputs(op("a = Split(x)", pbInteger("axis", 2)), "b"), op("y = Add(a, b)")), ErrUnsupported, "found 2 parts of an axis of size ?"},
		{"padding around", modelOf(19, op("y = Pad(x, somePads)", text("mode", "wrap"))), ErrUnsupported, "wrap"},
		{"an index too large", nodes(op("y = Gather(x, spatial)", pbInteger("axis", 1))), ErrFormat, "found index 3 of an axis of size 3"},
		{"two indexes that are computed", nodes(op("i = ArgMax(square)", pbInteger("axis", 1), pbInteger("keepdims", 0)), op("y = Gather(square, i)")), ErrUnsupported, "not constant integers, nor one index"},
		{"broadcast to what is computed", nodes(op("y = Expand(x, x)")), ErrUnsupported, `operand "x" is not a constant list of integers`},
		{"broadcast of a longer axis", nodes(op("y = Expand(row4, five1)")), ErrFormat, "found an operand 1×4, which does not broadcast to a size of 5"},
		{"broadcast to a vast shape", nodes(op("p = GlobalAveragePool(x)"), op("y = Expand(p, vast)")), graph.ErrTooLarge, "elements that the file does not hold"},
		{"a vast constant", nodes(op("z = ConstantOfShape(vast)"), op("y = Add(x, z)")), graph.ErrTooLarge, "elements that the file does not hold"},
		{"a constant of two elements", nodes(op("z = ConstantOfShape(image1)", tensorValue(floats("", []float32{1, 2}, 2))), op("y = Add(x, z)")), ErrFormat, "found attribute value of 2 elements"},
		{"a vast range", nodes(op("r = Range(zero0, vast0, one0)"), op("y = Cast(r)", pbInteger("to", 1))), graph.ErrTooLarge, "elements that the file does not hold"},
		{"an empty range", nodes(op("r = Range(one0, zero0, one0)"), op("y = Cast(r)", pbInteger("to", 1))), ErrUnsupported, "has no elements"},
		{"a range without steps", nodes(op("r = Range(zero0, one0, zero0)"), op("y = Cast(r)", pbInteger("to", 1))), ErrUnsupported, "in steps of 0"},
		{"a range that is computed", nodes(op("r = Range(zero0, one0, x)"), op("y = Cast(r)", pbInteger("to", 1))), ErrUnsupported, `operand "x" is not a constant number`},
		{"sizes that are compared", nodes(op("s = Shape(x)"), op("e = Equal(s, four)"), op("y = Cast(e)", pbInteger("to", 1))), ErrUnsupported, "it compares sizes"},
		{"indexes that are computed", nodes(op("y = Gather(x, x)")), ErrUnsupported, "not constant integers"},
		{"weight that is an input", change(func(m *onnxpb.ModelProto) {
			m.Graph.Input = append(m.Graph.Input, pbInfo("w", graph.Type{DType: graph.Float32, Shape: graph.FixedShape(4, 3, 1, 1)}))
			m.Graph.Node = []*onnxpb.NodeProto{op("y = Conv(x, w)")}
		}), ErrUnsupported, `operand "w" is computed from an input`},
		{"a truth value that is none", change(func(m *onnxpb.ModelProto) {
			m.Graph.Initializer = append(m.Graph.Initializer, &onnxpb.TensorProto{Name: proto.String("t"), DataType: proto.Int32(9), Dims: []int64{1}, RawData: []byte{2}})
		}), ErrFormat, "element 0 of a bool tensor is 2"},
		{"the logarithm of integers", nodes(op("i = Cast(x)", pbInteger("to", 7)), op("y = Log(i)")), ErrUnsupported, "operand of int64, want a float"},
		{"a power of integers", nodes(op("i = Cast(x)", pbInteger("to", 7)), op("y = Pow(i, two)")), ErrUnsupported, "found operands of int64, expected a float"},
		{"axes that are computed", nodes(op("p = GlobalAveragePool(x)"), op("i = Cast(p)", pbInteger("to", 7)), op("y = ReduceSum(x, i)")), ErrUnsupported, `"i" is not a constant list`},
		{"truth of numbers", nodes(op("y = Not(x)")), ErrFormat, "operand of float32, want bool"},
		{"either of numbers", nodes(op("y = Xor(x, x)")), ErrFormat, "found operands of float32, expected bool"},
		{"normalisation in float16 inside", nodes(op("y = LayerNormalization(x, one)", pbInteger("stash_type", 10))), ErrUnsupported, "stash_type = 10"},
		{"slopes that are computed in opset 6", modelOf(6, op("p = GlobalAveragePool(x)"), op("y = PRelu(x, p)")), ErrUnsupported, "a slope that is computed"},
		{"sizes as a value", nodes(op("s = Shape(x)"), op("y = Relu(s)")), ErrUnsupported, "operand of int64"},
		{"squeeze of a feature map", nodes(op("y = Squeeze(x, spatial)")), ErrUnsupported, "expected axes of size 1"},
		{"squeeze of all axes", nodes(op("y = Squeeze(x)")), ErrUnsupported, "found no axes and an operand batch×3×?×?"},
		{"computed shape", nodes(op("y = Reshape(x, x)")), ErrUnsupported, "not a constant list"},
		{"softmax over an axis that is not there", nodes(op("y = Softmax(x)", pbInteger("axis", 4))), ErrFormat, "found axis 4 of 4"},
		{"cast to text", nodes(op("y = Cast(x)", pbInteger("to", 8))), ErrUnsupported, "element type 8 (STRING)"},
		{"cast to nothing", nodes(op("y = Cast(x)")), ErrUnsupported, "element type 0"},
		{"blocks", modelOf(21, op("y = DequantizeLinear(bytes, scale2)", pbInteger("block_size", 2))), ErrUnsupported, "block_size = 2"},
		{"scale of a missing axis", nodes(op("y = DequantizeLinear(bytes, scale2)", pbInteger("axis", 5))), ErrFormat, "axis 5"},
		{"scale of a huge axis", nodes(op("y = DequantizeLinear(bytes, scale2)", pbInteger("axis", 1<<30))), ErrUnsupported, "axis = 1073741824"},
		{"zero point of unknown type", nodes(op("r = Cast(x)", pbInteger("to", 3)), op("y = DequantizeLinear(r, half)")), ErrUnsupported, "no zero point"},
		{"constant without a value", nodes(op("c = Constant()"), op("y = Relu(x)")), ErrFormat, "found 0 operands and 0 attributes"},
		{"output from nowhere", change(func(m *onnxpb.ModelProto) { m.Graph.Output[0].Name = proto.String("z") }), ErrUnsupported, `output "z" is not produced by a node`},
		{"output that is an input", change(func(m *onnxpb.ModelProto) { m.Graph.Output[0].Name = proto.String("x") }), ErrUnsupported, `output "x" is an input`},
		{"no outputs", change(func(m *onnxpb.ModelProto) { m.Graph.Output = nil }), ErrFormat, "no outputs"},
		{"output of another shape", change(func(m *onnxpb.ModelProto) {
			m.Graph.Output[0] = pbInfo("y", graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 5, 1, 1)})
		}), ErrFormat, `output "y" is declared as 1×5×1×1`},
		{"output of another type", change(func(m *onnxpb.ModelProto) {
			m.Graph.Output[0] = pbInfo("y", graph.Type{DType: graph.Float64, Shape: graph.Shape{{Div: 1}, {Div: 1}, {Div: 1}, {Div: 1}}})
		}), ErrFormat, `output "y" is declared as`},
		{"input without a type", change(func(m *onnxpb.ModelProto) { m.Graph.Input[0].Type = nil }), ErrUnsupported, `input "x" declares no shape`},
		{"input without a shape", change(func(m *onnxpb.ModelProto) { m.Graph.Input[0].Type.GetTensorType().Shape = nil }), ErrUnsupported, `input "x" declares no shape`},
		{"input of size 0", change(func(m *onnxpb.ModelProto) {
			m.Graph.Input[0] = pbInfo("x", graph.Type{DType: graph.Float32, Shape: graph.FixedShape(0, 3, 1, 1)})
		}), ErrUnsupported, "axis of size 0"},
		{"input twice", change(func(m *onnxpb.ModelProto) { m.Graph.Input = append(m.Graph.Input, m.Graph.Input[0]) }), ErrFormat, `two values are named "x"`},
		{"weight without a name", tensor(floats("", []float32{1})), ErrFormat, "a value has no name"},
		{"weight twice", tensor(floats("kernel", []float32{1})), ErrFormat, `two values are named "kernel"`},
		{"too few elements", tensor(floats("w", []float32{1}, 2)), ErrFormat, "[2] of float32 in 4 bytes"},
		{"too many elements", tensor(floats("w", []float32{1, 2})), ErrFormat, "in 8 bytes"},
		{"negative axis", tensor(floats("w", nil, -1)), ErrFormat, "axis of size -1"},
		{"overflowing shape", tensor(floats("w", nil, 1<<62, 1<<62)), ErrFormat, "more elements than can be counted"},
		{"too many axes", tensor(floats("w", nil, 1, 1, 1, 1, 1, 1, 1, 1, 1)), graph.ErrTooLarge, "more than 8 numbers"},
		{"elements in two fields", tensor(&onnxpb.TensorProto{Name: proto.String("w"), DataType: proto.Int32(1), RawData: make([]byte, 4), FloatData: []float32{1}}), ErrFormat, "raw_data and in another field"},
		{"elements in the wrong field", tensor(&onnxpb.TensorProto{Name: proto.String("w"), DataType: proto.Int32(1), DoubleData: []float64{1}}), ErrFormat, "in 0 bytes"},
		{"element out of range", tensor(&onnxpb.TensorProto{Name: proto.String("w"), DataType: proto.Int32(3), Int32Data: []int32{128}}), ErrFormat, "found 128 in int32_data, expected int8"},
		{"text", tensor(&onnxpb.TensorProto{Name: proto.String("w"), DataType: proto.Int32(8)}), ErrUnsupported, `tensor "w": unsupported: element type 8 (STRING)`},
		{"external data", tensor(&onnxpb.TensorProto{Name: proto.String("w"), DataType: proto.Int32(1), DataLocation: onnxpb.TensorProto_EXTERNAL.Enum()}), ErrUnsupported, "external data"},
		{"path of external data", tensor(&onnxpb.TensorProto{Name: proto.String("w"), DataType: proto.Int32(1), ExternalData: []*onnxpb.StringStringEntryProto{{Key: proto.String("location"), Value: proto.String("/etc/passwd")}}}), ErrUnsupported, "external data"},
		{"too many nodes", nodes(many...), graph.ErrTooLarge, "more than 65536 nodes"},
		{"too many operands", nodes(op("y = Mean(x" + strings.Repeat(", x", maxOperands) + ")")), graph.ErrTooLarge, "more than 1024 operands"},
		{"too many attributes", nodes(op("y = Relu(x)", slices.Repeat([]*onnxpb.AttributeProto{pbInteger("a", 1)}, maxAttributes+1)...)), graph.ErrTooLarge, "more than 64 attributes"},
		{"too many numbers", nodes(op("y = Conv(x, kernel)", pbInts("pads", make([]int, maxInts+1)...))), graph.ErrTooLarge, "more than 64 numbers"},
		{"name that is not UTF-8", nodes(op("\xff = Relu(x)")), ErrFormat, "is not UTF-8"},
	}
	for _, test := range tests {
		_, err := Decode(marshal(t, test.model))
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %v with %q", test.name, err, test.want, test.text)
		}
	}
}

// raw makes a byte string field, for messages that the library would not write.
func raw(number protowire.Number, content ...[]byte) []byte {
	b := protowire.AppendTag(nil, number, protowire.BytesType)
	return protowire.AppendBytes(b, slices.Concat(content...))
}

func TestDecodeRefusesBytes(t *testing.T) {
	whole := marshal(t, modelOf(17, op("y = Conv(x, kernel)", text("auto_pad", "NOTSET"))))
	model := func(fields ...[]byte) []byte {
		return append(slices.Clone(whole), slices.Concat(fields...)...)
	}
	graphOf := func(content []byte) []byte {
		m := marshal(t, &onnxpb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: proto.Int64(17)}}})
		return append(m, raw(modelGraph, content)...)
	}
	tests := []struct {
		name string
		data []byte
		want error
		text string
	}{
		{"nothing", nil, ErrFormat, "found IR version 0"},
		{"text", []byte("not a model"), ErrFormat, "offset 0"},
		{"a zip file", []byte("PK\x03\x04\x14\x00\x06\x00"), ErrFormat, "offset"},
		{"second graph", model(raw(modelGraph)), ErrFormat, "second graph"},
		{"functions", model(raw(25)), ErrUnsupported, "functions"},
		{"training information", model(raw(20)), ErrUnsupported, "training information"},
		{"group", model([]byte{4<<3 | 3}), ErrFormat, "wire type 3"},
		{"field number 0", model([]byte{0x02, 0x00}), ErrFormat, "offset"},
		{"length beyond the end", model([]byte{0x12, 0xff, 0xff, 0xff, 0xff, 0x0f}), ErrFormat, "field 2 of a ModelProto"},
		{"varint of eleven bytes", model([]byte{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}), ErrFormat, "field 1 of a ModelProto"},
		{"graph that is a number", model([]byte{modelGraph << 3, 1}), ErrFormat, "second graph"},
		{"string that is a number", model([]byte{2 << 3, 1}), ErrFormat, "found wire type 0 for field 2 of a ModelProto, expected 2"},
		{"number that is a string", model(raw(1, []byte("x"))), ErrFormat, "found wire type 2 for field 1 of a ModelProto, expected 0"},
		{"sparse initializer", graphOf(raw(15)), ErrUnsupported, "sparse"},
		{"subgraph", graphOf(raw(1, raw(2, []byte("y")), raw(5, raw(1, []byte("body")), raw(6)))), ErrUnsupported, `attribute "body" holds a graph`},
		{"tensor in segments", graphOf(raw(5, raw(3))), ErrUnsupported, "segments"},
		{"ragged float_data", graphOf(raw(5, raw(4, []byte{1, 2, 3}))), ErrFormat, "found 3 bytes in field 4 of a TensorProto, expected a multiple of 4"},
		{"input that is a sequence", graphOf(raw(11, raw(1, []byte("s")), raw(2, raw(4)))), ErrUnsupported, `value "s" is not a tensor`},
		{"too many metadata entries", func() []byte {
			var b []byte
			for i := range maxProperties + 1 {
				b = append(b, raw(14, raw(1, fmt.Append(nil, i)))...)
			}
			return b
		}(), graph.ErrTooLarge, "more than 4096 metadata entries"},
		{"too many outputs", graphOf(slices.Concat(slices.Repeat([][]byte{raw(12)}, maxOutputs+1)...)), graph.ErrTooLarge, "more than 1024 outputs"},
		{"too many initializers", graphOf(slices.Concat(slices.Repeat([][]byte{raw(11)}, maxValues+1)...)), graph.ErrTooLarge, "more than 131072"},
	}
	for _, test := range tests {
		_, err := Decode(test.data)
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %v with %q", test.name, err, test.want, test.text)
		}
	}
	if _, err := Decode(whole); err != nil {
		t.Errorf("the model that these were made of: %v", err)
	}
}

// Every prefix of a model is refused, without a panic.
func TestDecodeTruncated(t *testing.T) {
	data := encode(t, quantized(), 17)
	for n := range data {
		// A cut between two fields of the model's tail leaves a good model.
		if _, err := Decode(data[:n]); err != nil && !errors.Is(err, ErrFormat) {
			t.Fatalf("%d of %d bytes: %v", n, len(data), err)
		}
	}
	if _, err := Decode(data[:len(data)/2]); err == nil {
		t.Error("half a model was accepted")
	}
}

// A file full of the smallest messages costs a bounded multiple of its size.
func TestDecodeMemory(t *testing.T) {
	graphOf := func(field []byte) []byte {
		m := marshal(t, &onnxpb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: proto.Int64(17)}}})
		return append(m, raw(modelGraph, bytes.Repeat(field, max(1, (4<<20)/len(field))))...)
	}
	output := raw(2, []byte("y"))
	attribute := raw(5)
	tests := map[string][]byte{
		"nodes":                   graphOf(raw(1)),
		"attributes":              graphOf(raw(1, output, slices.Repeat(attribute, 1<<20))),
		"operands":                graphOf(raw(1, output, slices.Repeat(raw(1), 1<<20))),
		"initializers":            graphOf(raw(5)),
		"inputs":                  graphOf(raw(11)),
		"axes of an input":        graphOf(raw(11, raw(2, raw(1, raw(2, slices.Repeat(raw(1), 1<<20)))))),
		"axes of a tensor":        graphOf(raw(5, raw(1, make([]byte, 1<<20)))),
		"small numbers":           graphOf(raw(5, raw(5, make([]byte, 1<<20)))),
		"numbers one by one":      graphOf(raw(5, slices.Repeat([]byte{7 << 3, 1}, 1<<20))),
		"numbers of an attribute": graphOf(raw(1, output, raw(5, raw(8, make([]byte, 1<<20))))),
		"value descriptions":      graphOf(raw(13)),
	}
	for name, data := range tests {
		n := allocated(func() {
			if _, err := Decode(data); err == nil {
				t.Errorf("%s: no error", name)
			}
		})
		if limit := uint64(24 * len(data)); n > limit {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, n, len(data))
		}
	}
}
