package coreml

import (
	"fmt"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// unaries are operators of one operand and no parameters, which are the same in both.
var unaries = map[string]graph.Op{"relu": graph.Relu{}, "sigmoid": graph.Sigmoid{}, "tanh": graph.Tanh{}, "exp": graph.Exp{}, "sqrt": graph.Sqrt{}, "erf": graph.Erf{}, "abs": graph.Abs{}, "floor": graph.Floor{}}

// binaries are those of two operands.
var binaries = map[string]graph.Op{"add": graph.Add{}, "sub": graph.Sub{}, "mul": graph.Mul{}, "real_div": graph.Div{}, "maximum": graph.Max{}, "minimum": graph.Min{}}

// writers translate a node, readers an operation.
var (
	writers map[string]func(*encoder, *graph.Node) error
	readers map[string]func(*decoder, *read) error
)

func init() {
	writers = map[string]func(*encoder, *graph.Node) error{
		"Conv": (*encoder).conv, "Gemm": (*encoder).gemm, "Gelu": (*encoder).gelu, "HardSwish": (*encoder).hardSwish, "Clip": (*encoder).clip,
		"GlobalAveragePool": (*encoder).pool, "Flatten": (*encoder).reshape, "Reshape": (*encoder).reshape, "Transpose": (*encoder).transpose,
		"Concat": (*encoder).concat, "Softmax": (*encoder).softmax, "Cast": (*encoder).cast, "Resize": (*encoder).resize,
		"HardSigmoid": (*encoder).hardSigmoid, "MaxPool": (*encoder).maxPool, "ArgMax": (*encoder).argMax, "LayerNormalization": (*encoder).layerNorm,
		"QuantizeLinear": (*encoder).quantize, "DequantizeLinear": (*encoder).dequantize,
	}
	readers = map[string]func(*decoder, *read) error{
		"const": (*decoder).constant, "conv": (*decoder).conv, "linear": (*decoder).linear, "gelu": (*decoder).gelu, "clip": (*decoder).clip,
		"reduce_mean": (*decoder).mean, "reshape": (*decoder).reshape, "transpose": (*decoder).transpose,
		"concat": (*decoder).concat, "softmax": (*decoder).softmax, "cast": (*decoder).cast, "resize_bilinear": (*decoder).resize, "resize_nearest_neighbor": (*decoder).resize,
		"sigmoid_hard": (*decoder).hardSigmoid, "max_pool": (*decoder).maxPool, "reduce_argmax": (*decoder).argMax, "layer_norm": (*decoder).layerNorm,
		"quantize": (*decoder).quantize, "dequantize": (*decoder).dequantize, "constexpr_affine_dequantize": (*decoder).weight,
		"classify": (*decoder).classify,
	}
	for kind, op := range unaries {
		writers[op.Kind()] = func(e *encoder, n *graph.Node) error {
			return e.operation(kind, n.Output).of("x", n.Inputs[0]).gives(n.Output)
		}
		readers[kind] = func(d *decoder, r *read) error { return d.give(r, op, r.value("x")) }
	}
	for kind, op := range binaries {
		writers[op.Kind()] = func(e *encoder, n *graph.Node) error {
			if len(n.Inputs) != 2 {
				return fmt.Errorf("%w: %d operands, expected two", ErrUnsupported, len(n.Inputs))
			}
			return e.operation(kind, n.Output).of("x", n.Inputs[0]).of("y", n.Inputs[1]).gives(n.Output)
		}
		readers[kind] = func(d *decoder, r *read) error { return d.give(r, op, r.value("x"), r.value("y")) }
	}
}

func (e *encoder) conv(n *graph.Node) error {
	op := n.Op.(graph.Conv)
	dilation := op.Dilation()
	o := e.operation("conv", n.Output).of("x", n.Inputs[0]).of("weight", n.Inputs[1])
	if len(n.Inputs) > 2 {
		o.of("bias", n.Inputs[2])
	}
	return o.ints("strides", op.Strides[:]...).text("pad_type", "custom").ints("pad", op.Pads[0], op.Pads[2], op.Pads[1], op.Pads[3]).
		ints("dilations", dilation[:]...).int("groups", op.Group).gives(n.Output)
}

func (d *decoder) conv(r *read) error {
	strides, pad, dilations := r.ints("strides", 2), r.ints("pad", 4), r.ints("dilations", 2)
	op := graph.Conv{Group: r.int("groups")}
	r.text("pad_type", "custom")
	if r.err != nil {
		return r.err
	}
	op.Strides, op.Pads = [2]int(strides), [4]int{pad[0], pad[2], pad[1], pad[3]}
	if slices.Max(dilations) != 1 || slices.Min(dilations) != 1 {
		op.Dilations = [2]int(dilations)
	}
	in := []*graph.Value{r.value("x"), r.value("weight")}
	if r.has("bias") {
		in = append(in, r.value("bias"))
	}
	return d.give(r, op, in...)
}

func (e *encoder) gemm(n *graph.Node) error {
	o := e.operation("linear", n.Output).of("x", n.Inputs[0]).of("weight", n.Inputs[1])
	if len(n.Inputs) > 2 {
		o.of("bias", n.Inputs[2])
	}
	return o.gives(n.Output)
}

func (d *decoder) linear(r *read) error {
	in := []*graph.Value{r.value("x"), r.value("weight")}
	if r.has("bias") {
		in = append(in, r.value("bias"))
	}
	return d.give(r, graph.Gemm{}, in...)
}

func (e *encoder) gelu(n *graph.Node) error {
	return e.operation("gelu", n.Output).of("x", n.Inputs[0]).text("mode", "EXACT").gives(n.Output)
}

func (d *decoder) gelu(r *read) error {
	r.text("mode", "EXACT")
	return d.give(r, graph.Gelu{}, r.value("x"))
}

// hardSwish is x·min(max(x + 3, 0), 6)/6.
func (e *encoder) hardSwish(n *graph.Node) error {
	t := e.types[n.Output]
	dims, ok := t.Shape.Ints()
	if !ok {
		return fmt.Errorf("%w: the shape %v, expected sizes that are known", ErrUnsupported, t.Shape)
	}
	base := e.name(n.Output)
	step := func(kind, suffix string) *operation { return &operation{e: e, kind: kind, base: base + suffix} }
	x, err := e.operand(n.Inputs[0])
	if err != nil {
		return err
	}
	above, err := step("add", "_above").named("x", x).number("y", t.DType, 3).between(t.DType, dims, "")
	if err != nil {
		return err
	}
	clipped, err := step("clip", "_clipped").named("x", above).number("alpha", t.DType, 0).number("beta", t.DType, 6).between(t.DType, dims, "")
	if err != nil {
		return err
	}
	share, err := step("mul", "_share").named("x", clipped).number("y", t.DType, 1./6).between(t.DType, dims, "")
	if err != nil {
		return err
	}
	return e.operation("mul", n.Output).of("x", n.Inputs[0]).named("y", share).gives(n.Output)
}

// hardSwishes makes HardSwish of the operations that spell it, where nothing else reads what is between them.
func (d *decoder) hardSwishes() {
	producers, consumers := d.g.Producers(), d.g.Consumers()
	between := func(v *graph.Value, op graph.Op) *graph.Node {
		if n := producers[v]; n != nil && n.Op == op && len(consumers[v]) == 1 && !d.g.IsOutput(v) {
			return n
		}
		return nil
	}
	found := false
	for _, n := range d.g.Nodes {
		if n.Op != (graph.Mul{}) {
			continue
		}
		share := between(n.Inputs[1], graph.Mul{})
		if share == nil || !isNumber(share.Inputs[1], 1./6) {
			continue
		}
		clipped := between(share.Inputs[0], graph.Clip{Min: 0, Max: 6})
		if clipped == nil {
			continue
		}
		if above := between(clipped.Inputs[0], graph.Add{}); above != nil && above.Inputs[0] == n.Inputs[0] && isNumber(above.Inputs[1], 3) {
			n.Op, n.Inputs, found = graph.HardSwish{}, n.Inputs[:1], true
		}
	}
	if found {
		d.g.Prune()
	}
}

// isNumber reports whether a value is a constant number, as its type rounds it.
func isNumber(v *graph.Value, want float64) bool {
	if v.Const == nil || len(v.Const.Shape) != 0 {
		return false
	}
	t := graph.Float32Tensor([]int{}, []float32{float32(want)})
	if v.Const.DType == graph.Float16 {
		t = t.Half()
	}
	return v.Const.Float64s()[0] == t.Float64s()[0]
}

func (e *encoder) hardSigmoid(n *graph.Node) error {
	op, d := n.Op.(graph.HardSigmoid), e.types[n.Output].DType
	return e.operation("sigmoid_hard", n.Output).of("x", n.Inputs[0]).number("alpha", d, op.Alpha).number("beta", d, op.Beta).gives(n.Output)
}

func (d *decoder) hardSigmoid(r *read) error {
	op := graph.HardSigmoid{Alpha: r.float("alpha"), Beta: r.float("beta")}
	return d.give(r, op, r.value("x"))
}

func (e *encoder) clip(n *graph.Node) error {
	op, d := n.Op.(graph.Clip), e.types[n.Output].DType
	lowest, highest := op.Min, op.Max
	if d == graph.Float16 { // a bound that is none, of the type's numbers
		lowest, highest = max(lowest, -maxFloat16), min(highest, maxFloat16)
	}
	return e.operation("clip", n.Output).of("x", n.Inputs[0]).number("alpha", d, lowest).number("beta", d, highest).gives(n.Output)
}

const maxFloat16 = 65504

func (d *decoder) clip(r *read) error {
	op := graph.Clip{Min: r.float("alpha"), Max: r.float("beta")}
	return d.give(r, op, r.value("x"))
}

func (e *encoder) pool(n *graph.Node) error {
	return e.operation("reduce_mean", n.Output).of("x", n.Inputs[0]).ints("axes", 2, 3).bool("keep_dims", true).gives(n.Output)
}

func (d *decoder) mean(r *read) error {
	if axes := r.ints("axes", 2); r.err == nil && (axes[0] != 2 || axes[1] != 3) {
		return fmt.Errorf("%w: axes %v, expected 2 and 3", ErrUnsupported, axes)
	}
	if keep := r.bool("keep_dims"); r.err == nil && !keep {
		return fmt.Errorf("%w: axes that are dropped", ErrUnsupported)
	}
	return d.give(r, graph.GlobalAveragePool{}, r.value("x"))
}

func (e *encoder) maxPool(n *graph.Node) error {
	op := n.Op.(graph.MaxPool)
	from, known := e.types[n.Inputs[0]].Shape.Ints()
	to, _ := e.types[n.Output].Shape.Ints()
	if !known {
		return fmt.Errorf("%w: the shape %v, expected sizes that are known", ErrUnsupported, e.types[n.Inputs[0]].Shape)
	}
	pads, ok := op.Plain(from, to)
	if !ok {
		return fmt.Errorf("%w: dilations %v, expected none", ErrUnsupported, op.Dilation())
	}
	return e.operation("max_pool", n.Output).of("x", n.Inputs[0]).ints("kernel_sizes", op.Kernel[:]...).ints("strides", op.Strides[:]...).
		text("pad_type", "custom").ints("pad", pads[0], pads[2], pads[1], pads[3]).bool("ceil_mode", false).gives(n.Output)
}

func (d *decoder) maxPool(r *read) error {
	kernel, strides, pad, up := r.ints("kernel_sizes", 2), r.ints("strides", 2), r.ints("pad", 4), r.bool("ceil_mode")
	r.text("pad_type", "custom")
	if r.err == nil && up {
		return fmt.Errorf("%w: sizes that are rounded up", ErrUnsupported)
	}
	return d.give(r, graph.MaxPool{Kernel: [2]int(kernel), Strides: [2]int(strides), Pads: [4]int{pad[0], pad[2], pad[1], pad[3]}}, r.value("x"))
}

// argMax gives int32 in the file, int64 in the graph.
func (e *encoder) argMax(n *graph.Node) error {
	op := n.Op.(graph.ArgMax)
	if op.SelectLastIndex {
		return fmt.Errorf("%w: the last of equal values, expected the first", ErrUnsupported)
	}
	return e.operation("reduce_argmax", n.Output).of("x", n.Inputs[0]).int("axis", op.Axis).bool("keep_dims", op.KeepDims).gives(n.Output)
}

func (d *decoder) argMax(r *read) error {
	return d.give(r, graph.ArgMax{Axis: r.int("axis"), KeepDims: r.bool("keep_dims")}, r.value("x"))
}

// layerNorm has gamma and beta with the sizes of the axes alone.
func (e *encoder) layerNorm(n *graph.Node) error {
	op, d := n.Op.(graph.LayerNorm), e.types[n.Output].DType
	o := e.operation("layer_norm", n.Output).of("x", n.Inputs[0]).ints("axes", op.Axes...)
	for i, v := range n.Inputs[1:] {
		if v.Const == nil {
			return fmt.Errorf("%w: %q is computed, expected a constant", ErrUnsupported, v.Name)
		}
		shape := v.Const.Shape
		if op.Channels() {
			shape = shape[:1]
		}
		o.with([]string{"gamma", "beta"}[i], v.Const.Reshape(shape...))
	}
	return o.number("epsilon", d, op.Epsilon).gives(n.Output)
}

func (d *decoder) layerNorm(r *read) error {
	op := graph.LayerNorm{Axes: r.ints("axes", -1), Epsilon: r.float("epsilon")}
	in := []*graph.Value{r.value("x")}
	for _, key := range []string{"gamma", "beta"} {
		if key == "beta" && !r.has(key) {
			continue
		}
		t := r.parameter(key, graph.Float32, graph.Float16)
		if op.Channels() {
			t = t.Reshape(t.Len(), 1, 1)
		}
		in = append(in, graph.Weight(r.outputs[0].name+"_"+key, t))
	}
	return d.give(r, op, in...)
}

func (e *encoder) reshape(n *graph.Node) error {
	dims, ok := e.types[n.Output].Shape.Ints()
	if !ok {
		return fmt.Errorf("%w: the shape %v, expected sizes that are known", ErrUnsupported, e.types[n.Output].Shape)
	}
	return e.operation("reshape", n.Output).of("x", n.Inputs[0]).ints("shape", dims...).gives(n.Output)
}

func (d *decoder) reshape(r *read) error {
	shape, x := r.ints("shape", -1), r.value("x")
	if len(shape) == 2 && shape[0] == 1 && shape[1] > 0 && d.dims[x] == 4 {
		return d.give(r, graph.Flatten{}, x) // what Flatten becomes; its type is compared with the file's
	}
	return d.give(r, graph.Reshape{Shape: shape}, x)
}

func (e *encoder) transpose(n *graph.Node) error {
	return e.operation("transpose", n.Output).of("x", n.Inputs[0]).ints("perm", n.Op.(graph.Transpose).Perm...).gives(n.Output)
}

func (d *decoder) transpose(r *read) error {
	return d.give(r, graph.Transpose{Perm: r.ints("perm", -1)}, r.value("x"))
}

func (e *encoder) concat(n *graph.Node) error {
	return e.operation("concat", n.Output).of("values", n.Inputs...).int("axis", n.Op.(graph.Concat).Axis).bool("interleave", false).gives(n.Output)
}

func (d *decoder) concat(r *read) error {
	if interleave := r.bool("interleave"); r.err == nil && interleave {
		return fmt.Errorf("%w: interleaved values", ErrUnsupported)
	}
	return d.give(r, graph.Concat{Axis: r.int("axis")}, r.values("values")...)
}

func (e *encoder) softmax(n *graph.Node) error {
	rank := len(e.types[n.Output].Shape)
	return e.operation("softmax", n.Output).of("x", n.Inputs[0]).int("axis", n.Op.(graph.Softmax).Of(rank)-rank).gives(n.Output)
}

func (d *decoder) softmax(r *read) error {
	axis := r.int("axis")
	if axis == -1 {
		axis = 0 // the same, and how the graph usually says it
	} else if axis >= 0 && r.err == nil {
		return fmt.Errorf("%w: axis %d, expected one counted from the end", ErrUnsupported, axis)
	}
	return d.give(r, graph.Softmax{Axis: axis}, r.value("x"))
}

func (e *encoder) cast(n *graph.Node) error {
	to := n.Op.(graph.Cast).To
	if from := e.types[n.Inputs[0]].DType; !to.IsFloat() || typeNames[to] == "" || !from.IsFloat() && from != graph.Int64 {
		return fmt.Errorf("%w: from %v to %v", ErrUnsupported, from, to)
	}
	return e.operation("cast", n.Output).of("x", n.Inputs[0]).text("dtype", typeNames[to]).gives(n.Output)
}

func (d *decoder) cast(r *read) error {
	to := graph.Float32
	if r.is("dtype", typeNames[graph.Float16]) {
		to = graph.Float16
	}
	r.text("dtype", typeNames[to])
	return d.give(r, graph.Cast{To: to}, r.value("x"))
}

// samplings are the coordinate systems of resize_bilinear, without and with corners.
var samplings = map[bool]string{false: "UNALIGN_CORNERS", true: "STRICT_ALIGN_CORNERS"}

func (e *encoder) resize(n *graph.Node) error {
	x, _ := e.types[n.Inputs[0]].Shape.Ints()
	y, _ := e.types[n.Output].Shape.Ints()
	nearest, corners, ok := n.Op.(graph.Resize).Plain(x, y)
	kind := "resize_bilinear"
	if nearest {
		kind = "resize_nearest_neighbor"
	}
	if !ok {
		return graph.ErrResize
	}
	o := e.operation(kind, n.Output).of("x", n.Inputs[0]).int("target_size_height", y[2]).int("target_size_width", y[3])
	if !nearest {
		o.text("sampling_mode", samplings[corners])
	}
	return o.gives(n.Output)
}

func (d *decoder) resize(r *read) error {
	op := graph.Resize{Mode: "linear", Coordinates: "half_pixel", Sizes: [2]int{r.int("target_size_height"), r.int("target_size_width")}}
	switch {
	case r.kind == "resize_nearest_neighbor":
		op.Mode, op.Coordinates, op.Nearest = "nearest", "asymmetric", "floor"
	case r.is("sampling_mode", samplings[true]):
		op.Coordinates = "align_corners"
		fallthrough
	default:
		r.text("sampling_mode", samplings[op.Coordinates == "align_corners"])
	}
	return d.give(r, op, r.value("x"))
}

// versionInt8 is the first that computes with int8, versionWeights the first that has weights of int8.
const (
	versionInt8    = 8
	versionWeights = 7
)

// scaled returns the scale and zero point of a node that (de)quantizes, both of one value.
func scaled(n *graph.Node) (s, z *graph.Tensor, err error) {
	s, z = n.Inputs[1].Const, n.Inputs[2].Const
	if s == nil || z == nil || s.Len() != 1 || z.Len() != 1 || z.DType != graph.Uint8 && z.DType != graph.Int8 {
		return nil, nil, fmt.Errorf("%w: quantization by something else than a constant scale and a zero point of 8 bits", ErrUnsupported)
	}
	if v := s.Float64s()[0]; !(v > 0) || math.IsInf(v, 0) {
		return nil, nil, fmt.Errorf("%w: a scale of %v in %v, expected one above 0", ErrUnsupported, v, s.DType)
	}
	return s.Reshape(), z.Reshape(), nil
}

func (e *encoder) quantize(n *graph.Node) error {
	s, z, err := scaled(n)
	if err != nil {
		return err
	}
	e.version = max(e.version, versionInt8)
	return e.operation("quantize", n.Output).of("input", n.Inputs[0]).with("scale", s).with("zero_point", z).text("output_dtype", typeNames[z.DType]).gives(n.Output)
}

func (d *decoder) quantize(r *read) error {
	x, s, z := r.value("input"), r.value("scale"), r.value("zero_point")
	if r.err == nil && z.Const != nil {
		r.text("output_dtype", typeNames[z.Const.DType])
	}
	return d.give(r, graph.QuantizeLinear{}, x, s, z)
}

func (e *encoder) dequantize(n *graph.Node) error {
	if n.Inputs[0].Const != nil {
		return e.weight(n)
	}
	s, z, err := scaled(n)
	if err != nil {
		return err
	}
	e.version = max(e.version, versionInt8)
	return e.operation("dequantize", n.Output).of("input", n.Inputs[0]).with("scale", s).with("zero_point", z).gives(n.Output)
}

func (d *decoder) dequantize(r *read) error {
	return d.give(r, graph.DequantizeLinear{}, r.value("input"), r.value("scale"), r.value("zero_point"))
}

// weight adds a constant of int8 that is a float to whoever reads it.
func (e *encoder) weight(n *graph.Node) error {
	x, s, z := n.Inputs[0].Const, n.Inputs[1].Const, n.Inputs[2].Const
	if s == nil || z == nil || x.DType != graph.Int8 || len(s.Shape) > 1 || slices.ContainsFunc(z.Float64s(), func(v float64) bool { return v != 0 }) {
		return fmt.Errorf("%w: a constant of %v, expected int8 with one scale, or one along an axis, and zero points of 0", ErrUnsupported, x.DType)
	}
	e.version = max(e.version, versionWeights)
	name := e.name(n.Output)
	attributes := []attribute{{"name", textValue(name)}}
	for _, a := range []struct {
		key string
		t   *graph.Tensor
	}{
		{"quantized_data", x}, {"zero_point", graph.Int8Tensor([]int{}, []int8{0})}, {"scale", s},
		{"axis", graph.Int32Tensor([]int{}, []int32{int32(n.Op.(graph.DequantizeLinear).Axis)})},
	} {
		v, err := e.value(a.t)
		if err != nil {
			return err
		}
		attributes = append(attributes, attribute{a.key, v})
	}
	e.emit("constexpr_affine_dequantize", nil, attributes, named(name, tensorType(dataTypes[s.DType], x.Shape)))
	return nil
}

func (d *decoder) weight(r *read) error {
	var in [3]*graph.Tensor
	for i, key := range []string{"quantized_data", "scale", "zero_point"} {
		in[i] = r.attribute(key)
	}
	axis := r.attribute("axis")
	if r.err != nil {
		return r.err
	}
	if axis.DType != graph.Int32 || axis.Len() != 1 || in[2].DType != graph.Int8 || in[2].Len() != 1 || in[2].Int8s()[0] != 0 {
		return fmt.Errorf("%w: an axis of %v and a zero point of %v, expected int32 and an int8 of 0", ErrUnsupported, axis.DType, in[2].DType)
	}
	name := r.outputs[0].name
	var values [3]*graph.Value
	in[2] = graph.Int8Tensor(in[1].Shape, make([]int8, in[1].Len()))
	for i, suffix := range []string{"_int8", "_scale", "_zero_point"} {
		values[i] = graph.Weight(name+suffix, in[i])
	}
	return d.give(r, graph.DequantizeLinear{Axis: int(axis.Int32s()[0])}, values[:]...)
}
