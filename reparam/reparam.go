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
//     identity, or a BatchNorm of the value itself, is a kernel with a one, or its scale, at
//     its centre.
//   - The mean of several fully connected layers of one value is one layer.
//   - A number that multiplies the product with a matrix and a bias goes into both.
//   - A 1×1 convolution of a sum of convolutions, resized or not, goes into each of them:
//     interpolation is linear, and its weights sum up to 1.
//
// The passes run until nothing matches. All folding is done in float64 and rounded to
// float32 once, at the end; only float32 weights are folded. A fused node keeps the name of
// the last value it replaces, so the two forms can be compared value by value.
//
// # Stability
//
// Operators and fields are added with minor versions. What changes beyond that, the changelog says.
package reparam

import (
	"fmt"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// Fuse returns the deploy form of g, which is not changed. Values that are outputs of the
// graph keep their nodes. A graph in which nothing matches is returned as a copy, its
// weights shared and unchanged.
func Fuse(g *graph.Graph) *graph.Graph {
	f := &fuser{g: g.Clone(), linear: make(map[*graph.Node]*linear, len(g.Nodes))}
	f.g.Prune()
	f.producers, f.consumers = f.g.Producers(), f.g.Consumers()
	f.run(f.convBatchNorm, f.batchNormGemm, f.branches, f.meanOfGemms, f.scaledProduct)
	f.run(f.convOfSum) // of which no BatchNorm is left
	f.g.Prune()
	f.finish()
	return f.g
}

// run runs passes until none of them changes a node.
func (f *fuser) run(passes ...func(*graph.Node) bool) {
	for changed := true; changed; {
		changed = false
		for _, n := range f.g.Nodes {
			for i := 0; i < len(passes) && f.producers[n.Output] == n; i++ {
				if passes[i](n) {
					changed, i = true, -1
				}
			}
		}
	}
}

// fuser rewrites a graph. Its maps leave out nodes that have lost their last reader; the
// list of nodes has them until the end.
type fuser struct {
	g         *graph.Graph
	linear    map[*graph.Node]*linear
	producers map[*graph.Value]*graph.Node
	consumers map[*graph.Value][]*graph.Node
}

// rewire gives n other operands.
func (f *fuser) rewire(n *graph.Node, inputs ...*graph.Value) {
	old := n.Inputs
	n.Inputs = inputs
	for _, v := range inputs {
		f.consumers[v] = append(f.consumers[v], n)
	}
	for _, v := range old {
		f.release(v, n)
	}
}

// release removes n from the readers of v, and the node that produces v if n was the last.
func (f *fuser) release(v *graph.Value, n *graph.Node) {
	readers := f.consumers[v]
	i := slices.Index(readers, n)
	readers = slices.Delete(readers, i, i+1)
	f.consumers[v] = readers
	p := f.producers[v]
	if len(readers) != 0 || p == nil || f.g.IsOutput(v) {
		return
	}
	delete(f.producers, v)
	for _, w := range p.Inputs {
		f.release(w, p)
	}
}

// linear is a convolution or fully connected layer that was folded into, in float64:
// weight[o][i]·row[o]·column[i], and a bias. Keeping the scales beside the weight until the
// end costs two vectors instead of a float64 copy of every weight.
type linear struct {
	shape       []int
	rows, cols  int           // output channels; weights of each
	weight      *graph.Tensor // float32, or float64 where it is the result of folding
	mean        []*linear     // layers whose weights' mean it is, in place of weight
	row, column []float64     // nil for ones
	bias        []float64
}

// of returns the folding state of a Conv or Gemm node, begun where there is none. It is
// called for nodes that are being folded only: rounded gives all of them new weights.
func (f *fuser) of(n *graph.Node) *linear {
	if l, ok := f.linear[n]; ok {
		return l
	}
	w := n.Inputs[1].Const
	l := &linear{shape: w.Shape, rows: w.Shape[0], weight: w, bias: make([]float64, w.Shape[0])}
	l.cols = w.Len() / l.rows
	if len(n.Inputs) == 3 {
		for o, x := range n.Inputs[2].Const.Float32s() {
			l.bias[o] = float64(x)
		}
	}
	f.linear[n] = l
	return l
}

// shape returns the shape of the weight of a Conv or Gemm node.
func (f *fuser) shape(n *graph.Node) []int {
	if l, ok := f.linear[n]; ok {
		return l.shape
	}
	return n.Inputs[1].Const.Shape
}

// apply calls use with each row of the weight in float64, its scales applied.
func (l *linear) apply(use func(o int, row []float64)) {
	room := l.room()
	for o := range l.rows {
		use(o, l.widened(room, o))
	}
}

// room returns what widened needs: a row, and for a mean another one.
func (l *linear) room() []float64 { return make([]float64, (1+min(1, len(l.mean)))*l.cols) }

// widened returns a row of the weight in float64, its scales applied, in room.
func (l *linear) widened(room []float64, o int) []float64 {
	v, at := room[:l.cols], o*l.cols
	switch {
	case l.mean != nil:
		clear(v)
		for _, m := range l.mean {
			for i, x := range m.widened(room[l.cols:], o) {
				v[i] += x
			}
		}
		for i := range v {
			v[i] /= float64(len(l.mean))
		}
	case l.weight.DType == graph.Float32:
		for i, x := range l.weight.Float32s()[at : at+l.cols] {
			v[i] = float64(x)
		}
	default:
		copy(v, l.weight.Float64s()[at:at+l.cols])
	}
	for i, c := range l.column {
		v[i] *= c
	}
	if l.row != nil {
		r := l.row[o]
		for i := range v {
			v[i] *= r
		}
	}
	return v
}

// dense returns the whole weight, its scales applied, for the caller to change.
func (l *linear) dense() []float64 {
	if l.mean == nil && l.weight.DType == graph.Float64 && l.row == nil && l.column == nil {
		return l.weight.Float64s() // of an earlier setDense: weights of graphs are float32
	}
	d := make([]float64, 0, l.rows*l.cols)
	l.apply(func(_ int, row []float64) { d = append(d, row...) })
	return d
}

// setDense replaces weight and scales.
func (l *linear) setDense(shape []int, v []float64) {
	l.weight, l.mean, l.row, l.column = graph.Float64Tensor(shape, v), nil, nil, nil
	l.shape, l.rows = shape, shape[0]
	l.cols = len(v) / l.rows
}

// affine is what a BatchNorm does to a channel, from its float32 statistics.
type affine struct {
	gamma, beta, mean, variance []float32
	epsilon                     float64
}

func affineOf(n *graph.Node) affine {
	v := func(i int) []float32 { return n.Inputs[i].Const.Float32s() }
	return affine{v(1), v(2), v(3), v(4), n.Op.(graph.BatchNorm).Epsilon}
}

// at returns the scale γ/√(σ²+ε) and the shift β − μ·scale of a channel.
func (a affine) at(i int) (scale, shift float64) {
	scale = float64(a.gamma[i]) / math.Sqrt(float64(a.variance[i])+a.epsilon)
	return scale, float64(a.beta[i]) - float64(a.mean[i])*scale
}

// constant reports whether all operands from the second on are float32 weights.
func constant(n *graph.Node) bool {
	return !slices.ContainsFunc(n.Inputs[1:], func(v *graph.Value) bool {
		return v.Const == nil || v.Const.DType != graph.Float32
	})
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
	n.Op = op
	f.linear[n] = l
	f.rewire(n, x, w)
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
	bn, row := affineOf(n), make([]float64, l.rows)
	for o := range row {
		scale, shift := bn.at(o)
		l.bias[o] = l.bias[o]*scale + shift
		if row[o] = scale; l.row != nil {
			row[o] *= l.row[o]
		}
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
	l, a := f.of(n), affineOf(bn)
	scale, shift := make([]float64, l.cols), make([]float64, l.cols)
	for i := range scale {
		scale[i], shift[i] = a.at(i)
	}
	l.apply(func(o int, row []float64) {
		sum := 0.0
		for i, w := range row {
			sum += w * shift[i]
		}
		l.bias[o] += sum
	})
	if l.column != nil {
		for i := range scale {
			scale[i] *= l.column[i]
		}
	}
	l.column = scale
	f.rewire(n, append([]*graph.Value{bn.Inputs[0]}, n.Inputs[1:]...)...)
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
	for i, c := range []*graph.Node{a, b} {
		norm := private[graph.BatchNorm](f, n.Inputs[1-i])
		if c != nil && norm != nil && c.Inputs[0] == norm.Inputs[0] {
			return f.mergeNorm(n, c, norm)
		}
	}
	return false
}

// mergeConvs adds kernel b into kernel a, where b's window lies inside a's.
func (f *fuser) mergeConvs(n, a, b *graph.Node) bool {
	sa, sb := f.shape(a), f.shape(b)
	if sa[2]*sa[3] < sb[2]*sb[3] {
		a, b, sa, sb = b, a, sb, sa
	}
	ca, cb := a.Op.(graph.Conv), b.Op.(graph.Conv)
	one := [2]int{1, 1}
	if ca.Dilation() != one || cb.Dilation() != one || ca.Group != cb.Group || ca.Strides != cb.Strides || sa[0] != sb[0] || sa[1] != sb[1] {
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
	return f.mergeDiagonal(n, c, func(int) (scale, shift float64) { return 1, 0 })
}

// mergeNorm adds a BatchNorm of the convolution's input: an identity with a scale and a shift
// for each channel.
func (f *fuser) mergeNorm(n, c, norm *graph.Node) bool {
	return f.mergeDiagonal(n, c, affineOf(norm).at)
}

// mergeDiagonal adds scale·x + shift of every channel of the convolution's input.
func (f *fuser) mergeDiagonal(n, c *graph.Node, of func(channel int) (scale, shift float64)) bool {
	op := c.Op.(graph.Conv)
	s := f.shape(c)
	y, x := op.Pads[0], op.Pads[1]
	if op.Strides != [2]int{1, 1} || op.Dilation() != [2]int{1, 1} || s[0] != s[1]*op.Group || y >= s[2] || x >= s[3] ||
		op.Pads[2] != s[2]-1-y || op.Pads[3] != s[3]-1-x {
		return false
	}
	l := f.of(c)
	w := l.dense()
	for o := range s[0] {
		scale, shift := of(o)
		w[((o*s[1]+o%s[1])*s[2]+y)*s[3]+x] += scale
		l.bias[o] += shift
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
		if h.Inputs[0] != first.Inputs[0] || !slices.Equal(f.shape(h), f.shape(first)) {
			return false
		}
	}
	shape := f.shape(first)
	l := &linear{shape: shape, rows: shape[0], cols: shape[1], bias: make([]float64, shape[0])}
	for _, v := range n.Inputs {
		h := f.of(f.producers[v])
		if h.mean != nil { // one inside another would need more room
			h.setDense(h.shape, h.dense())
		}
		l.mean = append(l.mean, h)
		for o, x := range h.bias {
			l.bias[o] += x
		}
	}
	for o := range l.bias {
		l.bias[o] /= float64(len(l.mean))
	}
	f.become(n, graph.Gemm{}, first.Inputs[0], first.Inputs[1], l)
	return true
}

// scaledProduct multiplies the matrix and the bias of x·W + b by a number.
func (f *fuser) scaledProduct(n *graph.Node) bool {
	if _, ok := n.Op.(graph.Mul); !ok {
		return false
	}
	x, factor := n.Inputs[0], n.Inputs[1]
	if factor.Const == nil {
		x, factor = factor, x
	}
	if factor.Const == nil || factor.Const.DType != graph.Float32 || len(factor.Const.Shape) != 0 {
		return false
	}
	sum := private[graph.Add](f, x)
	if sum == nil || len(sum.Inputs[1].Const.Shape) != 1 {
		return false
	}
	product := private[graph.MatMul](f, sum.Inputs[0])
	if product == nil || len(product.Inputs[1].Const.Shape) != 2 {
		return false
	}
	by := float64(factor.Const.Float32s()[0])
	times := func(w *graph.Value, name string) *graph.Value {
		v := make([]float32, w.Const.Len())
		for i, x := range w.Const.Float32s() {
			v[i] = float32(float64(x) * by)
		}
		return graph.Weight(name, graph.Float32Tensor(w.Const.Shape, v))
	}
	bias := times(sum.Inputs[1], n.Name()+".bias")
	product.Output.Name = n.Name() + ".product" // it is another value now
	f.rewire(product, product.Inputs[0], times(product.Inputs[1], n.Name()+".weight"))
	n.Op = graph.Add{}
	f.rewire(n, product.Output, bias)
	return true
}

// convOfSum puts a 1×1 convolution that does not widen into the convolutions that its input is the
// sum of.
func (f *fuser) convOfSum(n *graph.Node) bool {
	if !f.pointwise(n) || f.shape(n)[0] > f.shape(n)[1] {
		return false
	}
	sum := f.producers[n.Inputs[0]]
	if sum == nil || len(f.consumers[sum.Output]) != 1 || f.g.IsOutput(sum.Output) {
		return false
	}
	if _, ok := sum.Op.(graph.Add); !ok || sum.Inputs[0] == sum.Inputs[1] {
		return false
	}
	var terms [2]*graph.Node // convolutions
	for i, v := range sum.Inputs {
		if r := private[graph.Resize](f, v); r != nil && len(r.Inputs) == 1 {
			v = r.Inputs[0]
		}
		if terms[i] = private[graph.Conv](f, v); terms[i] == nil || terms[i].Op.(graph.Conv).Group != 1 {
			return false
		}
	}
	outer := f.of(n)
	w := outer.dense()
	for i, c := range terms {
		l, s := f.of(c), f.shape(c)
		inner, folded := l.dense(), make([]float64, outer.rows*l.cols)
		bias := make([]float64, outer.rows)
		for o := range outer.rows {
			if i == 0 {
				bias[o] = outer.bias[o]
			}
			for k := range outer.cols {
				factor := w[o*outer.cols+k]
				bias[o] += factor * l.bias[k]
				for j := range l.cols {
					folded[o*l.cols+j] += factor * inner[k*l.cols+j]
				}
			}
		}
		l.setDense([]int{outer.rows, s[1], s[2], s[3]}, folded)
		l.bias = bias
		// These are other values now.
		c.Output.Name = fmt.Sprintf("%s.%d", n.Name(), i)
		if sum.Inputs[i] != c.Output {
			sum.Inputs[i].Name = c.Output.Name + ".resized"
		}
	}
	delete(f.linear, n)
	n.Op = graph.Add{}
	f.rewire(n, sum.Inputs...)
	return true
}

// pointwise reports whether a node is a convolution of pixels by themselves.
func (f *fuser) pointwise(n *graph.Node) bool {
	c, ok := n.Op.(graph.Conv)
	if !ok || !constant(n) || c.Group != 1 || c.Strides != [2]int{1, 1} || c.Pads != [4]int{} {
		return false
	}
	s := f.shape(n)
	return s[2] == 1 && s[3] == 1
}

// finish gives every folded node its weight and bias, named after the node.
func (f *fuser) finish() {
	for _, n := range f.g.Nodes {
		if l := f.linear[n]; l != nil {
			n.Inputs = []*graph.Value{n.Inputs[0], graph.Weight(n.Name()+".weight", l.rounded()), graph.Weight(n.Name()+".bias", l.roundedBias())}
		}
	}
}

// rounded returns the weight in float32.
func (l *linear) rounded() *graph.Tensor {
	if l.mean == nil && l.weight.DType == graph.Float32 && l.row == nil && l.column == nil {
		return l.weight
	}
	w := make([]float32, l.rows*l.cols)
	l.apply(func(o int, row []float64) {
		dst := w[o*l.cols:][:len(row)]
		for i, x := range row {
			dst[i] = float32(x)
		}
	})
	return graph.Float32Tensor(l.shape, w)
}

func (l *linear) roundedBias() *graph.Tensor {
	b := make([]float32, l.rows)
	for o, x := range l.bias {
		b[o] = float32(x)
	}
	return graph.Float32Tensor([]int{l.rows}, b)
}
