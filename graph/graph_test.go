package graph

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// small is x → Conv → Gelu → GlobalAveragePool.
func small() *Graph {
	g := &Graph{Name: "small", Metadata: map[string]string{"k": "v"},
		Inputs: []*Value{{Name: "x", Type: &Type{Float32, dims("n", 3, "h", "w")}}}}
	y := g.Add("y", Conv{Strides: [2]int{1, 1}, Pads: [4]int{}, Group: 1}, g.Inputs[0],
		Weight("w", Float32Tensor([]int{4, 3, 3, 3}, make([]float32, 108))), Weight("b", Float32Tensor([]int{4}, make([]float32, 4))))
	z := g.Add("z", Gelu{}, y)
	g.Outputs = []*Value{g.Add("p", GlobalAveragePool{}, z)}
	return g
}

func names(nodes []*Node) string {
	var s []string
	for _, n := range nodes {
		s = append(s, n.Name())
	}
	return strings.Join(s, " ")
}

func TestClone(t *testing.T) {
	g := small()
	g.Outputs = append(g.Outputs, g.Nodes[0].Output)
	c := g.Clone()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.Name != "small" || c.Nodes[0].Inputs[1] == g.Nodes[0].Inputs[1] || c.Nodes[0].Inputs[1].Const != g.Nodes[0].Inputs[1].Const {
		t.Error("values are shared, or tensors are not")
	}
	if c.Outputs[1] != c.Nodes[0].Output || c.Nodes[1].Inputs[0] != c.Nodes[0].Output || c.Nodes[0].Inputs[0] != c.Inputs[0] {
		t.Error("edges are lost")
	}
	c.Nodes[0].Output.Name, c.Nodes[0].Inputs[1].Name, c.Metadata["k"], c.Inputs[0].Name = "other", "other w", "other", "other x"
	c.Nodes[1].Op, c.Nodes[1].Inputs = Relu{}, nil
	c.Outputs[0] = nil
	if err := g.Validate(); err != nil || names(g.Nodes) != "y z p" || g.Metadata["k"] != "v" || g.Nodes[1].Op != any(Gelu{}) {
		t.Errorf("the original changed: %v", err)
	}
}

func TestPrune(t *testing.T) {
	g := small()
	g.Add("dead end", Relu{}, g.Add("dead", Relu{}, g.Nodes[0].Output))
	g.Prune()
	if names(g.Nodes) != "y z p" {
		t.Errorf("%s", names(g.Nodes))
	}
	g.Outputs = []*Value{g.Nodes[0].Output}
	g.Prune()
	if names(g.Nodes) != "y" {
		t.Errorf("%s", names(g.Nodes))
	}
	g.Outputs = g.Inputs
	if g.Prune(); len(g.Nodes) != 0 {
		t.Errorf("%s", names(g.Nodes))
	}
}

func TestEdges(t *testing.T) {
	g := small()
	twice := g.Add("twice", Add{}, g.Nodes[1].Output, g.Nodes[1].Output)
	if g.Producers()[twice].Name() != "twice" || g.Producers()[g.Inputs[0]] != nil {
		t.Error("producers")
	}
	if got := names(g.Consumers()[g.Nodes[1].Output]); got != "p twice twice" {
		t.Errorf("consumers %s", got)
	}
	if !g.IsOutput(g.Outputs[0]) || g.IsOutput(twice) {
		t.Error("outputs")
	}
	shared := g.Nodes[0].Inputs[1]
	g.Add("again", Conv{Strides: [2]int{1, 1}, Pads: [4]int{}, Group: 1}, g.Inputs[0], shared)
	if ws := g.Weights(); len(ws) != 2 || ws[0] != shared || ws[1].Name != "b" {
		t.Errorf("weights %v", ws)
	}
}

// chain appends n nodes.
func chain(g *Graph, n int) {
	x := g.Outputs[0]
	for i := range n {
		x = g.Add(fmt.Sprint("chain", i), Relu{}, x)
	}
}

func TestValidate(t *testing.T) {
	if err := small().Validate(); err != nil {
		t.Fatal(err)
	}
	weight := func(name string) *Value { return Weight(name, Float32Tensor([]int{1}, []float32{1})) }
	for _, c := range []struct {
		name   string
		change func(g *Graph)
		is     error
		want   string
	}{
		{"no name", func(g *Graph) { g.Nodes[1].Output.Name = "" }, ErrGraph, "has no name"},
		{"a name twice", func(g *Graph) { g.Nodes[1].Output.Name = "y" }, ErrGraph, `two values are named "y"`},
		{"a weight named like a node", func(g *Graph) { g.Nodes[0].Inputs[1].Name = "p" }, ErrGraph, `two values are named "p"`},
		{"input without a type", func(g *Graph) { g.Inputs[0].Type = nil }, ErrGraph, `input "x" declares no type`},
		{"input twice", func(g *Graph) { g.Inputs = append(g.Inputs, g.Inputs[0]) }, ErrGraph, `input "x" stands twice`},
		{"no operator", func(g *Graph) { g.Nodes[1].Op = nil }, ErrGraph, "lacks its operator"},
		{"no output", func(g *Graph) { g.Nodes[1].Output = nil }, ErrGraph, "lacks its operator or output"},
		{"operand missing", func(g *Graph) { g.Nodes[1].Inputs[0] = nil }, ErrGraph, "operand 0 of z is missing"},
		{"out of order", func(g *Graph) { slices.Reverse(g.Nodes) }, ErrGraph, `p reads "z", which nothing before it produces`},
		{"a loop", func(g *Graph) { g.Nodes[1].Inputs[0] = g.Nodes[1].Output }, ErrGraph, `z reads "z"`},
		{"produced twice", func(g *Graph) { g.Nodes = append(g.Nodes, g.Nodes[2]) }, ErrGraph, `an output of node "p" is missing, or is produced twice`},
		{"a weight is produced", func(g *Graph) { g.Nodes[2].Output.Const = weight("w").Const }, ErrGraph, `an output of node "p" is missing, or is produced twice`},
		{"no outputs", func(g *Graph) { g.Outputs = nil }, ErrGraph, "it has no outputs"},
		{"nil output", func(g *Graph) { g.Outputs[0] = nil }, ErrGraph, "not produced by any node"},
		{"output of nothing", func(g *Graph) { g.Outputs[0] = &Value{Name: "o"} }, ErrGraph, "not produced by any node"},
		{"output twice", func(g *Graph) { g.Outputs = append(g.Outputs, g.Outputs[0]) }, ErrGraph, `output "p" stands twice`},
		{"weight too short", func(g *Graph) {
			g.Nodes[0].Inputs[1].Const = &Tensor{DType: Float32, Shape: []int{4, 3, 3, 3}, data: make([]byte, 8)}
		}, ErrShape, `weight "w": `},
		{"shapes", func(g *Graph) { g.Nodes[0].Inputs[2] = weight("b") }, ErrShape, "y (Conv): "},
		{"no inputs", func(g *Graph) { g.Inputs = nil }, ErrUnsupported, "without inputs"},
		{"an empty input", func(g *Graph) { g.Inputs[0].Type.Shape[2] = Fixed(0) }, ErrUnsupported, `input "x": unsupported: no elements`},
		{"a negative input", func(g *Graph) { g.Inputs[0].Type.Shape[2] = Fixed(-1) }, ErrShape, `input "x": `},
		{"a huge axis", func(g *Graph) { g.Inputs[0].Type.Shape[2] = Fixed(math.MaxInt) }, ErrTooLarge, `input "x": `},
		{"a huge input", func(g *Graph) { g.Inputs[0].Type.Shape = FixedShape(1<<20, 3, 1<<10, 1) }, ErrTooLarge, `input "x": `},
		{"overflow", func(g *Graph) { g.Inputs[0].Type.Shape = FixedShape(1<<31-1, 1<<31-1, 4, 1) }, ErrTooLarge, `input "x": `},
		{"many axes", func(g *Graph) { g.Inputs[0].Type.Shape = make(Shape, 64) }, ErrTooLarge, "64 axes, expected at most 8"},
		{"no type", func(g *Graph) { g.Inputs[0].Type.DType = 0 }, ErrGraph, "declares no type"},
		{"an empty weight", func(g *Graph) { g.Nodes[0].Inputs[2] = Weight("b", Float32Tensor([]int{0}, nil)) }, ErrUnsupported, `weight "b": unsupported: no elements in 0`},
		{"large padding", func(g *Graph) {
			g.Inputs[0].Type.Shape = FixedShape(1, 3, 4, 4)
			g.Nodes[0].Op = Conv{Strides: [2]int{1, 1}, Pads: [4]int{1 << 29, 1, 1 << 29, 1}, Group: 1}
		}, ErrTooLarge, "y (Conv): "},
		{"many nodes", func(g *Graph) { chain(g, MaxNodes) }, ErrTooLarge, "nodes, expected at most 32768"},
		{"many outputs", func(g *Graph) {
			chain(g, MaxOutputs)
			for _, n := range g.Nodes[3:] {
				g.Outputs = append(g.Outputs, n.Output)
			}
		}, ErrTooLarge, "1025 outputs, expected at most 1024"},
	} {
		g := small()
		c.change(g)
		if err := g.Validate(); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestCounts(t *testing.T) {
	g := small()
	vec := func(name string, n int) *Value { return Weight(name, Float32Tensor([]int{n}, make([]float32, n))) }
	n := g.Add("n", BatchNorm{1e-5}, g.Outputs[0], vec("g", 4), vec("be", 4), vec("m", 4), vec("v", 4))
	f := g.Add("f", Flatten{}, n)
	l := g.Add("l", Gemm{}, f, Weight("lw", Float32Tensor([]int{5, 4}, make([]float32, 20))), vec("lb", 5))
	q := Weight("qw", Int8Tensor([]int{5, 6}, make([]int8, 30)))
	d := g.Add("d", DequantizeLinear{}, q, Weight("qs", Float32Tensor(nil, []float32{1})), Weight("qz", Int8Tensor(nil, []int8{0})))
	g.Outputs = []*Value{g.Add("mm", MatMul{}, l, d)}
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	if got, want := g.Parameters(), int64(108+4+4+4+20+5+30); got != want {
		t.Errorf("%d parameters, want %d", got, want)
	}
	macs, err := g.MACs(FixedShape(2, 3, 5, 6))
	if want := int64(2*4*3*4*27 + 2*5*4 + 2*6*5); err != nil || macs != want {
		t.Errorf("%d multiply-accumulates, %v; want %d", macs, err, want)
	}
	if macs, err := g.MACs(dims(2, 3, "h", 6)); err != nil || macs != 2*5*4+2*6*5 {
		t.Errorf("%d multiply-accumulates of what is known, %v", macs, err)
	}
	if _, err := g.MACs(FixedShape(1, 3, 1, 1)); !errors.Is(err, ErrShape) {
		t.Errorf("an input that does not fit: %v", err)
	}
	if _, err := g.MACs(FixedShape(1<<30, 3, 1<<20, 1<<20)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a huge input: %v", err)
	}
	// A weight that two nodes share counts once.
	before := g.Parameters()
	g.Add("again", Conv{Strides: [2]int{1, 1}, Pads: [4]int{}, Group: 1}, g.Inputs[0], g.Nodes[0].Inputs[1])
	if g.Parameters() != before {
		t.Error("a shared weight counts twice")
	}
}
