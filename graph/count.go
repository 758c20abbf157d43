package graph

import (
	"math"
	"slices"
)

// Parameters returns the number of trainable parameters: the elements of all weights
// except the running mean and variance of BatchNorm, which PyTorch keeps as buffers, other
// values that are marked as such, and the scales and zero points of quantized values.
func (g *Graph) Parameters() int64 {
	var n int64
	seen := map[*Value]bool{}
	for _, node := range g.Nodes {
		for _, v := range node.Trainable() {
			if v.Const != nil && !v.Buffer && !seen[v] {
				seen[v] = true
				n += int64(v.Const.Len())
			}
		}
	}
	return n
}

// Trainable returns the operands whose constants, if they are some, are trained: not
// statistics that training only records, nor scales and zero points.
func (n *Node) Trainable() []*Value {
	if t, ok := n.Op.(trained); ok {
		return n.Inputs[:min(len(n.Inputs), t.trainable())]
	}
	return n.Inputs
}

// MACs returns the multiply-accumulate operations of convolutions and matrix products for
// an input of the shape given, which must be known in full. Counts beyond an int64 are its
// largest value.
func (g *Graph) MACs(input Shape) (int64, error) {
	types, err := g.Infer(input)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, n := range g.Nodes {
		sum = AddCounts(sum, n.MACs(types))
	}
	return sum, nil
}

// MACs returns the node's multiply-accumulate operations, given the types that
// [Graph.Infer] returned for an input whose shape is known in full.
func (n *Node) MACs(types map[*Value]Type) int64 {
	switch op := n.Op.(type) {
	case multiplier:
		return n.times(types, n.Output, op.each)
	case spreader:
		return n.times(types, n.Inputs[0], op.spread)
	}
	return 0
}

// times returns what an operator does for each element of a value, whose axes each gives,
// times the elements; 0 where sizes are not known.
func (n *Node) times(types map[*Value]Type, v *Value, each func([]Type) Shape) int64 {
	in := make([]Type, len(n.Inputs))
	for i, v := range n.Inputs {
		in[i] = types[v]
	}
	count := int64(1)
	for _, d := range slices.Concat(types[v].Shape, each(in)) {
		switch {
		case !d.Known():
			return 0
		case int64(d.Size) > math.MaxInt64/count: // sizes are positive
			return math.MaxInt64
		}
		count *= int64(d.Size)
	}
	return count
}
