package infer

import (
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// In a fused program the values that QuantizeLinear gives lie in memory as uint8, and what
// reads them behind DequantizeLinear reads the integers wherever there is a kernel for
// that. QuantizeLinear and DequantizeLinear nodes whose result nothing reads in the end
// are dropped, see [program.prune].

// reach is how many nodes in a row are looked through, so that lowering takes time in
// proportion to the graph whatever it looks like.
const reach = 16

// integers is what lowering knows about quantized values.
type integers struct {
	origin   map[string]*graph.Node // the DequantizeLinear nodes of weights, which fold removes
	products map[*graph.Node]*product8
	made     map[*graph.Value]bool // results of operators so far
	hoisted  []operator            // to be run before the one that is being made
	bytes    map[*graph.Value]bool // values that lie in memory as uint8
	copied   int                   // bytes of weights in another order
}

// hoist returns the operators that must run before the one just made.
func (i *integers) hoist() []operator {
	h := i.hoisted
	i.hoisted = nil
	return h
}

// init looks at the graph that is lowered and at the one it was folded from.
func (i *integers) init(l *lowering, original *graph.Graph) {
	i.origin, i.products = map[string]*graph.Node{}, map[*graph.Node]*product8{}
	i.made, i.bytes = map[*graph.Value]bool{}, map[*graph.Value]bool{}
	for _, n := range original.Nodes {
		if isWeight(n) {
			i.origin[n.Name()] = n
		}
	}
	for _, n := range l.g.Nodes {
		if len(l.types[n.Output].Shape) < 2 {
			continue
		}
		switch op := n.Op.(type) {
		case graph.QuantizeLinear:
			_, i.bytes[n.Output] = quantizationOf(n)
		case graph.Transpose:
			i.bytes[n.Output] = isView(op.Perm) && i.bytes[n.Inputs[0]]
		}
	}
}

// prune drops conversions, and views of them, that nothing reads.
func (p *program) prune() {
	kept := make([]operator, 0, len(p.ops))
	for _, o := range slices.Backward(p.ops) {
		switch o.(type) {
		case *quantize8Op, *dequantize8Op, *transposeOp, *flattenOp:
			if b := o.base(); p.uses[b.out] == 0 {
				p.uses[b.in[0]]--
				continue
			}
		}
		kept = append(kept, o)
	}
	slices.Reverse(kept)
	p.ops = kept
}

// isa names the instruction set of the kernels that do most of the work.
func (p *program) isa() string {
	for _, o := range p.ops {
		switch o.(type) {
		case *matrix8Op, *dense8Op, *depthwise8Op:
			return p.weights.set8.Name
		}
	}
	return p.weights.set.Name
}

// producer returns the node that computes v, or nil.
func (l *lowering) producer(v *graph.Value) *graph.Node {
	if i, ok := l.index[v]; ok {
		return l.g.Nodes[i]
	}
	return nil
}

// quantized reports whether v lies in memory as uint8.
func (l *lowering) quantized(v *graph.Value) bool { return l.integers.bytes[v] }

// isView reports whether a permutation of four axes leaves the elements in memory where
// they are: N×C×H×W in channels-last order is N×H×W×C in rows.
func isView(perm []int) bool {
	return slices.Equal(perm, []int{0, 2, 3, 1}) || slices.Equal(perm, []int{0, 3, 1, 2})
}

// dequantized returns the quantized value that v is dequantized from.
func (l *lowering) dequantized(v *graph.Value) (*graph.Value, quantization, bool) {
	n := l.producer(v)
	if n == nil {
		return nil, quantization{}, false
	}
	if _, ok := n.Op.(graph.DequantizeLinear); !ok || !l.quantized(n.Inputs[0]) {
		return nil, quantization{}, false
	}
	q, ok := quantizationOf(n)
	return n.Inputs[0], q, ok
}

// operand returns the quantized value behind v, which is read as a matrix in the layout
// given. With views it looks through nodes that only change the order of axes, and answers
// with the layout in which the value that it finds is that matrix.
func (l *lowering) operand(v *graph.Value, as layout, views bool) (*graph.Value, quantization, layout, bool) {
	var found *graph.Value
	var q quantization
	at := as
	for range reach {
		if c, p, ok := l.dequantized(v); ok && (found == nil || p == q && l.available(c)) {
			found, q, as = c, p, at
			// Quantized from something that was dequantized from the same integers?
			n := l.producer(c)
			if _, ok := n.Op.(graph.QuantizeLinear); !ok || !views {
				break
			}
			if r, ok := quantizationOf(n); !ok || r != q {
				break
			}
			v = n.Inputs[0]
			continue
		}
		n := l.producer(v)
		if n == nil || !views {
			break
		}
		s := l.types[n.Inputs[0]].Shape
		switch op := n.Op.(type) {
		case graph.Flatten:
			if len(s) != 4 || s[2] != graph.Fixed(1) || s[3] != graph.Fixed(1) {
				return found, q, as, found != nil
			}
			at = chansLayout
		case graph.Transpose:
			switch {
			case at == rowsLayout && slices.Equal(op.Perm, []int{0, 2, 3, 1}):
				at = chansLayout
			case at == chansLayout && slices.Equal(op.Perm, []int{0, 3, 1, 2}):
				at = rowsLayout
			default:
				return found, q, as, found != nil
			}
		default:
			return found, q, as, found != nil
		}
		v = n.Inputs[0]
	}
	return found, q, as, found != nil
}

// available reports whether a quantized value of an earlier node is one that an operator
// produces, not one that has vanished in an operator.
func (l *lowering) available(v *graph.Value) bool {
	return !l.fused[l.producer(v)] || l.integers.made[v]
}

// quantizer returns the quantization of the node behind v, if that alone reads v and
// quantizes it.
func (l *lowering) quantizer(v *graph.Value) (*graph.Node, quantization, bool) {
	n := l.next(v)
	if n == nil || !l.quantized(n.Output) {
		return nil, quantization{}, false
	}
	if _, ok := n.Op.(graph.QuantizeLinear); !ok {
		return nil, quantization{}, false
	}
	q, ok := quantizationOf(n)
	return n, q, ok
}

// tail8 is what becomes of an integer operator's sums.
type tail8 struct {
	layout    layout            // in which the result is a matrix
	out       *quantization     // of a quantized result, before table
	floor     uint8             // ReLU
	table     *[256]uint8       // an activation function between two quantizations
	act       kernel.Activation // an activation function that was not quantized before
	inner     *quantization     // quantized before a residual is added, or dequantized again
	residual  *graph.Value      // added to a float32 result
	residual8 *graph.Value      // added to a quantized result
	other     quantization      // of residual8
}

// tail fuses what follows an integer operator into it. Activation functions of numbers
// that were not quantized are fused only where the operator allows it.
func (l *lowering) tail(o *opBase, p *product8, real bool) tail8 {
	t := tail8{layout: outLayout(p)}
	if p.added != nil {
		l.absorb(o, p.added)
	}
	l.turn(o, p, &t)
	n := l.next(o.out)
	if n == nil {
		return t
	}
	switch act := activationOf(n); {
	case act.f == nil:
	case act.Activation == kernel.ReLU:
		if _, q, ok := l.quantizer(n.Output); ok && p.fits(q.scale) {
			l.absorb(o, n)
			l.quantizeSums(o, p, &t)
			t.floor = t.out.zero
			return t
		}
		if real {
			l.absorb(o, n)
			t.act = act.Activation
		}
		return t
	case real:
		l.absorb(o, n)
		t.act = act.Activation
		l.turn(o, p, &t)
		if q, s, ok := l.quantizer(o.out); ok {
			l.absorb(o, q)
			t.out = &s
			l.turn(o, p, &t)
		}
		return t
	default:
		return t
	}
	switch n.Op.(type) {
	case graph.QuantizeLinear:
		if l.quantizeSums(o, p, &t) {
			l.behind(o, p, &t)
		}
	case graph.Add:
		if other := l.other(o, n); other != nil {
			l.absorb(o, n)
			o.in = append(o.in, other)
			t.residual = other
		}
	}
	return t
}

// turn fuses transpositions of the result of a product of rows that leave it in place.
func (l *lowering) turn(o *opBase, p *product8, t *tail8) {
	for range reach {
		n := l.next(o.out)
		if n == nil || p.shape != pointwise8 {
			return
		}
		to, ok := turned(n, t.layout)
		if !ok {
			return
		}
		l.absorb(o, n)
		t.layout = to
	}
}

// turned returns the layout in which the result of a Transpose is the matrix that its input
// is in the layout from.
func turned(n *graph.Node, from layout) (layout, bool) {
	if n == nil {
		return from, false
	}
	op, ok := n.Op.(graph.Transpose)
	switch {
	case ok && from == chansLayout && slices.Equal(op.Perm, []int{0, 2, 3, 1}):
		return rowsLayout, true
	case ok && from == rowsLayout && slices.Equal(op.Perm, []int{0, 3, 1, 2}):
		return chansLayout, true
	}
	return from, false
}

// quantizeSums fuses the quantization of an operator's sums.
func (l *lowering) quantizeSums(o *opBase, p *product8, t *tail8) bool {
	n, q, ok := l.quantizer(o.out)
	if !ok || !p.fits(q.scale) {
		return false
	}
	l.absorb(o, n)
	t.out = &q
	l.turn(o, p, t)
	return true
}

// other returns the operand that n adds to the operator's result, if it has the same shape
// and is there when the operator runs.
func (l *lowering) other(o *opBase, n *graph.Node) *graph.Value {
	v := n.Inputs[0]
	if v == o.out {
		v = n.Inputs[1]
	}
	if slices.Equal(l.types[v].Shape, l.types[o.out].Shape) && !unknown(l.types[v].Shape) && (l.early(o, v) || l.dequantizeEarly(o, v)) {
		return v
	}
	return nil
}

// early reports whether v is computed before the operator runs.
func (l *lowering) early(o *opBase, v *graph.Value) bool {
	i, computed := l.index[v]
	return v.Const == nil && (!computed || i < l.index[o.node.Output])
}

// behind fuses what reads the dequantized result: an activation function that is quantized
// again, a residual addition, or dequantization itself where no integer operator follows.
func (l *lowering) behind(o *opBase, p *product8, t *tail8) {
	d := l.next(o.out)
	if d == nil {
		return
	}
	if _, q, ok := l.dequantized(d.Output); !ok || q != *t.out {
		return
	}
	nodes := []*graph.Node{d}
	at := t.layout
	n := l.next(d.Output)
	for range reach {
		to, ok := turned(n, at)
		if !ok || p.shape != pointwise8 {
			break
		}
		nodes = append(nodes, n)
		at = to
		n = l.next(n.Output)
	}
	if n != nil {
		if act := activationOf(n); act.f != nil {
			if q, s, ok := l.quantizer(n.Output); ok {
				for _, n := range append(nodes, n, q) {
					l.absorb(o, n)
				}
				t.table, t.layout = activationTable(act, *t.out, s), at
				l.turn(o, p, t)
				return
			}
		}
		if _, ok := n.Op.(graph.Add); ok && p.shape != depthwise8 && l.residual(o, nodes, n, t) {
			t.layout = at
			return
		}
	}
	for _, c := range l.consumers[d.Output] {
		if l.takesIntegers(c) {
			return
		}
	}
	if p.shape == depthwise8 {
		return
	}
	l.absorb(o, d)
	t.inner, t.out = t.out, nil
	l.turn(o, p, t)
}

// residual fuses a residual addition behind nodes that dequantize the result.
func (l *lowering) residual(o *opBase, nodes []*graph.Node, add *graph.Node, t *tail8) bool {
	y := nodes[len(nodes)-1].Output
	v := add.Inputs[0]
	if v == y {
		v = add.Inputs[1]
	}
	if !slices.Equal(l.types[v].Shape, l.types[y].Shape) || unknown(l.types[v].Shape) {
		return false
	}
	if q, s, ok := l.quantizer(add.Output); ok {
		r, from, ok := l.dequantized(v)
		if !ok || !l.early(o, r) || !fine(from.scale, t.out.scale, s.scale) {
			return false // see sum8Op
		}
		for _, n := range append(nodes, add, q) {
			l.absorb(o, n)
		}
		o.in = append(o.in, r)
		t.inner, t.out, t.residual8, t.other = t.out, &s, r, from
		return true
	}
	if !l.early(o, v) && !l.dequantizeEarly(o, v) {
		return false
	}
	for _, n := range append(nodes, add) {
		l.absorb(o, n)
	}
	o.in = append(o.in, v)
	t.inner, t.out, t.residual = t.out, nil, v
	return true
}

// dequantizeEarly lets v be dequantized before the operator runs, if its integers are there
// by then.
func (l *lowering) dequantizeEarly(o *opBase, v *graph.Value) bool {
	r, q, ok := l.dequantized(v)
	n := l.producer(v)
	if !ok || l.fused[n] || !l.early(o, r) {
		return false
	}
	l.fused[n] = true
	l.integers.hoisted = append(l.integers.hoisted, &dequantize8Op{opBase{kind: n.Op.Kind(), node: n, in: n.Inputs[:1:1], out: v, nodes: []*graph.Node{n}}, q})
	return true
}

// takesIntegers reports whether a node that reads a dequantized value becomes an operator
// that reads its integers.
func (l *lowering) takesIntegers(n *graph.Node) bool { return l.takes(n, reach) }

// takes is takesIntegers for nodes behind at most some that only change the order of axes.
func (l *lowering) takes(n *graph.Node, views int) bool {
	f := lowerings[n.Op.Kind()].takes
	return f != nil && f(l, n, views)
}

func (l *lowering) takesLinear(n *graph.Node, _ int) bool {
	p := l.product(n)
	return p != nil && l.worthwhile(p)
}

// takesElementwise is for operators all of whose operands must be dequantized and whose
// result must be quantized.
func (l *lowering) takesElementwise(n *graph.Node, _ int) bool {
	_, _, ok := l.quantizer(n.Output)
	for _, v := range n.Inputs {
		_, _, from := l.dequantized(v)
		ok = ok && from
	}
	return ok
}

// takesView is for operators that only change the order of axes.
func (l *lowering) takesView(n *graph.Node, views int) bool {
	c := l.next(n.Output)
	return c != nil && views > 0 && l.takes(c, views-1)
}

// worthwhile reports whether there is a kernel for the product's result: depthwise
// convolutions give uint8 only.
func (l *lowering) worthwhile(p *product8) bool {
	if p.shape != depthwise8 {
		return true
	}
	v := p.node.Output
	if n := l.next(v); activationOf(n).Activation == kernel.ReLU {
		v = n.Output
	}
	_, q, ok := l.quantizer(v)
	return ok && p.fits(q.scale)
}

// integer makes the operator that starts with the node of b, if that works on quantized
// values, or nil.
func (l *lowering) integer(b opBase) operator {
	if !l.fuse {
		return nil
	}
	if f := lowerings[b.node.Op.Kind()].integer; f != nil {
		return f(l, b)
	}
	return nil
}

func (l *lowering) integerLinear(b opBase) operator {
	if p := l.product(b.node); p != nil && l.worthwhile(p) {
		return l.integerProduct(b, p)
	}
	return nil
}

// elementwise8 makes the operator of a node whose operands are dequantized and whose
// result is quantized; f gives nil if there is no kernel for their shapes.
func elementwise8(f func(l *lowering, b opBase, from []quantization, to quantization) operator) func(*lowering, opBase) operator {
	return func(l *lowering, b opBase) operator {
		n := b.node
		if !l.takesIntegers(n) {
			return nil
		}
		q, to, _ := l.quantizer(n.Output)
		b.in = nil
		var from []quantization
		for _, v := range n.Inputs {
			x, s, _ := l.dequantized(v)
			b.in = append(b.in, x)
			from = append(from, s)
		}
		o := f(l, b, from, to)
		if o != nil {
			l.absorb(o.base(), q)
		}
		return o
	}
}

// sameShapes reports whether operands and result of a node have one shape.
func (l *lowering) sameShapes(n *graph.Node) bool {
	return !slices.ContainsFunc(n.Inputs, func(v *graph.Value) bool {
		s := l.types[v].Shape
		return !slices.Equal(s, l.types[n.Output].Shape) || unknown(s)
	})
}

// fine reports whether numbers of the scales given, in units of the last one, stay far from
// overflowing an int32.
func fine(scales ...float32) bool {
	last := len(scales) - 1
	for _, s := range scales[:last] {
		if !(255*s/scales[last] < 1<<29) {
			return false
		}
	}
	return true
}

// integerProduct makes the operator of a product and what is fused into it.
func (l *lowering) integerProduct(b opBase, p *product8) operator {
	b.in = []*graph.Value{p.q}
	if p.shape == depthwise8 {
		o := &depthwise8Op{opBase: b, p: p, w: l.pack8(p)}
		o.tail = l.tail(&o.opBase, p, false)
		return o
	}
	quantize := l.quantizes(p)
	if p.shape == dense8 {
		o := &dense8Op{opBase: b, first: stage8{p: p}}
		if x := l.producer(p.q).Inputs[0]; quantize != nil && p.weight[1] <= packedChannels && slices.Contains(l.g.Inputs, x) {
			o.in[0], o.quantize = x, quantize
		}
		p.patches()
		o.first.w = l.pack8(p)
		o.first.tail = l.tail(&o.opBase, p, true)
		return o
	}
	o := &matrix8Op{opBase: b, quantize: quantize, first: stage8{p: p, w: l.pack8(p)}}
	if quantize != nil {
		o.in[0] = l.producer(p.q).Inputs[0]
	}
	o.first.tail = l.tail(&o.opBase, p, true)
	l.mixer8(o)
	return o
}

// outLayout is the layout in which the result of a product is a matrix.
func outLayout(p *product8) layout {
	if _, ok := p.node.Op.(graph.Conv); ok {
		return chansLayout
	}
	return rowsLayout
}

// quantizes returns the quantization of the product's input if it can be done by the
// product itself: nothing else reads the quantized value, and it is not computed already.
func (l *lowering) quantizes(p *product8) *quantization {
	n := l.producer(p.q)
	if _, ok := n.Op.(graph.QuantizeLinear); !ok || l.fused[n] {
		return nil
	}
	v := p.q
	for range reach {
		c := l.next(v)
		switch {
		case c == p.node:
			q, _ := quantizationOf(n)
			return &q
		case c == nil:
			return nil
		}
		v = c.Output
	}
	return nil
}

// mixer8 fuses a second pointwise product that alone reads the result of the first.
func (l *lowering) mixer8(o *matrix8Op) {
	t := o.first.tail
	o.layout = t.layout
	if t.out == nil || t.residual8 != nil {
		return
	}
	var nodes []*graph.Node
	var p *product8
	n := l.next(o.out)
	for len(nodes) < reach && n != nil && p == nil {
		nodes = append(nodes, n)
		p = l.product(n)
		n = l.next(n.Output)
	}
	if p == nil || p.shape != pointwise8 || p.q != o.out || p.layout != o.layout {
		return
	}
	for _, n := range nodes {
		l.absorb(&o.opBase, n)
	}
	o.second = &stage8{p: p, w: l.pack8(p)}
	o.second.tail = l.tail(&o.opBase, p, false)
	o.layout = o.second.tail.layout
}
