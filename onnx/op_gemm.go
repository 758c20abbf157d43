package onnx

import (
	"errors"

	"github.com/repvit-go/repvit/graph"
)

var gemmOperator = operator{
	encode: encodes((*encoder).gemm),
	decode: decoders{"Gemm": (*decoder).gemm},
}

func (e *encoder) gemm(n *graph.Node, _ graph.Gemm) error {
	if err := e.floats(n); err != nil {
		return err
	}
	e.write(n, float("alpha", 1), float("beta", 1), integer("transB", 1))
	return nil
}

// gemm is α·A·B + β·C. The weight B is K×M, which is transposed, or M×K. What the graph's
// operator does not have becomes nodes around it.
func (d *decoder) gemm(n *node) error {
	if d.opset < 7 {
		if err := n.want("broadcast", 0, 0, 1); err != nil {
			return err
		}
	}
	transA, err := n.integer("transA", 0)
	transB, err2 := n.integer("transB", 0)
	alpha, err3 := n.real("alpha", 1)
	beta, err4 := n.real("beta", 1)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return first(err)
	}
	in, err := d.operands(n, 2, 3)
	if err != nil {
		return err
	}
	step := func(suffix string, op graph.Op, in ...*graph.Value) *graph.Value { return d.step(n, suffix, op, in...) }
	number := func(t graph.DType, v float64) *graph.Value {
		return graph.Weight(unique(d.taken, n.out+".factor"), scalarTensor(t, v))
	}
	t, err := d.typeOf(in[0])
	if err != nil {
		return err
	}
	if transA != 0 {
		in[0] = step(".a", graph.Transpose{Perm: []int{1, 0}}, in[0])
	}
	if alpha != 1 {
		in[0] = step(".scaled", graph.Mul{}, in[0], number(t.DType, alpha))
	}
	trained := true
	switch constant := in[1].Const != nil && len(in[1].Const.Shape) == 2; {
	case constant && transB == 0:
		in[1] = d.derive(in[1], ".transposed", transposeMatrix)
	case constant, transB != 0 && d.dequantized(n.in[1]):
	case transB != 0:
		in[1] = step(".b", graph.Transpose{Perm: []int{1, 0}}, in[1])
		trained = false
	default:
		trained = false
	}
	if len(in) == 3 && beta == 0 {
		in = in[:2]
	}
	if len(in) == 3 && in[2].Const != nil && len(in[2].Const.Shape) == 2 && in[2].Const.Shape[0] == 1 {
		in[2] = d.derive(in[2], ".vector", func(t *graph.Tensor) *graph.Tensor {
			return t.Reshape(t.Shape[1:]...)
		})
	}
	if trained {
		fits := len(in) == 2
		if !fits && beta == 1 {
			w, err := d.typeOf(in[1])
			if err != nil {
				return err
			}
			c := in[2].Const
			fits = d.dequantized(n.in[2]) || c != nil && len(c.Shape) == 1 && len(w.Shape) == 2 && graph.Fixed(c.Shape[0]) == w.Shape[0]
		}
		if fits {
			d.values[n.out] = d.g.Add(n.out, graph.Gemm{}, in...)
			return nil
		}
	}
	var op graph.Op = graph.Gemm{}
	if !trained {
		op = graph.MatMul{}
	}
	if len(in) == 2 {
		d.values[n.out] = d.g.Add(n.out, op, in...)
		return nil
	}
	if beta != 1 {
		in[2] = step(".bias", graph.Mul{}, in[2], number(t.DType, beta))
	}
	d.values[n.out] = d.g.Add(n.out, graph.Add{}, step(".product", op, in[:2]...), in[2])
	return nil
}

// dequantized reports whether a value is a constant of integers, dequantized.
func (d *decoder) dequantized(name string) bool {
	p := d.producers[name]
	return p != nil && p.op == "DequantizeLinear" && len(p.in) > 0 && d.tensors[p.in[0]] != nil
}

func transposeMatrix(t *graph.Tensor) *graph.Tensor {
	rows, columns, size := t.Shape[0], t.Shape[1], t.DType.Size()
	from, to := t.Bytes(), make([]byte, 0, t.Size())
	if len(from) > 0 { // else an axis may be of any size
		for c := range columns {
			for r := range rows {
				at := (r*columns + c) * size
				to = append(to, from[at:at+size]...)
			}
		}
	}
	return graph.RawTensor(t.DType, []int{columns, rows}, to)
}
