package hostilemodels

import (
	"fmt"
	"math"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/native"
	"github.com/repvit-go/repvit/onnx"
)

// Model is a file, and what comes of decoding it and running the network.
type Model struct {
	Name string // of the file, with its extension
	Data []byte
	// Err is the error that decoding or running it wraps; nil for networks that are odd but
	// in order.
	Err error
}

const (
	relu = "y = Relu(x)"
	huge = math.MaxInt
)

// numbers returns prefix0 … prefixN as operands.
func numbers(prefix string, from, to int) string {
	var s []string
	for i := from; i < to; i++ {
		s = append(s, fmt.Sprint(prefix, i))
	}
	return strings.Join(s, ", ")
}

// chain returns n nodes, each reading the one before, which gets the text's %[1]d.
func chain(net network, n int, text, attributes string) network {
	for i := range n {
		net = net.node(fmt.Sprintf(text, i+1, i), attributes)
	}
	return net
}

// Models returns all of them.
func Models() []Model {
	outer := []tensor{f32("a", []int{1, 1, 9000, 1}), f32("b", []int{1, 1, 1, 9000})}
	small := []int{1, 3, 8, 8}
	wide := f32("w", []int{1, 3, 1, 1})
	scale := f32("s", nil, 0.1)
	zero := bytes("z", "U8", nil, 7)
	quantized := func(s tensor) []byte {
		return fixed(1, 3, 8, 8).node("q = QuantizeLinear(x, s, z)", `{"axis":0}`).node("y = DequantizeLinear(q, s, z)", `{"axis":0}`).out("y").native(s, zero)
	}
	graphOf := func(o onnxFile) []byte {
		if o.in == nil {
			o.in = [][]byte{value("x", 1, 1, 3, 8, 8)}
		}
		o.out = [][]byte{value("y", 1)}
		return o.file()
	}
	models := []Model{
		// Nothing in it.
		{"empty_input.safetensors", fixed(1, 0, 8, 8).node(relu, "").out("y").native(), graph.ErrUnsupported},
		{"empty_batch.safetensors", fixed(0, 3, 8, 8).node(relu, "").out("y").native(), graph.ErrUnsupported},
		{"empty_weight.safetensors", fixed(1, 3, 8, 8).node("y = Add(x, w)", "").out("y").native(f32("w", []int{1, 0, huge, 1})), graph.ErrUnsupported},
		{"empty_rows.safetensors", fixed(1, huge).node("y = MatMul(x, w)", "").out("y").native(f32("w", []int{huge, 0})), graph.ErrTooLarge},
		{"empty_columns.safetensors", fixed(1, 0).node("y = Gemm(x, w)", "").out("y").native(f32("w", []int{huge, 0})), graph.ErrUnsupported},
		{"empty_transposed.onnx", graphOf(onnxFile{in: [][]byte{value("x", 1, 1, 4)}}.init("w", []int{0, huge}, nil).node("y = Gemm(x, w)")), graph.ErrUnsupported},
		{"empty_constant.safetensors", fixed(1, 3, 8, 8).node("c = Transpose(w)", `{"perm":[2,1,0,3]}`).node("y = Add(x, c)", "").out("y").native(f32("w", []int{0, huge, huge, 1})), graph.ErrUnsupported},
		{"empty_dimension.onnx", graphOf(onnxFile{in: [][]byte{value("x", 1, 1, 0)}}.node(relu)), graph.ErrUnsupported},
		{"no_inputs.safetensors", network{}.node("y = Relu(w)", "").out("y").native(wide), graph.ErrUnsupported},
		{"no_inputs.onnx", graphOf(onnxFile{in: [][]byte{}}.init("w", []int{1}, make([]byte, 4)).node("y = Relu(w)")), graph.ErrUnsupported},
		{"no_outputs.safetensors", images(3).node(relu, "").native(), graph.ErrGraph},
		{"no_nodes.safetensors", images(3).out("x").native(), nil},
		// Large inputs and axes.
		{"input_huge.safetensors", fixed(1, 3, 16384, 16384).node(relu, "").out("y").native(), graph.ErrTooLarge},
		{"input_overflow.safetensors", fixed(huge, huge, huge, huge).node(relu, "").out("y").native(), graph.ErrTooLarge},
		{"input_maximum.safetensors", fixed(math.MaxInt, 1, 1, 1).node(relu, "").out("y").native(), graph.ErrTooLarge},
		{"input_negative.safetensors", fixed(-1, 3, 8, 8).node(relu, "").out("y").native(), native.ErrFormat},
		{"input_long.onnx", graphOf(onnxFile{in: [][]byte{value("x", 1, math.MaxInt)}}.node(relu)), graph.ErrTooLarge},
		{"input_channels.safetensors", network{}.input("x", "float32", `["n",1000000,"h","w"]`).node(relu, "").out("y").native(), graph.ErrTooLarge},
		{"input_metadata.safetensors", network{metadata: map[string]string{"repvit.preprocess": `{"height":16384,"width":16384,"crop_pct":1,"mean":[0,0,0],"std":[1,1,1],"interpolation":"bicubic"}`}}.
			input("x", "float32", `["n",3,"h","w"]`).node(relu, "").out("y").native(), nil},
		{"axes_none.safetensors", network{}.input("x", "float32", `[]`).node(relu, "").out("y").native(), nil},
		{"axes_many.safetensors", network{}.input("x", "float32", "["+strings.Repeat("2,", 29)+"2]").node(relu, "").out("y").native(), graph.ErrTooLarge},
		{"axes_many.onnx", graphOf(onnxFile{in: [][]byte{value("x", 1, 2, 2, 2, 2, 2, 2, 2, 2, 2)}}.node(relu)), graph.ErrTooLarge},
		{"symbol_quotient.safetensors", network{}.input("x", "float32", `["n",3,{"symbol":"h","divisor":1073741824},"w"]`).node("y = Conv(x, w)", conv(1<<29, 0, 1)).out("y").native(wide), nil},
		// Convolutions.
		{"conv_pads.safetensors", images(3).node("y = Conv(x, w)", conv(1, 16000, 1)).out("y").native(wide), graph.ErrTooLarge},
		{"conv_pads_maximum.safetensors", images(3).node("y = Conv(x, w)", conv(1, math.MaxInt, 1)).out("y").native(wide), graph.ErrShape},
		{"conv_pads_fixed.safetensors", fixed(small...).node("y = Conv(x, w)", conv(1, 1<<20, 1)).out("y").native(wide), graph.ErrTooLarge},
		{"conv_pads_one_side.safetensors", fixed(small...).node("y = Conv(x, w)", `{"strides":[1,1],"pads":[0,0,100000000,0],"group":1}`).out("y").native(wide), graph.ErrTooLarge},
		{"conv_pads_beyond.safetensors", fixed(small...).node("y = Conv(x, w)", conv(7, 40, 1)).out("y").native(wide), nil},
		{"conv_pads_chain.safetensors", chain(images(1).node("v0 = Relu(x)", ""), 12, "v%d = Conv(v%d, w)", conv(1, 200, 1)).out("v12").native(f32("w", []int{1, 1, 1, 1})), graph.ErrTooLarge},
		{"conv_pads_negative.safetensors", fixed(small...).node("y = Conv(x, w)", conv(1, -1, 1)).out("y").native(wide), graph.ErrShape},
		{"conv_stride_zero.safetensors", fixed(small...).node("y = Conv(x, w)", conv(0, 0, 1)).out("y").native(wide), graph.ErrShape},
		{"conv_stride_maximum.safetensors", fixed(small...).node("y = Conv(x, w)", conv(math.MaxInt, 0, 1)).out("y").native(wide), graph.ErrShape},
		{"conv_stride_huge.safetensors", fixed(small...).node("y = Conv(x, w)", conv(1<<29, 0, 1)).out("y").native(wide), nil},
		{"conv_group_zero.safetensors", fixed(small...).node("y = Conv(x, w)", conv(1, 0, 0)).out("y").native(wide), graph.ErrShape},
		{"conv_group_negative.safetensors", fixed(small...).node("y = Conv(x, w)", conv(1, 0, -1)).out("y").native(wide), graph.ErrShape},
		{"conv_group_huge.safetensors", fixed(small...).node("y = Conv(x, w)", conv(1, 0, math.MaxInt)).out("y").native(wide), graph.ErrShape},
		{"conv_channels.safetensors", images(1).node("y = Conv(x, w)", conv(1, 0, 1)).out("y").native(f32("w", []int{20000, 1, 1, 1})), graph.ErrTooLarge},
		{"conv_kernel.safetensors", images(1).node("y = Conv(x, w)", conv(1, 100, 1)).out("y").native(f32("w", []int{1, 1, 200, 200})), graph.ErrTooLarge},
		{"conv_computed_weight.safetensors", fixed(3, 3, 1, 1).node("y = Conv(x, x)", conv(1, 0, 1)).out("y").native(), graph.ErrUnsupported},
		{"conv_dilations.onnx", graphOf(onnxFile{}.init("w", []int{1, 3, 1, 1}, make([]byte, 12)).node("y = Conv(x, w)", integers("dilations", huge, huge))), graph.ErrUnsupported},
		{"conv_kernel_shape.onnx", graphOf(onnxFile{}.init("w", []int{1, 3, 1, 1}, make([]byte, 12)).node("y = Conv(x, w)", integers("kernel_shape", 0, -1))), onnx.ErrFormat},
		// Outer products of constants, and of values.
		{"fold_add.safetensors", fixed(small...).node("c = Add(a, b)", "").node("p = GlobalAveragePool(c)", "").node("y = Add(x, p)", "").out("y").native(outer...), graph.ErrTooLarge},
		{"fold_mul_many.safetensors", foldMany(), graph.ErrTooLarge},
		{"fold_matmul.safetensors", fixed(1, 1).node("c = MatMul(a, b)", "").node("d = MatMul(b, c)", "").node("y = MatMul(x, b)", "").node("z = Add(y, d)", "").out("z").native(f32("a", []int{5000, 1}), f32("b", []int{1, 5000})), graph.ErrTooLarge},
		{"fold_gemm.safetensors", fixed(1, 5000).node("c = Gemm(a, a)", "").node("y = MatMul(x, c)", "").out("y").native(f32("a", []int{5000, 1})), graph.ErrTooLarge},
		{"fold_conv.safetensors", fixed(small...).node("c = Conv(a, w)", conv(1, 4000, 1)).node("p = GlobalAveragePool(c)", "").node("y = Add(x, p)", "").out("y").native(f32("a", []int{1, 3, 2, 2}), wide), graph.ErrTooLarge},
		{"fold_chain.safetensors", chain(fixed(1, 1, 50, 50), 2000, "v%d = Relu(v%d)", "").node("y = Add(x, v2000)", "").out("y").native(f32("v0", []int{1, 1, 50, 50})), graph.ErrTooLarge},
		{"fold_cast.safetensors", chain(fixed(1, 1, 50, 50), 2000, "v%d = Cast(v%d)", `{"to":"float32"}`).node("y = Add(x, v2000)", "").out("y").native(f32("v0", []int{1, 1, 50, 50})), graph.ErrTooLarge},
		{"broadcast.safetensors", fixed(1, 1, 1, 1).node("v = Add(x, a)", "").node("y = Add(v, b)", "").out("y").native(outer...), graph.ErrTooLarge},
		{"broadcast_chain.safetensors", images(1).node("p = GlobalAveragePool(x)", "").node("v = Mul(p, a)", "").node("u = Mul(v, b)", "").node("y = GlobalAveragePool(u)", "").out("y").native(outer...), graph.ErrTooLarge},
		{"matmul_wide.safetensors", network{}.input("x", "float32", `["n",1000,1000,1]`).node("v = MatMul(x, b)", "").node("y = Relu(v)", "").out("y").native(f32("b", []int{1, 3000})), graph.ErrTooLarge},
		// One weight, packed many times.
		{"weight_shared.safetensors", weightShared(), graph.ErrTooLarge},
		{"weight_shared_int8.safetensors", weightSharedInt8(), graph.ErrTooLarge},
		{"constant_operands.safetensors", constantOperands(), nil},
		// Many nodes and outputs.
		{"nodes_many.safetensors", chain(fixed(1, 4).node("v0 = Relu(x)", ""), graph.MaxNodes, "v%d = Relu(v%d)", "").out("v1").native(), graph.ErrTooLarge},
		{"nodes_alive.safetensors", alive(30000), nil},
		{"nodes_transposed.safetensors", transposed(30000), nil},
		{"nodes_dequantized.safetensors", dequantized(15000), graph.ErrTooLarge},
		{"outputs_many.safetensors", outputsMany(), graph.ErrTooLarge},
		{"outputs_large.safetensors", outputsLarge(), graph.ErrTooLarge},
		{"operands_many.safetensors", fixed(1, 4).node("y = Mean("+strings.Repeat("x, ", 2000)+"x)", "").out("y").native(), graph.ErrTooLarge},
		{"output_twice.safetensors", fixed(1, 4).node(relu, "").out("y", "y").native(), graph.ErrGraph},
		{"output_input.safetensors", fixed(1, 4).node(relu, "").out("x", "y").native(), nil},
		{"output_weight.safetensors", fixed(1, 4).node("y = Add(x, w)", "").out("w", "y").native(f32("w", []int{1, 4})), nil},
		{"two_inputs.safetensors", fixed(1, 4).input("z", "float32", "[1,4]").node("y = Add(x, z)", "").out("y").native(), nil},
		// Numbers.
		{"scale_zero.safetensors", quantized(f32("s", nil, 0)), nil},
		{"scale_negative.safetensors", quantized(f32("s", nil, -1)), nil},
		{"scale_nan.safetensors", quantized(f32("s", nil, float32(math.NaN()))), nil},
		{"scale_infinite.safetensors", quantized(f32("s", nil, float32(math.Inf(1)))), nil},
		{"scale_tiny.safetensors", quantized(f32("s", nil, 1e-44)), nil},
		{"scale_axis.safetensors", fixed(small...).node("q = QuantizeLinear(x, s, z)", `{"axis":4}`).node("y = DequantizeLinear(q, s, z)", `{"axis":-1}`).out("y").native(f32("s", []int{3}), bytes("z", "U8", []int{3}, 1, 2, 3)), graph.ErrShape},
		{"scale_axis_maximum.safetensors", fixed(small...).node("y = QuantizeLinear(x, s, z)", `{"axis":9223372036854775807}`).out("y").native(f32("s", []int{3}), bytes("z", "U8", []int{3}, 1, 2, 3)), graph.ErrShape},
		{"variance_negative.safetensors", fixed(small...).node("y = BatchNormalization(x, a, a, a, v)", `{"epsilon":-1e308}`).out("y").native(f32("a", []int{3}), f32("v", []int{3}, -1)), nil},
		{"weights_infinite.safetensors", fixed(small...).node("y = Conv(x, w)", conv(1, 0, 1)).out("y").native(f32("w", []int{4, 3, 1, 1}, float32(math.Inf(1)), float32(math.NaN()))), nil},
		{"cast_int64.safetensors", fixed(small...).node("v = Cast(x)", `{"to":"int64"}`).node("y = Cast(v)", `{"to":"int8"}`).out("y").native(), nil},
		{"permutation.safetensors", fixed(small...).node("y = Transpose(x)", `{"perm":[0,0,9223372036854775807,-1]}`).out("y").native(), graph.ErrShape},
		{"ranks.safetensors", fixed(small...).node("y = Add(x, w)", "").out("y").native(f32("w", []int{7})), graph.ErrShape},
		{"softmax_axis.safetensors", fixed(small...).node("y = Softmax(x)", `{"axis":-9223372036854775808}`).out("y").native(), graph.ErrShape},
		{"reduce_axes.safetensors", fixed(small...).node("y = ReduceMean(x)", `{"axes":[-9223372036854775808,-1],"keepdims":false}`).out("y").native(), graph.ErrShape},
		{"pool_kernel.safetensors", fixed(small...).node("y = MaxPool(x)", `{"kernel":[9223372036854775807,9223372036854775807],"strides":[1,1],"pads":[9223372036854775806,9223372036854775806,9223372036854775806,9223372036854775806]}`).out("y").native(), graph.ErrShape},
		{"pool_work.safetensors", fixed(small...).node("y = AveragePool(x)", `{"kernel":[1000000,1000000],"strides":[500000,500000],"pads":[999999,999999,999999,999999],"count_include_pad":true}`).out("y").native(), graph.ErrTooLarge},
		{"dilations.safetensors", fixed(small...).node("y = Conv(x, w)", `{"strides":[1,1],"pads":[0,0,0,0],"group":1,"dilations":[4611686018427387904,4611686018427387904]}`).out("y").native(f32("w", []int{1, 3, 3, 3})), graph.ErrShape},
		{"clip_huge.safetensors", fixed(small...).node("y = Clip(x)", `{"min":-1e308,"max":1e308}`).out("y").native(), graph.ErrUnsupported},
		{"flatten.safetensors", network{}.input("x", "float32", "[1,100000,100000,100000]").node("y = Flatten(x)", "").out("y").native(), graph.ErrTooLarge},
		{"input_int8.safetensors", network{}.input("x", "int8", "[1,4]").node("y = DequantizeLinear(x, s, i)", `{"axis":0}`).out("y").native(scale, bytes("i", "I8", nil, 1)), nil},
		// Names.
		{"name_huge_block.safetensors", fixed(small...).node("features.9223372036854775807.y = Relu(x)", "").node("features.99999999999.z = Conv(features.9223372036854775807.y, w)", conv(2, 0, 1)).out("features.99999999999.z").native(wide), nil},
		{"name_many_stages.safetensors", stages(20000), nil},
		{"name_escape.safetensors", fixed(small...).node("\x1b[31my\u009b\u202e\n = Relu(x)", "").out("\x1b[31my\u009b\u202e\n").native(), nil},
		{"name_long.safetensors", fixed(small...).node(strings.Repeat("long ", 20000)+" = Relu(x)", "").out(strings.Repeat("long ", 20000)).native(), nil},
		// ONNX's own.
		{"opset.onnx", graphOf(onnxFile{opset: -1}.node(relu)), onnx.ErrFormat},
		{"initializer_twice.onnx", graphOf(onnxFile{}.init("w", []int{1}, make([]byte, 4)).init("w", []int{1}, make([]byte, 4)).node(relu)), onnx.ErrFormat},
		{"initializer_negative.onnx", graphOf(onnxFile{}.init("w", []int{-1}, nil).node(relu)), onnx.ErrFormat},
		{"initializer_overflow.onnx", graphOf(onnxFile{}.init("w", []int{huge, huge}, nil).node(relu)), onnx.ErrFormat},
		{"initializer_short.onnx", graphOf(onnxFile{}.init("w", []int{huge}, make([]byte, 4)).node(relu)), onnx.ErrFormat},
		{"operator.onnx", graphOf(onnxFile{}.node("y = Loop(x)")), graph.ErrUnsupported},
		{"perm_huge.onnx", graphOf(onnxFile{}.node("y = Transpose(x)", integers("perm", huge, -1, 3, 3))), graph.ErrUnsupported},
		{"axis_huge.onnx", graphOf(onnxFile{}.node("y = Softmax(x)", integer("axis", math.MinInt))), onnx.ErrFormat},
		{"reduce_axis_huge.onnx", graphOf(onnxFile{}.node("y = ReduceMean(x)", integers("axes", huge, -1))), onnx.ErrFormat},
		{"pool_kernel_missing.onnx", graphOf(onnxFile{}.node("y = MaxPool(x)", integers("strides", 1, 1))), onnx.ErrFormat},
		{"erf_chain.onnx", erfChain(5000), graph.ErrUnsupported},
	}
	return models
}

// foldMany has thousands of outer products of small constants.
func foldMany() []byte {
	net := fixed(1, 1, 1, 1)
	for i := range 2000 {
		net = net.node(fmt.Sprintf("c%d = Mul(a, b)", i), "")
	}
	for i := 0; i < 2000; i += 1000 {
		net = net.node(fmt.Sprintf("m%d = Mean(%s)", i, numbers("c", i, i+1000)), "")
	}
	return net.node("s = Add(m0, m1000)", "").node("y = Add(x, s)", "").out("y").native(f32("a", []int{1, 1, 500, 1}), f32("b", []int{1, 1, 1, 500}))
}

// weightShared has thousands of convolutions with one weight, each with a bias of its own.
func weightShared() []byte {
	net := images(64).node("v0 = GlobalAveragePool(x)", "")
	net = chain(net, 5000, "v%[1]d = Conv(v%[2]d, w, b%[2]d)", conv(1, 0, 1)).out("v5000")
	tensors := []tensor{f32("w", []int{64, 64, 1, 1})}
	for i := range 5000 {
		tensors = append(tensors, f32(fmt.Sprint("b", i), []int{64}))
	}
	// 1.3 MB of weights are 83 MB, packed.
	return net.native(tensors...)
}

// weightSharedInt8 is the same with one quantized weight that is brought in another order.
func weightSharedInt8() []byte {
	const n = 1500
	net := network{}.input("x", "float32", `["n",128]`).node("w = DequantizeLinear(i, s, j)", `{"axis":0}`)
	net = net.node("q0 = QuantizeLinear(x, s, z)", `{"axis":0}`)
	for i := range n {
		net = net.node(fmt.Sprintf("d%d = DequantizeLinear(q%d, s, z)", i, i), `{"axis":0}`).
			node(fmt.Sprintf("m%d = MatMul(d%d, w)", i, i), "").
			node(fmt.Sprintf("q%d = QuantizeLinear(m%d, s, z)", i+1, i), `{"axis":0}`)
	}
	last := fmt.Sprint("q", n)
	return net.node("y = DequantizeLinear("+last+", s, z)", `{"axis":0}`).out("y").
		native(f32("s", nil, 0.1), bytes("i", "I8", []int{128, 128}, make([]byte, 128*128)...), bytes("j", "I8", nil, 0), bytes("z", "U8", nil, 7))
}

// constantOperands adds columns, of which every element is padded to a row.
func constantOperands() []byte {
	net := fixed(1, 1, 30000, 1).node("v0 = Relu(x)", "")
	net = chain(net, 40, "v%[1]d = Add(v%[2]d, c%[2]d)", "").out("v40")
	var tensors []tensor
	for i := range 40 {
		tensors = append(tensors, f32(fmt.Sprint("c", i), []int{1, 1, 30000, 1}))
	}
	return net.native(tensors...)
}

// alive has n values that are all needed at the end.
func alive(n int) []byte {
	net := fixed(1, 4)
	var means []string
	for i := range n {
		net = net.node(fmt.Sprintf("v%d = Relu(x)", i), "")
	}
	for i := 0; i < n; i += 1000 {
		means = append(means, fmt.Sprint("m", i))
		net = net.node(fmt.Sprintf("m%d = Mean(%s)", i, numbers("v", i, min(i+1000, n))), "")
	}
	return net.node("y = Mean("+strings.Join(means, ", ")+")", "").out("y").native()
}

// transposed turns a quantized value n times.
func transposed(n int) []byte {
	net := fixed(1, 8, 8, 8).node("v0 = QuantizeLinear(x, s, z)", `{"axis":0}`)
	for i := range n {
		perm := []string{`{"perm":[0,2,3,1]}`, `{"perm":[0,3,1,2]}`}[i%2]
		net = net.node(fmt.Sprintf("v%d = Transpose(v%d)", i+1, i), perm)
	}
	return net.node(fmt.Sprintf("y = DequantizeLinear(v%d, s, z)", n), `{"axis":0}`).out("y").native(f32("s", nil, 0.1), bytes("z", "U8", nil, 7))
}

// dequantized turns a quantized value n times and dequantizes what comes out n times.
func dequantized(n int) []byte {
	net := fixed(1, 8, 8, 8).node("v0 = QuantizeLinear(x, s, z)", `{"axis":0}`)
	for i := range n {
		perm := []string{`{"perm":[0,2,3,1]}`, `{"perm":[0,3,1,2]}`}[i%2]
		net = net.node(fmt.Sprintf("v%d = Transpose(v%d)", i+1, i), perm)
	}
	var means []string
	for i := range n {
		net = net.node(fmt.Sprintf("d%d = DequantizeLinear(v%d, s, z)", i, n), `{"axis":0}`)
		if i%1000 == 999 {
			means = append(means, fmt.Sprint("m", i))
			net = net.node(fmt.Sprintf("m%d = Mean(%s)", i, numbers("d", i-999, i+1)), "")
		}
	}
	return net.node("y = Mean("+strings.Join(means, ", ")+")", "").out("y").native(f32("s", nil, 0.1), bytes("z", "U8", nil, 7))
}

func outputsMany() []byte {
	net := fixed(1, 4)
	for i := range 20000 {
		net = net.node(fmt.Sprintf("v%d = Relu(x)", i), "").out(fmt.Sprint("v", i))
	}
	return net.native()
}

// outputsLarge hands out a value of medium size a thousand times.
func outputsLarge() []byte {
	net := images(3)
	for i := range 1000 {
		net = net.node(fmt.Sprintf("v%d = Relu(x)", i), "").out(fmt.Sprint("v", i))
	}
	return net.native()
}

// stages has n values that each begin a part of their own.
func stages(n int) []byte {
	net := fixed(1, 3, 8, 8).node("features.0.v = Relu(x)", "").node("v0 = Relu(features.0.v)", "")
	net = net.node("stage0 = Relu(v0)", "")
	return chain(net, n, "stage%d = Relu(stage%d)", "").out(fmt.Sprint("stage", n)).native()
}

// erfChain has n beginnings of a GELU.
func erfChain(n int) []byte {
	o := onnxFile{in: [][]byte{value("v0", 1, 1, 4)}}.init("half", nil, []byte{0, 0, 0, 0x3f})
	for i := range n {
		o = o.node(fmt.Sprintf("v%d = Mul(v%d, v%d)", i+1, i, i))
	}
	o = o.node(fmt.Sprintf("e = Erf(v%d)", n)).node("y = Loop(e)")
	o.out = [][]byte{value("y", 1)}
	return o.file()
}
