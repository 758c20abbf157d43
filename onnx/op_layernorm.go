package onnx

import (
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var layerNormOperator = operator{
	encode:  encodes((*encoder).layerNorm),
	decode:  decoders{"LayerNormalization": (*decoder).layerNorm},
	pattern: (*decoder).layerNormPattern,
}

// layerNormOpset is the first opset that has the LayerNormalization operator.
const layerNormOpset = 17

// layerNorm writes the operator, or the nodes that PyTorch's exporter writes where there is
// none: (x − mean)/√(mean of (x − mean)² + ε)·scale + bias. The last node keeps the graph's name.
func (e *encoder) layerNorm(n *graph.Node, op graph.LayerNorm) error {
	if err := e.floats(n); err != nil {
		return err
	}
	if e.opset >= layerNormOpset && !op.Channels() {
		e.write(n, integer("axis", op.Axes[0]), float("epsilon", op.Epsilon))
		return nil
	}
	t := e.types[n.Output]
	over := graph.Reduction{Axes: op.Axes, KeepDims: true}
	one := graph.Type{DType: t.DType, Shape: slices.Clone(t.Shape)}
	for i, reduced := range over.Reduces(len(t.Shape)) {
		if reduced {
			one.Shape[i] = graph.Fixed(1)
		}
	}
	mean := func(suffix, x string) string {
		name := e.derive(n.Name() + suffix)
		e.reduction("ReduceMean", name, x, over)
		e.infos = appendInfo(e.infos, graphValueInfo, name, one)
		return name
	}
	in := e.operands(n)
	centred := e.step(n, "Sub", ".centred", []string{in[0], mean(".mean", in[0])})
	square := e.step(n, "Pow", ".square", []string{centred, e.scalar("layernorm.two", t.DType, 2)})
	y := e.stepOf(n, one, "Add", ".variance_epsilon", []string{mean(".variance", square), e.scalar("layernorm.epsilon", t.DType, op.Epsilon)})
	y = e.stepOf(n, one, "Sqrt", ".deviation", []string{y})
	y = e.step(n, "Div", ".normal", []string{centred, y})
	if len(in) == 2 {
		e.emit("Mul", n.Name(), []string{y, in[1]})
		return nil
	}
	y = e.step(n, "Mul", ".scaled", []string{y, in[1]})
	e.emit("Add", n.Name(), []string{y, in[2]})
	return nil
}

// layerNorm reads the operator, and what [decoder.layerNormPattern] found. What the graph's
// operator does not take becomes the nodes that it stands for.
func (d *decoder) layerNorm(n *node) error {
	if n.was != nil {
		return d.foundLayerNorm(n)
	}
	a, err := n.integer("axis", -1)
	if err != nil {
		return err
	}
	if err := n.want("stash_type", 1, 1); err != nil {
		return err
	}
	op := graph.LayerNorm{}
	if op.Epsilon, err = n.real("epsilon", 1e-5); err != nil {
		return err
	}
	in, err := d.operands(n, 2, 3)
	if err != nil {
		return err
	}
	rank, err := d.rank(in[0])
	if err != nil {
		return err
	}
	k, err := axis(a, rank)
	if err != nil {
		return err
	}
	for ; k < rank; k++ {
		op.Axes = append(op.Axes, k-rank)
	}
	if len(n.more) == 0 && d.takes(op, in) {
		d.values[n.out] = d.g.Add(n.out, op, in...)
		return nil
	}
	return d.spellLayerNorm(n, op, in)
}

// takes reports whether an operator has a type for operands.
func (d *decoder) takes(op graph.Op, in []*graph.Value) bool {
	for _, v := range in {
		if _, err := d.typeOf(v); err != nil {
			return false
		}
	}
	return (&graph.Node{Op: op, Inputs: in, Output: &graph.Value{}}).Infer(d.types) == nil
}

// spellLayerNorm makes the nodes that LayerNormalization stands for, with the mean and
// 1/deviation as further outputs.
func (d *decoder) spellLayerNorm(n *node, op graph.LayerNorm, in []*graph.Value) error {
	further := func(i int, suffix string) string {
		if i >= len(n.more) || n.more[i] == "" {
			return unique(d.taken, n.out+suffix)
		}
		delete(d.further, n.more[i])
		return n.more[i]
	}
	rank, err := d.rank(in[0])
	if err != nil {
		return err
	}
	var over graph.Op = graph.ReduceMean{Axes: op.Axes, KeepDims: true}
	if rank == 4 && len(op.Axes) == 2 { // see reduceMean
		over = graph.GlobalAveragePool{}
	}
	epsilon, err := d.number(n, in[0], op.Epsilon)
	if err != nil {
		return err
	}
	one, err := d.number(n, in[0], 1)
	if err != nil {
		return err
	}
	mean := d.g.Add(further(0, ".mean"), over, in[0])
	centred := d.step(n, ".centred", graph.Sub{}, in[0], mean)
	variance := d.step(n, ".variance", over, d.step(n, ".square", graph.Mul{}, centred, centred))
	deviation := d.step(n, ".deviation", graph.Sqrt{}, d.step(n, ".variance_epsilon", graph.Add{}, variance, epsilon))
	inverse := d.g.Add(further(1, ".inverse"), graph.Div{}, one, deviation)
	for i, v := range []*graph.Value{mean, inverse} {
		if i < len(n.more) && n.more[i] != "" {
			d.values[n.more[i]] = v
		}
	}
	n.more = n.more[min(2, len(n.more)):]
	y := d.step(n, ".normal", graph.Mul{}, centred, inverse)
	if len(in) == 2 {
		d.values[n.out] = d.g.Add(n.out, graph.Mul{}, y, in[1])
		return nil
	}
	d.values[n.out] = d.g.Add(n.out, graph.Add{}, d.step(n, ".scaled", graph.Mul{}, y, in[1]), in[2])
	return nil
}

// normal is a layer normalisation that [decoder.layerNormPattern] found.
type normal struct {
	axes    []int64
	epsilon float64
}

// foundLayerNorm reads a normalisation that was found, or leaves its nodes as they were.
func (d *decoder) foundLayerNorm(n *node) error {
	in, err := d.operands(n, 2, 3)
	if err != nil {
		return err
	}
	rank, err := d.rank(in[0])
	if err != nil {
		return err
	}
	op := graph.LayerNorm{Epsilon: n.normal.epsilon}
	if op.Axes, err = fromTheEnd(n.normal.axes, rank); err != nil {
		return err
	}
	if !d.takes(op, in) {
		return errNotTaken
	}
	d.values[n.out] = d.g.Add(n.out, op, in...)
	return nil
}

// layerNormPattern matches (x − mean)/√(mean of (x − mean)² + ε)·scale, and then, in another
// step, the same + bias. The axes of both means must be kept.
func (d *decoder) layerNormPattern(root *node) bool {
	if len(root.in) != 2 || len(root.attributes) != 0 || root.op != "Mul" && root.op != "Add" {
		return false
	}
	for i, name := range root.in {
		other := root.in[1-i]
		if p := d.only(root, name, "LayerNormalization"); root.op == "Add" && p != nil && p.was != nil && len(p.in) == 2 && d.tensors[other] != nil {
			root.normal = p.normal
			d.found(root, "LayerNormalization", append(p.in[:2:2], other), []*node{p})
			return true
		}
		if root.op != "Mul" {
			continue
		}
		if p := d.private(root, name, "Div"); p != nil && len(p.in) == 2 {
			if x, parts := d.normalised(root, p); parts != nil {
				d.found(root, "LayerNormalization", []string{x, other}, parts)
				return true
			}
		}
	}
	return false
}

// normalised matches (x − mean)/√(mean of (x − mean)² + ε) and returns x and the nodes in
// their order. What it found of the normalisation is root's.
func (d *decoder) normalised(root, div *node) (x string, parts []*node) {
	sqrt := d.private(div, div.in[1], "Sqrt")
	if sqrt == nil || len(sqrt.in) != 1 {
		return "", nil
	}
	sum := d.private(sqrt, sqrt.in[0], "Add")
	if sum == nil || len(sum.in) != 2 {
		return "", nil
	}
	for i, name := range sum.in {
		epsilon := d.tensors[sum.in[1-i]]
		variance := d.only(sum, name, "ReduceMean")
		if variance == nil || epsilon == nil || epsilon.Len() != 1 || len(epsilon.Shape) > 1 || !epsilon.DType.IsFloat() {
			continue
		}
		axes := d.keptAxes(variance)
		square, reads := d.private(variance, variance.in[0], "Pow"), 1
		if square == nil || len(square.in) != 2 || !d.scalar(square.in[1], 2) {
			square, reads = d.private(variance, variance.in[0], "Mul"), 2
			if square == nil || len(square.in) != 2 || square.in[0] != square.in[1] {
				continue
			}
		}
		// x − mean is computed once, or, by older exporters, twice.
		subs := []*node{d.read(div, div.in[0], "Sub", reads+1)}
		if div.in[0] != square.in[0] {
			subs = []*node{d.read(div, div.in[0], "Sub", 1), d.read(square, square.in[0], "Sub", reads)}
		}
		if slices.ContainsFunc(subs, func(s *node) bool {
			return s == nil || len(s.attributes) != 0 || len(s.in) != 2 || !slices.Equal(s.in, subs[0].in)
		}) {
			continue
		}
		x := subs[0].in[0]
		mean := d.read(subs[0], subs[0].in[1], "ReduceMean", len(subs))
		if mean == nil || len(mean.in) == 0 || mean.in[0] != x || len(axes) == 0 || !slices.Equal(axes, d.keptAxes(mean)) {
			continue
		}
		root.normal = normal{axes, decimal(epsilon)}
		parts = append(subs, mean, square, variance, sum, sqrt, div)
		slices.SortFunc(parts, func(a, b *node) int { return a.at - b.at })
		return x, parts
	}
	return "", nil
}

// keptAxes returns the axes of a mean that keeps them, nil of another.
func (d *decoder) keptAxes(n *node) []int64 {
	copied := *n // taking attributes removes them
	copied.attributes = slices.Clone(n.attributes)
	axes, keep, err := d.reducedAxes(&copied)
	if err != nil || !keep || len(copied.attributes) != 0 || len(copied.more) != 0 {
		return nil
	}
	return axes
}
