// Package reparam rewrites a trained network into the cheaper one that computes the same
// function: structural re-parameterisation ("RepVGG: Making VGG-style ConvNets Great
// Again", CVPR 2021, arXiv 2101.03697).
//
// [Fuse] matches operators, never names:
//
//   - BatchNorm behind a convolution goes into its weight and bias:
//     w' = w·γ/√(σ²+ε), b' = β + (b−μ)·γ/√(σ²+ε).
//   - BatchNorm before a fully connected layer goes into that one:
//     W' = W·diag(γ/√(σ²+ε)), b' = b + W(β − μγ/√(σ²+ε)).
//   - Parallel convolutions of one value that are added become one convolution: the
//     smaller kernel is padded with zeros to the size of the larger, and an added
//     identity is a kernel with a one at its centre.
//   - The mean of several fully connected layers of one value is one layer.
//
// The passes run until nothing matches. All folding is done in float64 and rounded to
// float32 once, at the end. A fused node keeps the name of the last value it replaces, so
// the two forms can be compared value by value.
package reparam

import (
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// Fuse returns the deploy form of g, which is not changed. Values that are outputs of the
// graph keep their nodes.
func Fuse(g *graph.Graph) *graph.Graph {
	f := &fuser{g: g.Clone(), linear: map[*graph.Node]*linear{}}
	passes := []func(*graph.Node) bool{f.convBatchNorm, f.batchNormGemm, f.branches, f.meanOfGemms}
	for changed := true; changed; {
		changed = false
		f.index()
		for _, n := range slices.Clone(f.g.Nodes) {
			for _, pass := range passes {
				if pass(n) {
					changed = true
					f.g.Prune()
					f.index()
					break
				}
			}
		}
	}
	f.round()
	return f.g
}

type fuser struct {
	g         *graph.Graph
	linear    map[*graph.Node]*linear
	producers map[*graph.Value]*graph.Node
	consumers map[*graph.Value][]*graph.Node
}

func (f *fuser) index() {
	f.producers, f.consumers = f.g.Producers(), f.g.Consumers()
}

// linear is a convolution or fully connected layer that was folded into, in float64:
// weight[o][i]·row[o]·column[i], and a bias. Keeping the scales beside the weight until the
// end costs two vectors instead of a float64 copy of every weight.
type linear struct {
	rows, cols  int // output channels; weights of each
	weight      *graph.Tensor
	row, column []float64 // nil for ones
	bias        []float64
}

// of returns the folding state of a Conv or Gemm node, begun where there is none.
func (f *fuser) of(n *graph.Node) *linear {
	if l, ok := f.linear[n]; ok {
		return l
	}
	w := n.Inputs[1].Const
	l := &linear{rows: w.Shape[0], weight: w, bias: make([]float64, w.Shape[0])}
	l.cols = w.Len() / l.rows
	if len(n.Inputs) == 3 {
		copy(l.bias, n.Inputs[2].Const.Float64s())
	}
	f.linear[n] = l
	return l
}

// dense returns weight[o][i] with its scales applied, in float64.
func (l *linear) dense() []float64 {
	v := slices.Clone(l.weight.Float64s())
	for o := range l.rows {
		for i := range l.cols {
			v[o*l.cols+i] *= l.scale(o, i)
		}
	}
	return v
}

func (l *linear) scale(o, i int) float64 {
	s := 1.0
	if l.row != nil {
		s = l.row[o]
	}
	if l.column != nil {
		s *= l.column[i]
	}
	return s
}

// setDense replaces weight and scales.
func (l *linear) setDense(shape []int, v []float64) {
	l.weight, l.row, l.column = graph.Float64Tensor(shape, v), nil, nil
	l.rows = shape[0]
	l.cols = len(v) / l.rows
}

// affine returns the scale γ/√(σ²+ε) and the shift β − μ·scale of a BatchNorm.
func affine(n *graph.Node) (scale, shift []float64) {
	eps := n.Op.(graph.BatchNorm).Epsilon
	gamma, beta := n.Inputs[1].Const.Float64s(), n.Inputs[2].Const.Float64s()
	mean, variance := n.Inputs[3].Const.Float64s(), n.Inputs[4].Const.Float64s()
	scale, shift = make([]float64, len(gamma)), make([]float64, len(gamma))
	for i := range gamma {
		scale[i] = gamma[i] / math.Sqrt(variance[i]+eps)
		shift[i] = beta[i] - mean[i]*scale[i]
	}
	return scale, shift
}

// constant reports whether all operands from the second on are weights.
func constant(n *graph.Node) bool {
	return !slices.ContainsFunc(n.Inputs[1:], func(v *graph.Value) bool { return v.Const == nil })
}

// private returns the node that produces v if it is of type T, its weights are constants,
// and v has no other reader than the one that asks.
func private[T graph.Op](f *fuser, v *graph.Value) *graph.Node {
	n := f.producers[v]
	if n == nil || len(f.consumers[v]) != 1 || f.g.IsOutput(v) {
		return nil
	}
	if _, ok := n.Op.(T); !ok || !constant(n) {
		return nil
	}
	return n
}

// become makes n the node that replaces it: another operator over input x, with the
// folding state given.
func (f *fuser) become(n *graph.Node, op graph.Op, x *graph.Value, w *graph.Value, l *linear) {
	n.Op, n.Inputs = op, []*graph.Value{x, w}
	f.linear[n] = l
}

// convBatchNorm folds a BatchNorm into the convolution before it.
func (f *fuser) convBatchNorm(n *graph.Node) bool {
	if _, ok := n.Op.(graph.BatchNorm); !ok || !constant(n) {
		return false
	}
	c := private[graph.Conv](f, n.Inputs[0])
	if c == nil {
		return false
	}
	l := f.of(c)
	scale, shift := affine(n)
	row := make([]float64, l.rows)
	for o := range row {
		row[o] = scale[o]
		if l.row != nil {
			row[o] *= l.row[o]
		}
		l.bias[o] = l.bias[o]*scale[o] + shift[o]
	}
	l.row = row
	f.become(n, c.Op, c.Inputs[0], c.Inputs[1], l)
	return true
}

// batchNormGemm folds a BatchNorm of vectors into the fully connected layer behind it.
func (f *fuser) batchNormGemm(n *graph.Node) bool {
	if _, ok := n.Op.(graph.Gemm); !ok || !constant(n) {
		return false
	}
	bn := private[graph.BatchNorm](f, n.Inputs[0])
	if bn == nil {
		return false
	}
	l := f.of(n)
	scale, shift := affine(bn)
	w := l.weight.Float64s()
	column := make([]float64, l.cols)
	for i := range column {
		column[i] = scale[i]
		if l.column != nil {
			column[i] *= l.column[i]
		}
	}
	for o := range l.rows {
		sum := 0.0
		for i := range l.cols {
			sum += w[o*l.cols+i] * l.scale(o, i) * shift[i]
		}
		l.bias[o] += sum
	}
	l.column = column
	n.Inputs[0] = bn.Inputs[0]
	return true
}

// branches merges two convolutions of the same value that are added, or a convolution and
// the value itself.
func (f *fuser) branches(n *graph.Node) bool {
	if _, ok := n.Op.(graph.Add); !ok {
		return false
	}
	a, b := private[graph.Conv](f, n.Inputs[0]), private[graph.Conv](f, n.Inputs[1])
	switch {
	case a != nil && b != nil && a != b && a.Inputs[0] == b.Inputs[0]:
		return f.mergeConvs(n, a, b)
	case a != nil && a.Inputs[0] == n.Inputs[1]:
		return f.mergeIdentity(n, a)
	case b != nil && b.Inputs[0] == n.Inputs[0]:
		return f.mergeIdentity(n, b)
	}
	return false
}

// mergeConvs adds kernel b into kernel a, where b's window lies inside a's.
func (f *fuser) mergeConvs(n, a, b *graph.Node) bool {
	if f.of(a).cols < f.of(b).cols {
		a, b = b, a
	}
	ca, cb := a.Op.(graph.Conv), b.Op.(graph.Conv)
	sa, sb := f.of(a).weight.Shape, f.of(b).weight.Shape
	if ca.Group != cb.Group || ca.Strides != cb.Strides || sa[0] != sb[0] || sa[1] != sb[1] {
		return false
	}
	// The offset of b's window in a's is the difference of the paddings, which must leave
	// the same number of output pixels: before and after differ by the kernels' difference.
	top, left := ca.Pads[0]-cb.Pads[0], ca.Pads[1]-cb.Pads[1]
	if top < 0 || left < 0 || top+sb[2] > sa[2] || left+sb[3] > sa[3] ||
		ca.Pads[2]-cb.Pads[2] != sa[2]-sb[2]-top || ca.Pads[3]-cb.Pads[3] != sa[3]-sb[3]-left {
		return false
	}
	la, lb := f.of(a), f.of(b)
	wa, wb := la.dense(), lb.dense()
	for p := range sb[0] * sb[1] {
		for y := range sb[2] {
			for x := range sb[3] {
				wa[(p*sa[2]+y+top)*sa[3]+x+left] += wb[(p*sb[2]+y)*sb[3]+x]
			}
		}
	}
	la.setDense(sa, wa)
	for o := range la.bias {
		la.bias[o] += lb.bias[o]
	}
	f.become(n, ca, a.Inputs[0], a.Inputs[1], la)
	return true
}

// mergeIdentity adds one to the kernel's tap through which every output pixel sees its own
// input pixel.
func (f *fuser) mergeIdentity(n, c *graph.Node) bool {
	op := c.Op.(graph.Conv)
	l := f.of(c)
	s := l.weight.Shape
	y, x := op.Pads[0], op.Pads[1]
	if op.Strides != [2]int{1, 1} || s[0] != s[1]*op.Group || y >= s[2] || x >= s[3] ||
		op.Pads[2] != s[2]-1-y || op.Pads[3] != s[3]-1-x {
		return false
	}
	w := l.dense()
	for o := range s[0] {
		w[((o*s[1]+o%s[1])*s[2]+y)*s[3]+x]++
	}
	l.setDense(s, w)
	f.become(n, op, c.Inputs[0], c.Inputs[1], l)
	return true
}

// meanOfGemms averages fully connected layers of the same value.
func (f *fuser) meanOfGemms(n *graph.Node) bool {
	if _, ok := n.Op.(graph.Mean); !ok {
		return false
	}
	var first *graph.Node
	for _, v := range n.Inputs {
		h := private[graph.Gemm](f, v)
		if h == nil {
			return false
		}
		if first == nil {
			first = h
		}
		if h.Inputs[0] != first.Inputs[0] || !slices.Equal(f.of(h).weight.Shape, f.of(first).weight.Shape) {
			return false
		}
	}
	l := &linear{bias: make([]float64, f.of(first).rows)}
	sum := make([]float64, f.of(first).rows*f.of(first).cols)
	for _, v := range n.Inputs {
		h := f.of(f.producers[v])
		for i, x := range h.dense() {
			sum[i] += x
		}
		for o, x := range h.bias {
			l.bias[o] += x
		}
	}
	k := float64(len(n.Inputs))
	for i := range sum {
		sum[i] /= k
	}
	for o := range l.bias {
		l.bias[o] /= k
	}
	l.setDense(f.of(first).weight.Shape, sum)
	f.become(n, graph.Gemm{}, first.Inputs[0], first.Inputs[1], l)
	return true
}

// round gives every folded node its float32 weight and bias, named after the node.
func (f *fuser) round() {
	for _, n := range f.g.Nodes {
		l, ok := f.linear[n]
		if !ok {
			continue
		}
		w := make([]float32, l.rows*l.cols)
		narrow := l.weight.DType == graph.Float32
		var v32 []float32
		var v64 []float64
		if narrow {
			v32 = l.weight.Float32s()
		} else {
			v64 = l.weight.Float64s()
		}
		for o := range l.rows {
			for i := o * l.cols; i < (o+1)*l.cols; i++ {
				if narrow {
					w[i] = float32(float64(v32[i]) * l.scale(o, i-o*l.cols))
				} else {
					w[i] = float32(v64[i] * l.scale(o, i-o*l.cols))
				}
			}
		}
		b := make([]float32, l.rows)
		for o := range b {
			b[o] = float32(l.bias[o])
		}
		n.Inputs = []*graph.Value{n.Inputs[0],
			graph.Weight(n.Name()+".weight", graph.Float32Tensor(l.weight.Shape, w)),
			graph.Weight(n.Name()+".bias", graph.Float32Tensor([]int{l.rows}, b))}
	}
}
