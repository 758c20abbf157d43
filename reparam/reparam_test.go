package reparam

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/torchtest"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/verify/reference"
)

// net builds graphs with random weights.
type net struct {
	*graph.Graph
	rng *rand.Rand
	n   int
}

func newNet(input ...int) *net {
	shape := graph.FixedShape(input...)
	g := &graph.Graph{Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: shape}}}}
	return &net{g, rand.New(rand.NewPCG(3, 4)), 0}
}

func (n *net) x() *graph.Value { return n.Inputs[0] }

func (n *net) weight(shape ...int) *graph.Value {
	count, _ := graph.Numel(shape)
	v := make([]float32, count)
	for i := range v {
		v[i] = float32(n.rng.NormFloat64())
	}
	n.n++
	return graph.Weight("w"+strconv.Itoa(n.n), graph.Float32Tensor(shape, v))
}

// conv adds a convolution with same-size padding for odd kernels.
func (n *net) conv(name string, x *graph.Value, out, in, kernel, stride, group int) *graph.Value {
	p := (kernel - 1) / 2
	return n.Add(name, graph.Conv{Strides: [2]int{stride, stride}, Pads: [4]int{p, p, p, p}, Group: group},
		x, n.weight(out, in/group, kernel, kernel))
}

func (n *net) bn(name string, x *graph.Value, c int) *graph.Value {
	variance := n.weight(c)
	for i, v := range variance.Const.Float32s() {
		variance.Const.Float32s()[i] = v * v
	}
	return n.Add(name, graph.BatchNorm{Epsilon: 1e-5}, x, n.weight(c), n.weight(c), n.weight(c), variance)
}

func (n *net) done(outputs ...*graph.Value) *graph.Graph {
	n.Outputs = outputs
	return n.Graph
}

func kinds(g *graph.Graph) string {
	var s []string
	for _, n := range g.Nodes {
		s = append(s, n.Op.Kind())
	}
	return strings.Join(s, " ")
}

func run(t *testing.T, g *graph.Graph, x *graph.Tensor) []float64 {
	t.Helper()
	r, err := reference.New(g, 1)
	if err != nil {
		t.Fatal(err)
	}
	y, err := r.Run(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	return y.Float64s()
}

func input(shape graph.Shape) *graph.Tensor {
	dims, _ := shape.Ints()
	n, _ := graph.Numel(dims)
	rng := rand.New(rand.NewPCG(5, 6))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return graph.Float32Tensor(dims, v)
}

// TestPasses runs hand-built graphs before and after fusing, and says what is left of them.
func TestPasses(t *testing.T) {
	conv := func(s, p [2]int, group int) graph.Conv {
		return graph.Conv{Strides: s, Pads: [4]int{p[0], p[1], p[0], p[1]}, Group: group}
	}
	for _, c := range []struct {
		name  string
		build func(n *net) *graph.Graph
		want  string // operators after fusing
	}{
		{"a number behind a product and its bias", func(n *net) *graph.Graph {
			y := n.Add("b", graph.Add{}, n.Add("p", graph.MatMul{}, n.x(), n.weight(6, 7)), n.weight(7))
			return n.done(n.Add("y", graph.Mul{}, n.weight(), y))
		}, "MatMul Add"},
		{"several numbers behind a product", func(n *net) *graph.Graph {
			y := n.Add("b", graph.Add{}, n.Add("p", graph.MatMul{}, n.x(), n.weight(6, 7)), n.weight(7))
			return n.done(n.Add("y", graph.Mul{}, y, n.weight(7)))
		}, "MatMul Add Mul"},
		{"a number behind a product that others read", func(n *net) *graph.Graph {
			y := n.Add("b", graph.Add{}, n.Add("p", graph.MatMul{}, n.x(), n.weight(6, 7)), n.weight(7))
			return n.done(n.Add("y", graph.Mul{}, y, n.weight()), n.Add("z", graph.Relu{}, y))
		}, "MatMul Add Mul Relu"},
		{"a 1×1 convolution of a sum", func(n *net) *graph.Graph {
			a, b := n.conv("a", n.x(), 5, 4, 3, 1, 1), n.bn("b", n.conv("c", n.conv("d", n.x(), 4, 4, 3, 2, 2), 5, 4, 1, 1, 1), 5)
			up := n.Add("up", graph.Resize{Mode: "cubic", Coordinates: "half_pixel", Sizes: [2]int{6, 6}}, b)
			return n.done(n.bn("y", n.conv("e", n.Add("sum", graph.Add{}, a, up), 3, 5, 1, 1, 1), 3))
		}, "Conv Conv Conv Resize Add"},
		{"a 1×1 convolution of a sum that it widens", func(n *net) *graph.Graph {
			a, b := n.conv("a", n.x(), 3, 4, 3, 1, 1), n.conv("b", n.conv("d", n.x(), 4, 4, 3, 1, 1), 3, 4, 1, 1, 1)
			return n.done(n.conv("y", n.Add("sum", graph.Add{}, a, b), 5, 3, 1, 1, 1))
		}, "Conv Conv Conv Add Conv"},
		{"a 3×3 convolution of a sum", func(n *net) *graph.Graph {
			a, b := n.conv("a", n.x(), 3, 4, 3, 1, 1), n.conv("b", n.conv("d", n.x(), 4, 4, 3, 1, 1), 3, 4, 1, 1, 1)
			return n.done(n.conv("y", n.Add("sum", graph.Add{}, a, b), 3, 3, 3, 1, 1))
		}, "Conv Conv Conv Add Conv"},
		{"convolution and BatchNorm", func(n *net) *graph.Graph { return n.done(n.bn("b", n.conv("c", n.x(), 5, 4, 3, 2, 1), 5)) }, "Conv"},
		{"grouped", func(n *net) *graph.Graph { return n.done(n.bn("b", n.conv("c", n.x(), 8, 4, 3, 1, 2), 8)) }, "Conv"},
		{"with a bias", func(n *net) *graph.Graph {
			c := n.Add("c", conv([2]int{1, 2}, [2]int{1, 0}, 1), n.x(), n.weight(3, 4, 3, 2), n.weight(3))
			return n.done(n.bn("b", c, 3))
		}, "Conv"},
		{"BatchNorm twice", func(n *net) *graph.Graph {
			return n.done(n.bn("b2", n.bn("b", n.conv("c", n.x(), 5, 4, 1, 1, 1), 5), 5))
		}, "Conv"},
		{"BatchNorm first", func(n *net) *graph.Graph { return n.done(n.conv("c", n.bn("b", n.x(), 4), 5, 4, 3, 1, 1)) }, "BatchNormalization Conv"},
		{"activation between", func(n *net) *graph.Graph {
			return n.done(n.bn("b", n.Add("g", graph.Gelu{}, n.conv("c", n.x(), 5, 4, 1, 1, 1)), 5))
		}, "Conv Gelu BatchNormalization"},
		{"read twice", func(n *net) *graph.Graph {
			c := n.conv("c", n.x(), 4, 4, 1, 1, 1)
			return n.done(n.Add("m", graph.Mul{}, n.bn("b", c, 4), c))
		}, "Conv BatchNormalization Mul"},
		{"an output", func(n *net) *graph.Graph {
			c := n.conv("c", n.x(), 4, 4, 1, 1, 1)
			return n.done(n.bn("b", c, 4), c)
		}, "Conv BatchNormalization"},
		{"statistics that are computed", func(n *net) *graph.Graph {
			c := n.conv("c", n.x(), 1, 4, 6, 1, 1)
			f := n.Add("f", graph.Transpose{Perm: []int{0}}, n.weight(1))
			return n.done(n.Add("b", graph.BatchNorm{Epsilon: 1e-5}, c, f, n.weight(1), n.weight(1), graph.Weight("v", graph.Float32Tensor([]int{1}, []float32{2}))))
		}, "Conv Transpose BatchNormalization"},

		{"branches 3×3 and 1×1", func(n *net) *graph.Graph {
			return n.done(n.Add("s", graph.Add{}, n.conv("a", n.x(), 4, 4, 3, 1, 4), n.conv("b", n.x(), 4, 4, 1, 1, 4)))
		}, "Conv"},
		{"branches, the smaller first", func(n *net) *graph.Graph {
			return n.done(n.Add("s", graph.Add{}, n.conv("b", n.x(), 6, 4, 1, 2, 1), n.conv("a", n.x(), 6, 4, 5, 2, 1)))
		}, "Conv"},
		{"branches of one size", func(n *net) *graph.Graph {
			return n.done(n.Add("s", graph.Add{}, n.conv("a", n.x(), 4, 4, 3, 1, 1), n.conv("b", n.x(), 4, 4, 3, 1, 1)))
		}, "Conv"},
		{"a row and a square", func(n *net) *graph.Graph {
			a := n.Add("a", conv([2]int{1, 1}, [2]int{1, 1}, 1), n.x(), n.weight(4, 4, 3, 3))
			return n.done(n.Add("s", graph.Add{}, a, n.Add("b", conv([2]int{1, 1}, [2]int{0, 1}, 1), n.x(), n.weight(4, 4, 1, 3))))
		}, "Conv"},
		{"a row and a column", func(n *net) *graph.Graph {
			a := n.Add("a", conv([2]int{1, 1}, [2]int{1, 0}, 1), n.x(), n.weight(4, 4, 3, 1))
			return n.done(n.Add("s", graph.Add{}, a, n.Add("b", conv([2]int{1, 1}, [2]int{0, 1}, 1), n.x(), n.weight(4, 4, 1, 3))))
		}, "Conv Conv Add"},
		{"a window off the centre", func(n *net) *graph.Graph {
			a := n.Add("a", conv([2]int{1, 1}, [2]int{1, 1}, 1), n.x(), n.weight(4, 4, 3, 3))
			b := n.Add("b", graph.Conv{Strides: [2]int{1, 1}, Pads: [4]int{1, 0, 0, 1}, Group: 1}, n.x(), n.weight(4, 4, 2, 2))
			return n.done(n.Add("s", graph.Add{}, a, b))
		}, "Conv"},
		{"a window that sticks out", func(n *net) *graph.Graph {
			a := n.Add("a", conv([2]int{1, 1}, [2]int{0, 0}, 1), n.x(), n.weight(4, 4, 3, 3))
			b := n.Add("b", graph.Conv{Strides: [2]int{1, 1}, Pads: [4]int{1, 1, -0, 0}, Group: 1}, n.x(), n.weight(4, 4, 4, 4))
			return n.done(n.Add("s", graph.Add{}, a, b))
		}, "Conv"},
		{"different groups", func(n *net) *graph.Graph {
			return n.done(n.Add("s", graph.Add{}, n.conv("a", n.x(), 4, 4, 3, 1, 4), n.conv("b", n.x(), 4, 4, 1, 1, 2)))
		}, "Conv Conv Add"},
		{"different inputs", func(n *net) *graph.Graph {
			y := n.Add("y", graph.Relu{}, n.x())
			return n.done(n.Add("s", graph.Add{}, n.conv("a", n.x(), 4, 4, 3, 1, 1), n.conv("b", y, 4, 4, 3, 1, 1)))
		}, "Relu Conv Conv Add"},
		{"different strides", func(n *net) *graph.Graph {
			a := n.Add("a", conv([2]int{2, 2}, [2]int{0, 0}, 1), n.x(), n.weight(4, 4, 3, 3)) // 6 to 2
			b := n.Add("b", conv([2]int{3, 3}, [2]int{0, 0}, 1), n.x(), n.weight(4, 4, 3, 3)) // 6 to 2
			return n.done(n.Add("s", graph.Add{}, a, b))
		}, "Conv Conv Add"},
		{"a branch that is broadcast", func(n *net) *graph.Graph {
			a := n.Add("a", conv([2]int{1, 1}, [2]int{0, 0}, 1), n.x(), n.weight(4, 4, 6, 6)) // 6 to 1
			return n.done(n.Add("s", graph.Add{}, a, n.conv("b", n.x(), 4, 4, 1, 1, 1)))
		}, "Conv Conv Add"},
		{"a branch that is an output", func(n *net) *graph.Graph {
			a := n.conv("a", n.x(), 4, 4, 3, 1, 1)
			return n.done(n.Add("s", graph.Add{}, a, n.conv("b", n.x(), 4, 4, 1, 1, 1)), a)
		}, "Conv Conv Add"},
		{"a value added to itself", func(n *net) *graph.Graph {
			a := n.conv("a", n.x(), 4, 4, 3, 1, 1)
			return n.done(n.Add("s", graph.Add{}, a, a))
		}, "Conv Add"},

		{"identity, depthwise", func(n *net) *graph.Graph {
			return n.done(n.Add("s", graph.Add{}, n.conv("a", n.x(), 4, 4, 3, 1, 4), n.x()))
		}, "Conv"},
		{"identity first, dense", func(n *net) *graph.Graph {
			return n.done(n.Add("s", graph.Add{}, n.x(), n.conv("a", n.x(), 4, 4, 5, 1, 1)))
		}, "Conv"},
		{"identity, two groups, even kernel", func(n *net) *graph.Graph {
			a := n.Add("a", graph.Conv{Strides: [2]int{1, 1}, Pads: [4]int{1, 0, 0, 1}, Group: 2}, n.x(), n.weight(4, 2, 2, 2))
			return n.done(n.Add("s", graph.Add{}, a, n.x()))
		}, "Conv"},
		{"identity behind a stride", func(n *net) *graph.Graph {
			a := n.Add("a", conv([2]int{6, 6}, [2]int{0, 0}, 1), n.x(), n.weight(4, 4, 1, 1)) // broadcast
			return n.done(n.Add("s", graph.Add{}, a, n.x()))
		}, "Conv Add"},
		{"identity of another width", func(n *net) *graph.Graph {
			return n.done(n.Add("s", graph.Add{}, n.conv("a", n.x(), 1, 4, 3, 1, 1), n.x())) // broadcast
		}, "Conv Add"},
		{"identity without padding", func(n *net) *graph.Graph {
			a := n.Add("a", conv([2]int{1, 1}, [2]int{0, 0}, 1), n.x(), n.weight(4, 4, 6, 6)) // broadcast
			return n.done(n.Add("s", graph.Add{}, a, n.x()))
		}, "Conv Add"},

		{"RepVGGDW of the first generation", func(n *net) *graph.Graph {
			a, b := n.bn("ab", n.conv("a", n.x(), 4, 4, 3, 1, 4), 4), n.bn("bb", n.conv("b", n.x(), 4, 4, 1, 1, 4), 4)
			return n.done(n.Add("s", graph.Add{}, n.Add("ab+bb", graph.Add{}, a, b), n.x()))
		}, "Conv"},
		{"RepVGGDW of the second", func(n *net) *graph.Graph {
			a, b := n.bn("ab", n.conv("a", n.x(), 4, 4, 3, 1, 4), 4), n.conv("b", n.x(), 4, 4, 1, 1, 4)
			return n.done(n.bn("out", n.Add("s", graph.Add{}, n.Add("ab+b", graph.Add{}, a, b), n.x()), 4))
		}, "Conv"},
		{"three branches, added from the right", func(n *net) *graph.Graph {
			inner := n.Add("in", graph.Add{}, n.conv("b", n.x(), 4, 4, 1, 1, 4), n.x())
			return n.done(n.Add("s", graph.Add{}, n.conv("a", n.x(), 4, 4, 3, 1, 4), inner))
		}, "Conv"},
		{"what nobody needs", func(n *net) *graph.Graph {
			c := n.conv("c", n.x(), 4, 4, 1, 1, 1)
			n.Add("dead", graph.Relu{}, c)
			return n.done(n.bn("b", c, 4))
		}, "Conv"},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, c.build(newNet(2, 4, 6, 6)), c.want)
		})
	}
}

// TestHeads fuses fully connected layers.
func TestHeads(t *testing.T) {
	gemm := func(n *net, name string, x *graph.Value, bias bool) *graph.Value {
		if bias {
			return n.Add(name, graph.Gemm{}, x, n.weight(3, 5), n.weight(3))
		}
		return n.Add(name, graph.Gemm{}, x, n.weight(3, 5))
	}
	for _, c := range []struct {
		name  string
		build func(n *net) *graph.Graph
		want  string
	}{
		{"BatchNorm and Gemm", func(n *net) *graph.Graph { return n.done(gemm(n, "l", n.bn("b", n.x(), 5), true)) }, "Gemm"},
		{"without a bias", func(n *net) *graph.Graph { return n.done(gemm(n, "l", n.bn("b", n.x(), 5), false)) }, "Gemm"},
		{"BatchNorm twice", func(n *net) *graph.Graph {
			return n.done(gemm(n, "l", n.bn("b2", n.bn("b", n.x(), 5), 5), true))
		}, "Gemm"},
		{"BatchNorm behind", func(n *net) *graph.Graph { return n.done(n.bn("b", gemm(n, "l", n.x(), true), 3)) }, "Gemm BatchNormalization"},
		{"BatchNorm before two heads", func(n *net) *graph.Graph {
			b := n.bn("b", n.x(), 5)
			return n.done(n.Add("m", graph.Mean{}, gemm(n, "l", b, true), gemm(n, "k", b, true)))
		}, "Gemm"},
		{"two heads", func(n *net) *graph.Graph {
			return n.done(n.Add("m", graph.Mean{}, gemm(n, "l", n.bn("b", n.x(), 5), true), gemm(n, "k", n.bn("c", n.x(), 5), false)))
		}, "Gemm"},
		{"three heads", func(n *net) *graph.Graph {
			return n.done(n.Add("m", graph.Mean{}, gemm(n, "l", n.x(), true), gemm(n, "k", n.x(), false), gemm(n, "j", n.x(), true)))
		}, "Gemm"},
		{"a mean among heads", func(n *net) *graph.Graph {
			m := n.Add("inner", graph.Mean{}, gemm(n, "l", n.bn("b", n.x(), 5), true), gemm(n, "k", n.x(), true))
			return n.done(n.Add("m", graph.Mean{}, m, gemm(n, "j", n.x(), true)))
		}, "Gemm"},
		{"BatchNorm before a mean of heads", func(n *net) *graph.Graph {
			b := n.bn("b", n.x(), 5)
			m := n.Add("m", graph.Mean{}, gemm(n, "l", b, true), gemm(n, "k", b, true))
			return n.done(n.Add("r", graph.Relu{}, m))
		}, "Gemm Relu"},
		{"one head twice", func(n *net) *graph.Graph {
			l := gemm(n, "l", n.x(), true)
			return n.done(n.Add("m", graph.Mean{}, l, l))
		}, "Gemm Mean"},
		{"a head that is an output", func(n *net) *graph.Graph {
			l := gemm(n, "l", n.x(), true)
			return n.done(n.Add("m", graph.Mean{}, l, gemm(n, "k", n.x(), true)), l)
		}, "Gemm Gemm Mean"},
		{"heads of different values", func(n *net) *graph.Graph {
			return n.done(n.Add("m", graph.Mean{}, gemm(n, "l", n.x(), true), gemm(n, "k", n.Add("r", graph.Relu{}, n.x()), true)))
		}, "Gemm Relu Gemm Mean"},
		{"mean of other values", func(n *net) *graph.Graph {
			return n.done(n.Add("m", graph.Mean{}, n.x(), n.Add("r", graph.Relu{}, n.x())))
		}, "Relu Mean"},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, c.build(newNet(4, 5)), c.want) })
	}
}

// check fuses g and compares operators, outputs, names, and a second fusing.
func check(t *testing.T, g *graph.Graph, want string) {
	t.Helper()
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	before := kinds(g)
	f := Fuse(g)
	if kinds(g) != before {
		t.Error("the graph that was fused has changed")
	}
	if err := f.Validate(); err != nil {
		t.Fatal(err)
	}
	if got := kinds(f); got != want {
		t.Errorf("%s is left, want %s", got, want)
	}
	for i, v := range g.Outputs {
		if f.Outputs[i].Name != v.Name {
			t.Errorf("output %q is named %q", v.Name, f.Outputs[i].Name)
		}
	}
	x := input(g.Inputs[0].Type.Shape)
	a, b := run(t, g, x), run(t, f, x)
	scale := 1.0
	for _, v := range a {
		scale = max(scale, math.Abs(v))
	}
	for i := range a {
		if d := math.Abs(a[i] - b[i]); !(d <= 3e-6*scale) {
			t.Fatalf("element %d is %v, want %v", i, b[i], a[i])
		}
	}
	again := Fuse(f)
	if kinds(again) != want {
		t.Errorf("fused again: %s", kinds(again))
	}
	for i, n := range again.Nodes {
		for j, v := range n.Inputs {
			if w := f.Nodes[i].Inputs[j]; v.Name != w.Name || v.Const != w.Const {
				t.Errorf("fused again, operand %q became %q", w.Name, v.Name)
			}
		}
	}
}

// TestFoldedValues computes one fold by hand.
func TestFoldedValues(t *testing.T) {
	vec := func(name string, v ...float32) *graph.Value {
		return graph.Weight(name, graph.Float32Tensor([]int{len(v)}, v))
	}
	g := &graph.Graph{Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 1, 2, 2)}}}}
	c := g.Add("c", graph.Conv{Strides: [2]int{1, 1}, Group: 1}, g.Inputs[0], graph.Weight("w", graph.Float32Tensor([]int{2, 1, 1, 1}, []float32{3, -5})))
	b := g.Add("b", graph.BatchNorm{Epsilon: 0.25}, c, vec("gamma", 4, -6), vec("beta", 10, 20), vec("mean", 2, 7), vec("variance", 3.75, 8.75))
	g.Outputs = []*graph.Value{b}
	n := Fuse(g).Nodes[0]
	if got := n.Inputs[1].Const.Float32s(); !slices.Equal(got, []float32{6, 10}) || n.Inputs[1].Name != "b.weight" {
		t.Errorf("weight %s is %v", n.Inputs[1].Name, got)
	}
	if got := n.Inputs[2].Const.Float32s(); !slices.Equal(got, []float32{6, 34}) || n.Inputs[2].Name != "b.bias" {
		t.Errorf("bias %s is %v", n.Inputs[2].Name, got)
	}
}

// TestOtherTypes leaves weights alone that are not float32: their sums would have to be
// rounded to them.
func TestOtherTypes(t *testing.T) {
	n := newNet(1, 4, 6, 6)
	g := n.done(n.bn("b", n.conv("c", n.x(), 5, 4, 1, 1, 1), 5))
	g.Inputs[0].Type.DType = graph.Float16
	for _, v := range g.Weights() {
		v.Const = v.Const.Half()
	}
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	if got := kinds(Fuse(g)); got != "Conv BatchNormalization" {
		t.Errorf("%s is left", got)
	}
}

func open(t testing.TB, name string) *graph.Graph {
	t.Helper()
	f, err := pytorch.Open("../testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	sd, err := f.StateDict(pytorch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := family.Build(sd, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m.Graph
}

// TestAgainstPyTorch compares a fused network's values with the float64 logits of PyTorch.
// PyTorch's own fused float32 model misses them by about 1e-5.
func TestAgainstPyTorch(t *testing.T) {
	data, err := os.ReadFile("../testdata/input.npy")
	if err != nil {
		t.Fatal(err)
	}
	x, err := npy.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"v1_release", "v2_release"} {
		g := open(t, name+".pth")
		data, err := os.ReadFile("../testdata/" + name + ".logits64.npy")
		if err != nil {
			t.Fatal(err)
		}
		want, err := npy.Read(data)
		if err != nil {
			t.Fatal(err)
		}
		f := Fuse(g)
		for _, n := range f.Nodes {
			switch n.Op.(type) {
			case graph.BatchNorm, graph.Mean:
				t.Errorf("%s: %s is left", name, n.Name())
			}
		}
		for i, v := range run(t, f, x) {
			if d := math.Abs(v - want.Float64s()[i]); !(d < 2e-6) {
				t.Errorf("%s: logit %d misses by %g", name, i, d)
			}
		}
	}
}

// TestDeterministic fuses on one core and on many.
func TestDeterministic(t *testing.T) {
	tensors := torchtest.Tiny().StateDict()
	f, err := pytorch.Decode("tiny", torchtest.Safetensors(tensors...))
	if err != nil {
		t.Fatal(err)
	}
	sd, err := f.StateDict(pytorch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := family.Build(sd, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	one := Fuse(m.Graph)
	runtime.GOMAXPROCS(8)
	many := Fuse(m.Graph)
	a, b := one.Weights(), many.Weights()
	if len(a) != len(b) {
		t.Fatal("weights differ in number")
	}
	for i := range a {
		if a[i].Name != b[i].Name || !slices.Equal(a[i].Const.Bytes(), b[i].Const.Bytes()) {
			t.Errorf("%s differs", a[i].Name)
		}
	}
}

func BenchmarkFuse(b *testing.B) {
	g := open(b, "v2_release.pth")
	for b.Loop() {
		Fuse(g)
	}
}
