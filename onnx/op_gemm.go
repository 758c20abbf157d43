package onnx

import (
	"errors"
	"fmt"

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

// gemm takes a weight M×K, or K×M which is transposed.
func (d *decoder) gemm(n *node) error {
	transposed, err := n.integer("transB", 0)
	err = errors.Join(err, n.wantFloat("alpha", 1), n.wantFloat("beta", 1), n.want("transA", 0, 0))
	if err != nil {
		return first(err)
	}
	in, err := d.operands(n, 2, 3)
	if err != nil {
		return err
	}
	if transposed == 0 {
		w := in[1]
		if w.Const == nil || len(w.Const.Shape) != 2 {
			return fmt.Errorf("%w: found attribute transB = 0 and a weight that is not a constant matrix, expected transB = 1", ErrUnsupported)
		}
		in[1] = d.derive(w, ".transposed", transposeMatrix)
	}
	if len(in) == 3 && in[2].Const != nil && len(in[2].Const.Shape) == 2 && in[2].Const.Shape[0] == 1 {
		in[2] = d.derive(in[2], ".vector", func(t *graph.Tensor) *graph.Tensor {
			return t.Reshape(t.Shape[1:]...)
		})
	}
	d.values[n.out] = d.g.Add(n.out, graph.Gemm{}, in...)
	return nil
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
