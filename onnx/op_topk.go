package onnx

import (
	"fmt"
	"math"

	"github.com/repvit-go/repvit/graph"
)

var topKOperator = operator{
	encode: encodes((*encoder).topK),
	decode: decoders{"TopK": (*decoder).topK},
}

func (e *encoder) topK(n *graph.Node, op graph.TopK) error {
	if err := e.floats(n); err != nil {
		return err
	}
	largest := 1
	if op.Smallest {
		if e.opset < 11 {
			return fmt.Errorf("%w: the smallest elements in opset %d, expected opset 11 or later", ErrUnsupported, e.opset)
		}
		largest = 0
	}
	outputs := []string{n.Output.Name, n.Further[0].Name}
	if e.opset < 10 {
		e.emitSeveral("TopK", outputs, e.operands(n), integer("axis", op.Axis), integer("k", op.K))
		return nil
	}
	e.emitSeveral("TopK", outputs, append(e.operands(n), e.numbers("topk.k", []int{op.K})), integer("axis", op.Axis), integer("largest", largest), integer("sorted", 1))
	return nil
}

// topK reads the operator. Its number of elements was an attribute before opset 10. What is asked
// for in no order, sorted = 0, is given in order.
func (d *decoder) topK(n *node) error {
	op := graph.TopK{}
	a, err := n.integer("axis", -1)
	if err != nil {
		return err
	}
	largest, err := n.integer("largest", 1)
	if err != nil {
		return err
	}
	if err := n.want("sorted", 1, 1, 0); err != nil {
		return err
	}
	k := int64(0)
	if d.opset < 10 {
		if k, err = n.integer("k", 0); err != nil {
			return err
		}
	} else {
		list, err := d.numbers(n, 1)
		if err != nil {
			return err
		}
		if len(list) != 1 {
			return fmt.Errorf("%w: found %d numbers of elements, expected one", ErrFormat, len(list))
		}
		k, n.in = list[0], n.in[:1]
	}
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	rank, err := d.rank(in[0])
	if err != nil {
		return err
	}
	from, err := axis(a, rank)
	if err != nil {
		return err
	}
	if k < 1 || k > math.MaxInt32 {
		return fmt.Errorf("%w: found %d elements, expected some", ErrUnsupported, k)
	}
	op.K, op.Axis, op.Smallest = int(k), from-rank, largest == 0
	return d.addSeveral(n, op, 2, 1, 1)
}
