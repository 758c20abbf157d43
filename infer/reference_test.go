package infer

import (
	"math"
	"testing"

	"github.com/repvit-go/repvit/graph"
)

// The tests compare the engine with this: every operator as its formula reads, in float64
// over tensors in the graph's own order, sharing nothing with the engine.

type array struct {
	shape []int
	v     []float64
}

func (a array) strides() []int {
	s := make([]int, len(a.shape))
	n := 1
	for i := len(s) - 1; i >= 0; i-- {
		s[i] = n
		n *= a.shape[i]
	}
	return s
}

// each calls f with the coordinates of every element, in order.
func each(shape []int, f func(i int, at []int)) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	at := make([]int, len(shape))
	for i := range n {
		r := i
		for k := len(shape) - 1; k >= 0; k-- {
			at[k] = r % shape[k]
			r /= shape[k]
		}
		f(i, at)
	}
}

// at reads a with broadcasting.
func (a array) at(at ...int) float64 {
	i, s := 0, a.strides()
	for k, d := range a.shape {
		if d != 1 {
			i += at[k] * s[k]
		}
	}
	return a.v[i]
}

func arrayOf(t *graph.Tensor) array { return array{t.Shape, t.Float64s()} }

// referenceRun computes all values of g.
func referenceRun(t testing.TB, g *graph.Graph, x *graph.Tensor) map[string]array {
	t.Helper()
	types, err := g.Infer(graph.FixedShape(x.Shape...))
	if err != nil {
		t.Fatal(err)
	}
	values := map[*graph.Value]array{g.Inputs[0]: arrayOf(x)}
	named := map[string]array{}
	for _, n := range g.Nodes {
		var in []array
		for _, v := range n.Inputs {
			a, ok := values[v]
			if !ok {
				a = arrayOf(v.Const)
			}
			in = append(in, a)
		}
		shape, _ := types[n.Output].Shape.Ints()
		out := array{shape, make([]float64, elements(shape))}
		each(shape, func(i int, at []int) { out.v[i] = referenceAt(n, in, types, at) })
		values[n.Output] = out
		named[n.Name()] = out
	}
	return named
}

func referenceAt(n *graph.Node, in []array, types map[*graph.Value]graph.Type, at []int) float64 {
	x := in[0]
	switch op := n.Op.(type) {
	case graph.Conv:
		w := in[1]
		sum := 0.0
		if len(in) == 3 {
			sum = in[2].v[at[1]]
		}
		g := at[1] / (w.shape[0] / op.Group)
		for c := range w.shape[1] {
			for ky := range w.shape[2] {
				for kx := range w.shape[3] {
					y, v := at[2]*op.Strides[0]+ky-op.Pads[0], at[3]*op.Strides[1]+kx-op.Pads[1]
					if y >= 0 && y < x.shape[2] && v >= 0 && v < x.shape[3] {
						i := ((at[0]*x.shape[1]+g*w.shape[1]+c)*x.shape[2]+y)*x.shape[3] + v
						k := ((at[1]*w.shape[1]+c)*w.shape[2]+ky)*w.shape[3] + kx
						sum += x.v[i] * w.v[k]
					}
				}
			}
		}
		return sum
	case graph.Gemm:
		sum := 0.0
		if len(in) == 3 {
			sum = in[2].v[at[1]]
		}
		for k := range x.shape[1] {
			sum += x.v[at[0]*x.shape[1]+k] * in[1].v[at[1]*x.shape[1]+k]
		}
		return sum
	case graph.MatMul:
		last := len(at) - 1
		sum := 0.0
		base := append([]int{}, at...)
		for k := range in[1].shape[0] {
			base[last] = k
			i := 0
			for a, s := range x.strides() {
				i += base[a] * s
			}
			sum += x.v[i] * in[1].v[k*in[1].shape[1]+at[last]]
		}
		return sum
	case graph.BatchNorm:
		c := at[1]
		return (x.at(at...)-in[3].v[c])/math.Sqrt(in[4].v[c]+op.Epsilon)*in[1].v[c] + in[2].v[c]
	case graph.Gelu:
		v := x.at(at...)
		return v / 2 * (1 + math.Erf(v/math.Sqrt2))
	case graph.Relu:
		return math.Max(x.at(at...), 0)
	case graph.Sigmoid:
		return 1 / (1 + math.Exp(-x.at(at...)))
	case graph.Add:
		return x.at(at...) + in[1].at(at...)
	case graph.Mul:
		return x.at(at...) * in[1].at(at...)
	case graph.Mean:
		sum := 0.0
		for _, a := range in {
			sum += a.at(at...)
		}
		return sum / float64(len(in))
	case graph.GlobalAveragePool:
		p := x.shape[2] * x.shape[3]
		sum := 0.0
		for _, v := range x.v[(at[0]*x.shape[1]+at[1])*p:][:p] {
			sum += v
		}
		return sum / float64(p)
	case graph.Flatten:
		return x.v[at[0]*(len(x.v)/x.shape[0])+at[1]]
	case graph.Softmax:
		row := x.v[at[0]*x.shape[1]:][:x.shape[1]]
		sum := 0.0
		for _, v := range row {
			sum += math.Exp(v)
		}
		return math.Exp(row[at[1]]) / sum
	case graph.Cast:
		v := x.at(at...)
		if op.To == graph.Float16 {
			return float64(graph.Float16To32(graph.Float16From32(float32(v))))
		}
		if !op.To.IsFloat() {
			return math.Trunc(v)
		}
		return v
	case graph.Transpose:
		from := make([]int, len(at))
		for i, p := range op.Perm {
			from[p] = at[i]
		}
		return x.at(from...)
	case graph.QuantizeLinear:
		s, z := scaleAt(in, op.Axis, at)
		low, high := 0.0, 255.0
		if types[n.Output].DType == graph.Int8 {
			low, high = -128, 127
		}
		return math.Min(math.Max(math.RoundToEven(x.at(at...)/s)+z, low), high)
	case graph.DequantizeLinear:
		s, z := scaleAt(in, op.Axis, at)
		return (x.at(at...) - z) * s
	}
	panic(n.Op.Kind())
}

func scaleAt(in []array, axis int, at []int) (scale, zero float64) {
	k := 0
	if len(in[1].v) > 1 {
		k = at[axis]
	}
	return in[1].v[k], in[2].v[k]
}
