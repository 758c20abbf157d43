package onnx

import "github.com/repvit-go/repvit/graph"

var batchNormOperator = operator{
	encode: encodes((*encoder).batchNorm),
	decode: decoders{"BatchNormalization": (*decoder).batchNorm},
}

func (e *encoder) batchNorm(n *graph.Node, op graph.BatchNorm) error {
	if err := e.floats(n); err != nil {
		return err
	}
	e.write(n, float("epsilon", op.Epsilon))
	return nil
}

func (d *decoder) batchNorm(n *node) error {
	epsilon, err := n.take("epsilon", kindFloat)
	if err != nil {
		return err
	}
	if _, err := n.take("momentum", kindFloat); err != nil { // of training
		return err
	}
	if err := n.want("training_mode", 0, 0); err != nil {
		return err
	}
	if d.opset < 7 {
		if err := n.want("is_test", 0, 1); err != nil {
			return err
		}
	}
	if d.opset < 9 { // 0 has statistics for each pixel
		if err := n.want("spatial", 1, 1); err != nil {
			return err
		}
	}
	op := graph.BatchNorm{Epsilon: 1e-5}
	if epsilon != nil {
		op.Epsilon = widen(epsilon.f)
	}
	return d.add(n, op, 5, 5)
}
