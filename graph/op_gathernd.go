package graph

import "fmt"

// GatherND takes of every element of the first axis what its index names on the second: of x,
// N×C×…, and indices, N×1 int64, it is y[n, …] = x[n, indices[n, 0], …]. That is ONNX's operator of
// one batch axis. A negative index counts from the end; one that is not in x at all, which ONNX
// does not define, is taken as the nearest that is.
type GatherND struct {
	BatchDims int `json:"batch_dims"` // 1
}

// Kind implements [Op].
func (GatherND) Kind() string { return "GatherND" }

// Traits implements [Op].
func (GatherND) Traits() Traits { return 0 }

func (o GatherND) infer(in []Type) (Type, error) {
	if err := arity(in, 2, 2); err != nil {
		return Type{}, err
	}
	x, indices := in[0].Shape, in[1].Shape
	if in[1].DType != Int64 || len(x) < 2 || len(indices) < 1 {
		return Type{}, fmt.Errorf("%w: operands %v and %v, want N×C×… and N×1 int64", ErrShape, in[0], in[1])
	}
	if o.BatchDims != 1 || len(indices) != 2 || indices[1] != Fixed(1) {
		return Type{}, fmt.Errorf("%w: %d batch axes and indices %v, want one, and N×1", ErrUnsupported, o.BatchDims, in[1])
	}
	n, ok := unify(x[0], indices[0])
	if !ok {
		return Type{}, fmt.Errorf("%w: operands %v and %v", ErrShape, in[0], in[1])
	}
	return Type{in[0].DType, append(Shape{n}, x[2:]...)}, nil
}
