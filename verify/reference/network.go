package reference

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/panics"
)

// Errors that the package's functions wrap, beside those of package graph.
var (
	ErrUnsupported = graph.ErrUnsupported             // the graph or an option is not one this package takes
	ErrPanic       = errors.New("panic in execution") // a defect of this package
)

const maxThreads = 1 << 10

// Network runs one graph. It may be used from many goroutines at once.
type Network struct {
	// MaxMemory is the bytes that a run may hold, its input not included. It may be set
	// before the first run. 0 means the default of [graph.Budget], which bounds the time of
	// a run as well.
	MaxMemory int64

	graph    *graph.Graph
	declared map[*graph.Value]graph.Type
	threads  int
}

// New prepares g, which must not be changed afterwards. Threads is
// how many goroutines compute at a time, 0 for as many as Go uses cores (GOMAXPROCS). The
// error wraps [graph.ErrGraph] or [graph.ErrShape] where the graph is not valid,
// [graph.ErrTooLarge] where it has more nodes or elements than may be, else
// [ErrUnsupported].
func New(g *graph.Graph, threads int) (n *Network, err error) {
	defer panics.Catch(&err, ErrPanic)
	types, err := g.Types()
	if err != nil {
		return nil, err
	}
	for _, node := range g.Nodes {
		if operators[node.Op.Kind()].run == nil {
			return nil, fmt.Errorf("%s: %w: operator %s", node.Name(), ErrUnsupported, node.Op.Kind())
		}
		for _, v := range node.Inputs {
			if v.Const == nil {
				continue
			}
			if err := exact(v.Const); err != nil {
				return nil, fmt.Errorf("weight %q: %w", v.Name, err)
			}
		}
		if d := types[node.Output].DType; node.Is(graph.Arithmetic) && !d.IsFloat() {
			return nil, fmt.Errorf("%s (%s): %w: arithmetic on %v, which can overflow, expected floats", node.Name(), node.Op.Kind(), ErrUnsupported, d)
		}
	}
	if threads < 0 || threads > maxThreads {
		return nil, fmt.Errorf("%w: %d threads, expected 0 to %d", ErrUnsupported, threads, maxThreads)
	}
	if threads == 0 {
		threads = min(runtime.GOMAXPROCS(0), maxThreads)
	}
	return &Network{graph: g, declared: types, threads: threads}, nil
}

// Like returns a network that runs g, which must not be changed afterwards, with as many threads and
// as much memory. The errors are those of [New].
func (n *Network) Like(g *graph.Graph) (*Network, error) {
	other, err := New(g, n.threads)
	if err == nil {
		other.MaxMemory = n.MaxMemory
	}
	return other, err
}

// Graph returns the network that is run. It must not be changed.
func (n *Network) Graph() *graph.Graph { return n.graph }

// Run computes the graph's first output, the logits N×classes of a classifier, as
// Float64, for an input N×3×H×W of floats, which are taken as they are, of whatever type. Inputs
// and outputs that are integers or truth values are of the type that the graph declares. Inside
// they are float64: integers beyond 2⁵³ are refused with [ErrUnsupported]. The error wraps [graph.ErrShape] where the input does not fit the graph and
// [graph.ErrTooLarge] where the run takes more than the budget allows, and is that of ctx
// where that is done: Run looks at it between nodes and between the parts that threads work on.
func (n *Network) Run(ctx context.Context, x *graph.Tensor) (*graph.Tensor, error) {
	all, err := n.RunAll(ctx, x)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// RunAll is [Network.Run] for graphs with several outputs, such as a backbone's feature
// maps. It returns them in the graph's order.
func (n *Network) RunAll(ctx context.Context, x *graph.Tensor) ([]*graph.Tensor, error) {
	return n.RunInputs(ctx, []*graph.Tensor{x})
}

// RunInputs is [Network.RunAll] for graphs with several inputs, in the graph's order.
func (n *Network) RunInputs(ctx context.Context, inputs []*graph.Tensor) ([]*graph.Tensor, error) {
	return n.run(ctx, inputs, nil)
}

// ObserveInputs is [Network.Observe] for graphs with several inputs, in the graph's order.
func (n *Network) ObserveInputs(ctx context.Context, inputs []*graph.Tensor, f func(v *graph.Value, t *graph.Tensor) error) error {
	_, err := n.run(ctx, inputs, f)
	return err
}

// Observe runs a network with one input and calls f with the graph's input and then with every value
// that a node produces, in the order of the nodes, as Float64 tensors. The run goes on
// reading a tensor after f returns: f may keep it but must not write to it. An error from
// f ends the run and is returned.
func (n *Network) Observe(ctx context.Context, x *graph.Tensor, f func(v *graph.Value, t *graph.Tensor) error) error {
	return n.ObserveInputs(ctx, []*graph.Tensor{x}, f)
}

func (n *Network) run(ctx context.Context, inputs []*graph.Tensor, f func(*graph.Value, *graph.Tensor) error) ([]*graph.Tensor, error) {
	if len(inputs) != len(n.graph.Inputs) {
		return nil, fmt.Errorf("%w: found %d inputs, expected %d", graph.ErrShape, len(inputs), len(n.graph.Inputs))
	}
	values := map[*graph.Value]array{}
	var shapes []graph.Shape
	size := 0
	for i, in := range n.graph.Inputs {
		start, err := accept(in, inputs[i])
		if err != nil {
			return nil, err
		}
		values[in] = start
		shapes = append(shapes, graph.FixedShape(start.shape...))
		size += len(start.v)
	}
	sizes, err := n.graph.Sizes(inputs)
	if err != nil {
		return nil, err
	}
	types, err := n.types(sizes, shapes)
	if err != nil {
		return nil, err
	}
	for _, in := range n.graph.Inputs {
		if f == nil {
			break
		}
		if err := f(in, values[in].tensor()); err != nil {
			return nil, err
		}
	}
	uses := n.uses()
	if err := n.afford(types, uses, size); err != nil {
		return nil, err
	}
	for _, node := range n.graph.Nodes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out, err := n.node(ctx, node, values, types)
		if err != nil {
			return nil, fmt.Errorf("%s (%s): %w", node.Name(), node.Op.Kind(), err)
		}
		for i, v := range node.Outputs() {
			if f != nil {
				if err := f(v, out[i].tensor()); err != nil {
					return nil, err
				}
			}
			values[v] = out[i]
		}
		release(node, uses, func(v *graph.Value) { delete(values, v) })
	}
	outputs := make([]*graph.Tensor, len(n.graph.Outputs))
	for i, v := range n.graph.Outputs {
		outputs[i] = operand(values, v).typed(n.declared[v].DType)
	}
	return outputs, nil
}

// accept checks an input tensor.
func accept(in *graph.Value, x *graph.Tensor) (array, error) {
	if want := in.Type.DType; x == nil || x.DType != want && !(x.DType.IsFloat() && want.IsFloat()) {
		found, expected := "none", want.String()
		if x != nil {
			found = x.DType.String()
		}
		if want.IsFloat() {
			expected = "float32 or float64"
		}
		return array{}, fmt.Errorf("%w: input %q of %s, expected %s", graph.ErrShape, in.Name, found, expected)
	}
	if err := x.Validate(); err != nil {
		return array{}, fmt.Errorf("input %q: %w", in.Name, err)
	}
	if err := exact(x); err != nil {
		return array{}, fmt.Errorf("input %q: %w", in.Name, err)
	}
	return array{slices.Clone(x.Shape), x.Float64s()}, nil
}

// exact checks that float64 holds every element.
func exact(x *graph.Tensor) error {
	for _, v := range x.Int64s() {
		if v > 1<<53 || v < -1<<53 {
			return fmt.Errorf("%w: the integer %d, expected at most 2⁵³ in magnitude", ErrUnsupported, v)
		}
	}
	return nil
}

// types returns the type of every value for inputs of the shapes given, whose values say the sizes given.
func (n *Network) types(sizes []int, inputs []graph.Shape) (map[*graph.Value]graph.Type, error) {
	types, err := n.graph.Sized(sizes).Infer(inputs...)
	if err != nil {
		return nil, err
	}
	for _, node := range n.graph.Nodes {
		for _, v := range node.Outputs() {
			if s := types[v].Shape; !known(s) {
				return nil, fmt.Errorf("%w: %s has the shape %v for an input of %v", graph.ErrShape, v.Name, s, inputs)
			}
		}
	}
	return types, nil
}

func known(s graph.Shape) bool {
	_, ok := s.Ints()
	return ok
}

// afford checks what a run takes before it begins: operations, and the bytes of all values
// that are there at a time, with the operands of a node as float64.
func (n *Network) afford(types map[*graph.Value]graph.Type, uses map[*graph.Value]int, input int) error {
	budget := graph.NewBudget(n.graph, n.MaxMemory)
	if err := budget.CheckWork(n.graph.Nodes, types, input); err != nil {
		return err
	}
	size := func(v *graph.Value) int64 {
		dims, _ := types[v].Shape.Ints()
		return 8 * int64(elements(dims))
	}
	uses = maps.Clone(uses)
	held := int64(0)
	for _, node := range n.graph.Nodes {
		for _, v := range node.Outputs() {
			held += size(v)
		}
		most := held
		for _, v := range node.Inputs {
			if v.Const != nil {
				most += size(v)
			}
		}
		if err := budget.CheckMemory(input, most); err != nil {
			return fmt.Errorf("%s (%s): %w", node.Name(), node.Op.Kind(), err)
		}
		release(node, uses, func(v *graph.Value) {
			if v.Const == nil && v.Type == nil {
				held -= size(v)
			}
		})
	}
	return nil
}

// release counts a node's reads and calls f with the values that nothing reads any more.
func release(node *graph.Node, uses map[*graph.Value]int, f func(v *graph.Value)) {
	for _, v := range node.Inputs {
		if uses[v]--; uses[v] == 0 {
			f(v)
		}
	}
	for _, v := range node.Outputs() {
		if uses[v] == 0 {
			f(v)
		}
	}
}

// uses counts the readers of every value; being an output counts as one.
func (n *Network) uses() map[*graph.Value]int {
	uses := map[*graph.Value]int{}
	for _, node := range n.graph.Nodes {
		for _, v := range node.Inputs {
			uses[v]++
		}
	}
	for _, v := range n.graph.Outputs {
		uses[v]++
	}
	return uses
}

// node computes one node's outputs.
func (n *Network) node(ctx context.Context, node *graph.Node, values map[*graph.Value]array, types map[*graph.Value]graph.Type) (out []array, err error) {
	defer panics.Catch(&err, ErrPanic)
	in := make([]array, len(node.Inputs))
	for i, v := range node.Inputs {
		in[i] = operand(values, v)
	}
	for _, v := range node.Outputs() {
		out = append(out, newArray(types[v].Shape))
	}
	e := exec{ctx: ctx, threads: n.threads, result: types[node.Output].DType, further: out[1:]}
	operators[node.Op.Kind()].run(&e, node.Op, out[0], in)
	return out, e.failure()
}
