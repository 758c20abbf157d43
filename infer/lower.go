package infer

import (
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// program is a graph translated to the engine's operators, whatever the input's shape.
type program struct {
	graph   *graph.Graph // with constants folded
	ops     []operator
	uses    map[*graph.Value]int // how often operators read a value; outputs count once more
	weights *weights
}

// operator is one or several fused nodes of the graph.
type operator interface {
	base() *opBase
	// plan appends the steps that compute the operator's value for known shapes.
	plan(p *planner) error
}

// opBase is what all operators have.
type opBase struct {
	kind string         // ONNX names of the nodes: "Conv+Gelu"
	node *graph.Node    // the first of them
	in   []*graph.Value // data operands, the residual included
	out  *graph.Value   // what the last of them produces
	// nodes are all of them, for counting multiplications.
	nodes []*graph.Node
}

func (o *opBase) base() *opBase { return o }

// lowering is the translation of one graph.
type lowering struct {
	g         *graph.Graph
	types     map[*graph.Value]graph.Type
	consumers map[*graph.Value][]*graph.Node
	outputs   map[*graph.Value]bool
	index     map[*graph.Value]int // of the node that produces a value
	fused     map[*graph.Node]bool // nodes that are part of an earlier operator
	fuse      bool
	w         *weights
	integers  integers
}

// lower translates g. Without fuse every node's value is computed as such.
func lower(g *graph.Graph, w *weights, fuse bool, threads int) (*program, error) {
	original := g
	g, err := fold(g, w)
	if err != nil {
		return nil, err
	}
	l := &lowering{g: g, consumers: g.Consumers(), outputs: outputs(g), index: map[*graph.Value]int{}, fused: map[*graph.Node]bool{}, fuse: fuse, w: w}
	if l.types, err = g.Infer(); err != nil {
		return nil, err
	}
	for i, n := range g.Nodes {
		l.index[n.Output] = i
	}
	l.integers.init(l, original)
	p := &program{graph: g, weights: w, uses: map[*graph.Value]int{}}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.bytes.Load()
	for _, n := range g.Nodes {
		if l.fused[n] {
			continue
		}
		o, err := l.node(n)
		if err != nil {
			return nil, fmt.Errorf("%s (%s): %w", n.Name(), n.Op.Kind(), err)
		}
		// Many nodes can read one weight and have it packed for each.
		if need, most := w.bytes.Load()-before+int64(l.integers.copied), w.budget.Memory(0); need > most {
			w.jobs = nil
			w.bytes.Store(before)
			return nil, fmt.Errorf("%s (%s): %w: the packed weights need more than %d MiB of memory, expected at most %d", n.Name(), n.Op.Kind(), graph.ErrBudget, need>>20, most>>20)
		}
		for _, o := range append(l.integers.hoist(), o) {
			p.ops = append(p.ops, o)
			for _, v := range o.base().in {
				p.uses[v]++
			}
		}
	}
	for _, v := range g.Outputs {
		p.uses[v]++
	}
	p.prune()
	if err := w.pack(threads); err != nil {
		return nil, err
	}
	strip(g, original)
	return p, nil
}

// outputs returns the set of a graph's outputs.
func outputs(g *graph.Graph) map[*graph.Value]bool {
	set := make(map[*graph.Value]bool, len(g.Outputs))
	for _, v := range g.Outputs {
		set[v] = true
	}
	return set
}

// node makes the operator that starts with n.
func (l *lowering) node(n *graph.Node) (operator, error) {
	b := opBase{kind: n.Op.Kind(), node: n, in: n.Inputs[:1:1], out: n.Output, nodes: []*graph.Node{n}}
	if o := l.integer(b); o != nil {
		l.integers.made[o.base().out] = true
		return o, nil
	}
	switch op := n.Op.(type) {
	case graph.Conv:
		return l.conv(b, op)
	case graph.Gemm:
		w, bias, err := l.parameters(n)
		if err != nil {
			return nil, err
		}
		g := &gemmOp{opBase: b, layout: rowsLayout, w: l.w.get(formColumns, w, bias)}
		l.epilogue(&g.opBase, &g.act, &g.residual)
		return g, nil
	case graph.MatMul:
		w, _, err := l.parameters(n)
		if err != nil {
			return nil, err
		}
		g := &gemmOp{opBase: b, layout: rowsLayout, w: l.w.get(formMatMul, w, nil)}
		l.epilogue(&g.opBase, &g.act, &g.residual)
		return g, nil
	case graph.BatchNorm:
		scale, shift, err := batchNorm(n)
		if err != nil {
			return nil, err
		}
		a := &affineOp{opBase: b, scale: scale, shift: shift}
		l.epilogue(&a.opBase, &a.act, nil)
		return a, nil
	case graph.Gelu:
		return &activationOp{opBase: b, act: kernel.GELU}, nil
	case graph.Relu:
		return &activationOp{opBase: b, act: kernel.ReLU}, nil
	case graph.Sigmoid:
		return &activationOp{opBase: b, act: kernel.Sigmoid}, nil
	case graph.Add, graph.Mul, graph.Mean:
		if d := l.types[n.Output].DType; !d.IsFloat() {
			return nil, fmt.Errorf("%w: arithmetic on %v, which can overflow, expected floats", ErrUnsupported, d)
		}
		b.in = n.Inputs
		if _, ok := n.Op.(graph.Mean); ok {
			return &meanOp{b}, nil
		}
		_, mul := n.Op.(graph.Mul)
		return &binaryOp{opBase: b, mul: mul}, nil
	case graph.GlobalAveragePool:
		return &poolOp{b}, nil
	case graph.Flatten:
		return &flattenOp{b}, nil
	case graph.Softmax:
		return &softmaxOp{b}, nil
	case graph.Cast:
		return &castOp{opBase: b, to: op.To}, nil
	case graph.Transpose:
		return &transposeOp{opBase: b, perm: op.Perm}, nil
	case graph.QuantizeLinear:
		return l.quantization(b, op.Axis, true)
	case graph.DequantizeLinear:
		return l.quantization(b, op.Axis, false)
	}
	return nil, fmt.Errorf("%w operator", ErrUnsupported)
}

// parameters returns a node's weight and bias, which must be constants.
func (l *lowering) parameters(n *graph.Node) (weight, bias *graph.Tensor, err error) {
	for _, v := range n.Inputs[1:] {
		if v.Const == nil {
			return nil, nil, fmt.Errorf("%w: weight %q is computed from the input, expected a constant", ErrUnsupported, v.Name)
		}
		if err := l.dequantizeWeight(v); err != nil {
			return nil, nil, err
		}
	}
	if len(n.Inputs) > 2 {
		bias = n.Inputs[2].Const
	}
	return n.Inputs[1].Const, bias, nil
}

// conv chooses the kernel for a convolution.
func (l *lowering) conv(b opBase, c graph.Conv) (operator, error) {
	w, bias, err := l.parameters(b.node)
	if err != nil {
		return nil, err
	}
	s := w.Shape
	x := l.types[b.in[0]].Shape
	point := s[2] == 1 && s[3] == 1 && c.Strides == [2]int{1, 1} && c.Pads == [4]int{}
	depthwise := c.Group == s[0] && s[1] == 1
	three := s[2] == 3 && s[3] == 3 && c.Pads == [4]int{1, 1, 1, 1} && c.Strides[0] == c.Strides[1] && c.Strides[0] <= 2
	switch {
	case point && c.Group == 1:
		f := formGemm
		if one := graph.Fixed(1); x[2] == one && x[3] == one {
			f = formColumns
		}
		g := &gemmOp{opBase: b, layout: chansLayout, w: l.w.get(f, w, bias)}
		l.epilogue(&g.opBase, &g.act, &g.residual)
		if f == formGemm && g.residual == nil {
			if m := l.mixer(g); m != nil {
				return m, nil
			}
		}
		return g, nil
	case point && depthwise:
		scale := w.Float32s()
		shift := make([]float32, len(scale))
		if bias != nil {
			shift = bias.Float32s()
		}
		a := &affineOp{opBase: b, scale: pad(scale), shift: pad(shift)}
		l.epilogue(&a.opBase, &a.act, nil)
		return a, nil
	case three && depthwise:
		d := &depthwiseOp{opBase: b, w: l.w.get(formTaps3x3, w, bias), stride: c.Strides[0]}
		l.epilogue(&d.opBase, &d.act, nil)
		return d, nil
	case three && c.Group == 1:
		d := &denseOp{opBase: b, w: l.w.get(formDense3x3, w, bias), stride: c.Strides[0]}
		l.epilogue(&d.opBase, &d.act, nil)
		return d, nil
	}
	o := &convOp{opBase: b, conv: c, w: l.w.get(formTaps, w, bias), weight: s}
	l.epilogue(&o.opBase, &o.act, nil)
	return o, nil
}

// next returns the node behind v if it is the only reader of v and may be fused.
func (l *lowering) next(v *graph.Value) *graph.Node {
	if c := l.consumers[v]; l.fuse && len(c) == 1 && !l.outputs[v] {
		return c[0]
	}
	return nil
}

// absorb makes n part of the operator.
func (l *lowering) absorb(o *opBase, n *graph.Node) {
	l.fused[n] = true
	o.nodes = append(o.nodes, n)
	o.kind += "+" + n.Op.Kind()
	o.out = n.Output
}

// epilogue fuses what follows an operator into it: an activation function and then, where
// residual is not nil, the addition of a value of the same shape that is there already.
func (l *lowering) epilogue(o *opBase, act *kernel.Activation, residual **graph.Value) {
	n := l.next(o.out)
	if n == nil {
		return
	}
	switch n.Op.(type) {
	case graph.Gelu:
		*act = kernel.GELU
	case graph.Relu:
		*act = kernel.ReLU
	case graph.Sigmoid:
		*act = kernel.Sigmoid
	}
	if *act != kernel.Identity {
		l.absorb(o, n)
		if n = l.next(o.out); n == nil {
			return
		}
	}
	if _, ok := n.Op.(graph.Add); !ok || residual == nil {
		return
	}
	other := n.Inputs[0]
	if other == o.out {
		other = n.Inputs[1]
	}
	if i, computed := l.index[other]; other.Const != nil || computed && i >= l.index[o.node.Output] ||
		!slices.Equal(l.types[other].Shape, l.types[o.out].Shape) || unknown(l.types[other].Shape) {
		return
	}
	*residual = other
	o.in = append(o.in, other)
	l.absorb(o, n)
}

// unknown reports whether a shape has axes of which nothing is known, so that two equal
// ones need not be equal when the network runs.
func unknown(s graph.Shape) bool {
	return slices.ContainsFunc(s, func(d graph.Dim) bool { return !d.Known() && d.Sym == "" })
}

// mixer fuses a 1×1 convolution with the one behind it, if only that reads it.
func (l *lowering) mixer(expand *gemmOp) operator {
	n := l.next(expand.out)
	if n == nil || l.w.set.Mixer == nil {
		return nil
	}
	c, ok := n.Op.(graph.Conv)
	if !ok || n.Inputs[0] != expand.out || c.Group != 1 || c.Strides != [2]int{1, 1} || c.Pads != [4]int{} {
		return nil
	}
	w, bias, err := l.parameters(n)
	if err != nil || w.Shape[2] != 1 || w.Shape[3] != 1 {
		return nil
	}
	m := &mixerOp{opBase: expand.opBase, act: expand.act, expand: expand.w, project: l.w.get(formGemm, w, bias)}
	l.absorb(&m.opBase, n)
	identity := kernel.Activation(kernel.Identity)
	if next := l.next(m.out); next != nil {
		if _, ok := next.Op.(graph.Add); ok {
			l.epilogue(&m.opBase, &identity, &m.residual)
		}
	}
	return m
}

// quantization lowers QuantizeLinear and DequantizeLinear on activations to arithmetic on
// float32, which holds integers up to 2²⁴ exactly.
func (l *lowering) quantization(b opBase, axis int, quantize bool) (operator, error) {
	scale, zero, err := l.parameters(b.node)
	if err != nil {
		return nil, err
	}
	return &quantOp{opBase: b, quantize: quantize, axis: axis, scale: scale.Float64s(), zero: zero.Float64s(), dtype: zero.DType}, nil
}

// pad copies v to a multiple of the kernels' vector length.
func pad(v []float32) []float32 {
	p := kernel.Floats(kernel.Pad(len(v), kernel.Lanes))
	copy(p, v)
	return p
}
