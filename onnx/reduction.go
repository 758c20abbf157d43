package onnx

import (
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// axesOperand is the first opset in which the axes of a reduction are an operand.
func axesOperand(op string) int {
	if op == "ReduceSum" {
		return axesOpset
	}
	return 18
}

// reduce writes a reduction.
func (e *encoder) reduce(n *graph.Node, op graph.Reduction) error {
	e.reduction(n.Op.Kind(), n.Name(), e.operands(n)[0], op)
	return nil
}

// reduction writes a reduction of a value.
func (e *encoder) reduction(kind, output, x string, op graph.Reduction) {
	in, attributes := []string{x}, [][]byte{integer("keepdims", truth(op.KeepDims))}
	if e.opset < axesOperand(kind) {
		attributes = append([][]byte{ints("axes", op.Axes...)}, attributes...)
	} else {
		in = append(in, e.numbers("axes", op.Axes))
	}
	e.emit(kind, output, in, attributes...)
}

// truth is how attributes say true and false.
func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reducing translates a reduction.
func reducing(of func(graph.Reduction) graph.Op) func(*decoder, *node) error {
	return func(d *decoder, n *node) error {
		x, op, err := d.reduction(n)
		if err != nil {
			return err
		}
		d.values[n.out] = d.g.Add(n.out, of(op), x)
		return nil
	}
}

// reduction reads the operand and the axes of a reduction.
func (d *decoder) reduction(n *node) (*graph.Value, graph.Reduction, error) {
	var op graph.Reduction
	axes, keep, err := d.reducedAxes(n)
	if err != nil {
		return nil, op, err
	}
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return nil, op, err
	}
	rank, err := d.rank(in[0])
	if err != nil {
		return nil, op, err
	}
	if rank == 0 {
		return nil, op, fmt.Errorf("%w: found an operand without axes, expected one at least", ErrUnsupported)
	}
	op.KeepDims = keep
	if op.Axes, err = fromTheEnd(axes, rank); err != nil {
		return nil, op, err
	}
	for a := -rank; a < 0 && len(axes) == 0; a++ {
		op.Axes = append(op.Axes, a)
	}
	return in[0], op, nil
}

// reducedAxes reads the axes of a reduction, none for all, and whether they are kept. The node
// is left with its first operand.
func (d *decoder) reducedAxes(n *node) (axes []int64, keep bool, err error) {
	k, err := n.integer("keepdims", 1)
	if err != nil {
		return nil, false, err
	}
	nothing, err := n.integer("noop_with_empty_axes", 0)
	if err != nil {
		return nil, false, err
	}
	if d.opset < axesOperand(n.op) {
		a, err := n.take("axes", kindInts)
		if err != nil {
			return nil, false, err
		}
		if a != nil {
			axes = a.list
		}
	} else if len(n.in) > 1 && n.in[1] != "" {
		if axes, err = d.numbers(n, 1); err != nil {
			return nil, false, err
		}
	}
	if len(axes) == 0 && nothing != 0 {
		return nil, false, fmt.Errorf("%w: found no axes and noop_with_empty_axes = %d", ErrUnsupported, nothing)
	}
	n.in = n.in[:min(len(n.in), 1)]
	return axes, k != 0, nil
}

// fromTheEnd returns axes counted from the end, ascending.
func fromTheEnd(axes []int64, rank int) ([]int, error) {
	var r []int
	for _, a := range axes {
		k, err := axis(a, rank)
		if err != nil {
			return nil, err
		}
		r = append(r, k-rank)
	}
	slices.Sort(r)
	return r, nil
}
