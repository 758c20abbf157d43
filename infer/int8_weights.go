package infer

import (
	"fmt"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// kernelSets returns the float32 and the integer kernels that an instruction set's name
// stands for, nil if this machine cannot run them.
func kernelSets(isa string) (*kernel.Float32, *kernel.Int8) {
	real, whole := isa, []string{isa}
	switch isa {
	case "":
		return kernel.Best(), kernel.Best8()
	case "avx512":
		whole = []string{"avx512vnni", "avx2", "generic"}
	case "avx2":
		whole = []string{"avx2", "generic"}
	case "avx512vnni":
		real = "avx512"
	case "avxvnni":
		real = "avx2"
	case "neon-dot", "neon-i8mm":
		real = "neon"
	}
	set := kernel.Named(real)
	for _, name := range whole {
		if set8 := kernel.Named8(name); set != nil && set8 != nil {
			return set, set8
		}
	}
	return nil, nil
}

// product8 is a convolution or matrix product of uint8 activations and int8 weights whose
// sums fit 32 bits.
type product8 struct {
	node    *graph.Node
	added   *graph.Node // the node behind a MatMul that adds its bias
	shape   shape8
	conv    graph.Conv // of dense and depthwise products
	weight  []int      // shape of a convolution's weight
	pixel   int        // bytes of a pixel of a dense product's image
	q       *graph.Value
	in      quantization
	layout  layout // in which q is a matrix of pixels and channels
	n, k    int
	w       []int8    // n rows of k
	unit    []float32 // what one unit of the sums stands for: input scale · weight scale
	bias    []int32   // with the correction for the input's zero point
	largest []float64 // magnitude that a sum can have
}

// shape8 is the form of a product.
type shape8 uint8

const (
	pointwise8 shape8 = iota // rows times a matrix
	dense8                   // patches times a matrix
	depthwise8               // 3×3, padding 1
)

// quantization is the scale and zero point of uint8 activations: x stands for
// (x − zero)·scale.
type quantization struct {
	scale float32
	zero  uint8
}

// quantizer is the same as kernels quantize with it.
func (q quantization) quantizer() kernel.Quantization8 {
	return kernel.Quantization8{Inverse: float32(1 / float64(q.scale)), Zero: q.zero}
}

// quantizationOf returns the parameters of a QuantizeLinear or DequantizeLinear to or from
// uint8 with a single scale.
func quantizationOf(n *graph.Node) (quantization, bool) {
	scale, zero := n.Inputs[1].Const, n.Inputs[2].Const
	if scale == nil || zero == nil || zero.DType != graph.Uint8 || scale.Len() != 1 || zero.Len() != 1 {
		return quantization{}, false
	}
	s := scale.Float32s()[0]
	return quantization{s, zero.Uint8s()[0]}, s > 1e-30 && s < 1e30
}

// signed holds a quantized weight.
type signed struct {
	t     *graph.Tensor
	scale []float64
	axis  int
}

// quantizedWeight returns the integers behind a weight that fold dequantized: int8 or int32
// elements, zero points 0.
func (l *lowering) quantizedWeight(v *graph.Value, d graph.DType) (signed, bool) {
	n := l.integers.origin[v.Name]
	if n == nil || v.Const == nil || n.Inputs[0].Const.DType != d {
		return signed{}, false
	}
	s := signed{n.Inputs[0].Const, n.Inputs[1].Const.Float64s(), n.Op.(graph.DequantizeLinear).Axis}
	for _, z := range n.Inputs[2].Const.Float64s() {
		if z != 0 {
			return signed{}, false
		}
	}
	for _, x := range s.scale {
		if !(x > 1e-30 && x < 1e30) {
			return signed{}, false
		}
	}
	return s, true
}

// dequantizedLater names the DequantizeLinear nodes whose results are nothing but weights
// of products. Integer products read the integers, so elements are computed only when a
// float32 operator needs them, by [lowering.dequantizeWeight].
func dequantizedLater(g *graph.Graph) map[string]bool {
	names := map[string]bool{}
	consumers := g.Consumers()
	for _, n := range g.Nodes {
		if !isWeight(n) {
			continue
		}
		only := true
		for _, c := range consumers[n.Output] {
			packs := lowerings[c.Op.Kind()].packs
			only = only && packs != nil && packs(n.Inputs[0].Const.Shape) && c.Is(graph.Linear) && c.Inputs[0] != n.Output
		}
		names[n.Name()] = only
	}
	return names
}

// isWeight reports whether n dequantizes a constant.
func isWeight(n *graph.Node) bool {
	_, ok := n.Op.(graph.DequantizeLinear)
	return ok && n.Inputs[0].Const != nil && n.Inputs[1].Const != nil && n.Inputs[2].Const != nil
}

// dequantizeWeight computes the elements of a weight, if fold put that off.
func (l *lowering) dequantizeWeight(v *graph.Value) error {
	n := l.integers.origin[v.Name]
	if n == nil || v.Const.Size() != 0 {
		return nil
	}
	t, err := evaluate(n, graph.Type{DType: v.Const.DType}, l.w.set)
	if err != nil {
		return fmt.Errorf("%s: %w", v.Name, err)
	}
	v.Const = t
	return nil
}

// product recognises a node that multiplies dequantized activations with dequantized
// weights; nil for any other.
func (l *lowering) product(n *graph.Node) *product8 {
	p, ok := l.integers.products[n]
	if !ok {
		p = l.newProduct(n)
		l.integers.products[n] = p
	}
	return p
}

func (l *lowering) newProduct(n *graph.Node) *product8 {
	p := &product8{node: n}
	axis := 0
	switch op := n.Op.(type) {
	case graph.Conv:
		p.conv, p.layout = op, chansLayout
	case graph.Gemm:
		p.layout = rowsLayout
	case graph.MatMul:
		p.layout, axis = rowsLayout, 1
	default:
		return nil
	}
	w, ok := l.quantizedWeight(n.Inputs[1], graph.Int8)
	if !ok || len(w.scale) > 1 && w.axis != axis || !lowerings[n.Op.Kind()].packs(w.t.Shape) || !p.take(w.t) {
		return nil
	}
	l.integers.copied += len(p.w) + 32*p.n // of which the result has as many
	if p.q, p.in, p.layout, ok = l.operand(n.Inputs[0], p.layout, p.shape == pointwise8); !ok {
		return nil
	}
	for c := range p.n {
		u := p.in.scale * float32(w.scale[min(c, len(w.scale)-1)])
		if !(u > 1e-35 && u < 1e35) {
			return nil
		}
		p.unit = append(p.unit, u)
	}
	var bias *graph.Value
	if len(n.Inputs) > 2 {
		bias = n.Inputs[2]
	} else if v, add := l.biasBehind(n, p.n); add != nil {
		bias, p.added = v, add
	}
	if !p.sum(l, bias) {
		return nil
	}
	return p
}

// biasBehind returns the constant vector that is added to a MatMul of n columns, and the
// node that does it.
func (l *lowering) biasBehind(m *graph.Node, n int) (*graph.Value, *graph.Node) {
	add := l.next(m.Output)
	if _, ok := m.Op.(graph.MatMul); !ok || add == nil {
		return nil, nil
	}
	if _, ok := add.Op.(graph.Add); !ok {
		return nil, nil
	}
	for _, v := range add.Inputs {
		if s := l.types[v].Shape; v.Const != nil && v.Const.Len() == n && s[len(s)-1] == graph.Fixed(n) {
			return v, add
		}
	}
	return nil, nil
}

// take chooses the form of the product and brings the weight in its order.
func (p *product8) take(w *graph.Tensor) bool {
	s, v := w.Shape, w.Int8s()
	p.n, p.w, p.weight = s[0], v, s
	if p.n == 0 || len(v) == 0 {
		return false
	}
	p.k = len(v) / p.n
	c := p.conv
	switch p.node.Op.(type) {
	case graph.Gemm:
		return true
	case graph.MatMul:
		p.n, p.k = s[1], s[0]
		p.w = transposed(v, p.k, p.n)
		return true
	}
	one := c.Dilation() == [2]int{1, 1}
	switch {
	case c.Group == 1 && s[2] == 1 && s[3] == 1 && c.Strides == [2]int{1, 1} && c.Pads == [4]int{}:
		return true
	case one && c.Group == 1 && s[2] < 16 && s[3] < 16 && slices.Max(c.Pads[:]) < 16:
		p.shape = dense8
		taps := s[2] * s[3]
		p.w = make([]int8, len(v))
		for o := range s[0] {
			for i := range s[1] {
				for t := range taps {
					p.w[(o*taps+t)*s[1]+i] = v[(o*s[1]+i)*taps+t]
				}
			}
		}
		return true
	case one && c.Group == s[0] && s[1] == 1 && s[2] == 3 && s[3] == 3 && c.Pads == [4]int{1, 1, 1, 1} && c.Strides[0] == c.Strides[1] && c.Strides[0] <= 2:
		p.shape = depthwise8
		return true
	}
	return false
}

// sum works out the bias and how large sums can get; false if that is too large.
func (p *product8) sum(l *lowering, bias *graph.Value) bool {
	p.bias, p.largest = make([]int32, p.n), make([]float64, p.n)
	b := make([]float64, p.n)
	if bias != nil {
		if bias.Const == nil || !p.biases(l, bias, b) {
			return false
		}
	}
	for c := range p.n {
		sum, magnitude := 0, 0
		for _, w := range p.w[c*p.k:][:p.k] {
			sum += int(w)
			magnitude += max(int(w), -int(w))
		}
		v := b[c] - float64(int(p.in.zero)*sum)
		p.largest[c] = math.Abs(v) + 255*float64(magnitude)
		if !(p.largest[c] < 1<<31) {
			return false
		}
		p.bias[c] = int32(v)
	}
	return true
}

// biases expresses the bias in units of the sums.
func (p *product8) biases(l *lowering, v *graph.Value, b []float64) bool {
	if w, ok := l.quantizedWeight(v, graph.Int32); ok && (len(w.scale) == 1 || len(w.scale) == p.n) {
		for c, q := range w.t.Int32s() {
			// Scales that are equal but for their rounding to float32 leave integers as they are.
			r := w.scale[min(c, len(w.scale)-1)] / float64(p.unit[c])
			if math.Abs(r-1) < 1e-5 {
				r = 1
			}
			b[c] = math.RoundToEven(float64(q) * r)
		}
		return true
	}
	values := v.Const.Float64s()
	if len(values) != p.n {
		return false // not dequantized
	}
	for c, x := range values {
		b[c] = math.RoundToEven(x / float64(p.unit[c]))
	}
	return true
}

// scales returns the factors that turn sums into multiples of unit, padded. They are
// computed in float32, as ONNX Runtime does.
func (p *product8) scales(unit float32, lanes int) []float32 {
	s := kernel.Floats(kernel.Pad(p.n, lanes))
	for c, u := range p.unit {
		s[c] = u / unit
	}
	return s
}

// fits reports whether every sum, as a multiple of unit, is far from overflowing an int32.
func (p *product8) fits(unit float32) bool {
	for c, u := range p.unit {
		if m := p.largest[c] * float64(u) / float64(unit); !(m < 1<<30) {
			return false
		}
	}
	return true
}

// pack8 packs the product's matrix on all cores, later.
func (l *lowering) pack8(p *product8) *packed8 {
	q, set := &packed8{}, l.w.set8
	if p.shape == depthwise8 {
		l.w.bytes.Add(int64(kernel.Pad(p.n, kernel.Lanes8) * (p.k*set.WeightSize + 4)))
		l.w.job(func() { q.taps = set.PackTaps(p.w, p.n, p.bias) })
	} else {
		l.w.bytes.Add(int64(kernel.Pad(p.n, kernel.Lanes) * (p.k*set.WeightSize + 4)))
		l.w.job(func() { q.matrix = set.Pack(p.w, p.n, p.k, p.bias) })
	}
	return q
}

// packed8 is an int8 weight packed for its kernel.
type packed8 struct {
	matrix *kernel.Packed8
	taps   *kernel.Taps8
}
