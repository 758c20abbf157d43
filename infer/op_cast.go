package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var castLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.Cast) (operator, error) {
		return &castOp{opBase: b, to: op.To}, nil
	}),
	evaluate: evaluates(func(n *graph.Node, op graph.Cast, _ graph.Type) *graph.Tensor {
		return convert(n.Inputs[0].Const, op.To)
	}),
}

// castOp is a conversion. Values are float32 in memory whatever their type; narrower ones
// are rounded to what they can hold.
type castOp struct {
	opBase
	to graph.DType
}

func (o *castOp) plan(p *planner) error {
	x := p.natural(o.in[0])
	switch {
	case o.to == graph.Float16:
		p.elementwise(x, 8, func(dst, src []float32, _ int) {
			for i, v := range src {
				dst[i] = graph.Float16To32(graph.Float16From32(v))
			}
		})
	case o.to == graph.Bool:
		p.elementwise(x, 8, func(dst, src []float32, _ int) {
			for i, v := range src {
				dst[i] = truth(v != 0)
			}
		})
	case o.to.IsFloat() || !p.types[o.in[0]].DType.IsFloat() && o.to.Size() >= p.types[o.in[0]].DType.Size() && o.to != graph.Int8 && o.to != graph.Uint8:
		p.alias(x, x.layout)
	default:
		low, high := limits(o.to)
		p.elementwise(x, 8, func(dst, src []float32, _ int) {
			for i, v := range src {
				f := math.Trunc(float64(v))
				if f != f {
					f = 0
				}
				dst[i] = float32(min(max(f, low), high))
			}
		})
	}
	return nil
}

// convert returns t with elements of another type: floats are rounded to nearest even,
// floats become integers by truncation, with saturation.
func convert(t *graph.Tensor, to graph.DType) *graph.Tensor {
	if t.DType == to {
		return t
	}
	switch to {
	case graph.Float32:
		return graph.Float32Tensor(t.Shape, t.Float32s())
	case graph.Float64:
		return graph.Float64Tensor(t.Shape, t.Float64s())
	case graph.Float16:
		v := t.Float32s()
		b := make([]byte, 0, 2*len(v))
		for _, x := range v {
			h := graph.Float16From32(x)
			b = append(b, byte(h), byte(h>>8))
		}
		return graph.RawTensor(to, t.Shape, b)
	case graph.Int8:
		return graph.Int8Tensor(t.Shape, truncated[int8](t))
	case graph.Uint8:
		return graph.Uint8Tensor(t.Shape, truncated[uint8](t))
	case graph.Int32:
		return graph.Int32Tensor(t.Shape, truncated[int32](t))
	}
	if to == graph.Bool {
		v := make([]bool, t.Len())
		for i, x := range t.Float64s() {
			v[i] = x != 0
		}
		return graph.BoolTensor(t.Shape, v)
	}
	return graph.Int64Tensor(t.Shape, truncated[int64](t))
}

func truncated[T int8 | uint8 | int32 | int64](t *graph.Tensor) []T {
	low, high := limits(map[int]graph.DType{1: graph.Int8, 2: graph.Uint8, 4: graph.Int32, 8: graph.Int64}[sizeCode[T]()])
	v := make([]T, t.Len())
	for i, x := range t.Float64s() {
		if x == x {
			v[i] = T(min(max(math.Trunc(x), low), high))
		}
	}
	return v
}

// sizeCode tells the integer types apart: their size, 2 for uint8.
func sizeCode[T int8 | uint8 | int32 | int64]() int {
	switch any(T(0)).(type) {
	case int8:
		return 1
	case uint8:
		return 2
	case int32:
		return 4
	}
	return 8
}
