package graph

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Errors of what a graph asks for and its size does not explain.
var (
	// ErrTooLarge marks more nodes, outputs, axes, elements, memory or work than allowed.
	ErrTooLarge = errors.New("too large")
	// ErrBudget is ErrTooLarge where a [Budget] is exceeded: allowing more memory helps.
	ErrBudget = fmt.Errorf("%w", ErrTooLarge)
)

// Limits of every graph. Published networks have less than a tenth of it.
const (
	MaxNodes    = 1 << 15
	MaxOutputs  = 1 << 10
	MaxAxes     = 8             // of a value
	MaxElements = math.MaxInt32 // of a value
)

// The default budget.
const (
	baseMemory  = 16 << 20 // bytes
	memoryRatio = 32
	mostMemory  = 8 << 30
	baseWork    = 1 << 26
)

// Budget bounds what computing a graph may cost. A file of some hundred bytes can describe
// any amount of memory and work: outer products, paddings and broadcasting make large
// values of small ones. Weights and inputs are what a network's cost is measured by.
//
// A run may hold 16 MiB and 32 times the bytes of weights and input, at most 8 GiB. The
// networks of this project need up to 8 times their input, twice that in float64. Where the
// caller has said how much memory may be used, that counts instead.
//
// A run may take 2²⁶ operations (multiply-accumulates and operands of computed elements)
// and, for each element of the input, a sixteenth of what there are weights and 4 for each
// node. The networks of this project take a twentieth of it. Where the caller allows more
// memory than a run gets by default, the elements that it holds count as the input's.
type Budget struct {
	maxMemory              int64
	bytes, elements, nodes int64 // of the weights, and of the graph
}

// NewBudget returns the budget of a graph; maxMemory is in bytes, 0 for the default.
func NewBudget(g *Graph, maxMemory int64) Budget {
	b := Budget{maxMemory: maxMemory, nodes: int64(len(g.Nodes))}
	for _, v := range g.Weights() {
		b.bytes += int64(v.Const.Size())
		b.elements += int64(v.Const.Len())
	}
	return b
}

// Memory returns the bytes that a run on an input of so many elements may hold, the input
// itself not included; for an input of none, what the weights may become.
func (b Budget) Memory(input int) int64 {
	if b.maxMemory > 0 {
		return b.maxMemory
	}
	return min(baseMemory+memoryRatio*(b.bytes+int64(Float32.Size())*int64(input)), mostMemory)
}

// CheckMemory returns an error that wraps [ErrBudget] where a run on an input of so many
// elements needs more bytes than the budget has.
func (b Budget) CheckMemory(input int, need int64) error {
	if most := b.Memory(input); need > most {
		return fmt.Errorf("%w: it needs more than %d MiB of memory for an input of %d elements, expected at most %d", ErrBudget, need>>20, input, most>>20)
	}
	return nil
}

// CheckWork returns an error that wraps [ErrBudget] where computing the nodes takes more
// operations than a run on an input of so many elements may. All shapes must be known.
func (b Budget) CheckWork(nodes []*Node, types map[*Value]Type, input int) error {
	size := max(int64(input), b.extra(input))
	each := b.elements/16 + 4*b.nodes
	most := int64(math.MaxInt64)
	if size <= (math.MaxInt64-baseWork)/max(each, 1) {
		most = baseWork + size*each
	}
	var sum int64
	for _, n := range nodes {
		sum = AddCounts(sum, n.work(types))
		if sum > most {
			return fmt.Errorf("%w: %s (%s): up to here it takes %d operations for an input of %d elements, expected at most %d", ErrBudget, n.Name(), n.Op.Kind(), sum, input, most)
		}
	}
	return nil
}

// extra returns the elements that the memory allowed holds, 0 where that is no more than a
// run gets by default.
func (b Budget) extra(input int) int64 {
	if b.maxMemory <= (Budget{bytes: b.bytes}).Memory(input) {
		return 0
	}
	return b.maxMemory / int64(Float32.Size())
}

// Folding sums up what computing the nodes that depend on constants alone costs.
type Folding struct {
	budget      Budget
	work, bytes int64
}

// Folding returns an account of what computing constants in advance costs, which starts at
// nothing. It may take 2²⁰ operations and 64 for each weight's element, or as many as there
// are elements in the memory that the caller allows beyond the default, and the results may
// have as many bytes as [Budget.Memory] allows weights.
func (b Budget) Folding() *Folding { return &Folding{budget: b} }

// Add adds a node before it is computed. The error wraps [ErrBudget].
func (f *Folding) Add(n *Node, types map[*Value]Type) error {
	f.work = AddCounts(f.work, n.work(types))
	for _, v := range n.Outputs() {
		t := types[v]
		f.bytes = AddCounts(f.bytes, t.elements()*int64(t.DType.Size()))
	}
	if most := max(1<<20+64*f.budget.elements, f.budget.extra(0)); f.work > most {
		return fmt.Errorf("%w: constants take %d operations to compute, expected at most %d", ErrBudget, f.work, most)
	}
	if most := f.budget.Memory(0); f.bytes > most {
		return fmt.Errorf("%w: computed constants need more than %d MiB, expected at most %d", ErrBudget, f.bytes>>20, most>>20)
	}
	return nil
}

// work is the node's multiply-accumulates and elements, for shapes that are known.
func (n *Node) work(types map[*Value]Type) int64 {
	if o, ok := n.Op.(gatherer); ok {
		return n.times(types, n.Output, o.reads)
	}
	sum := n.MACs(types)
	for _, v := range n.Outputs() {
		sum = AddCounts(sum, types[v].elements()*int64(max(1, len(n.Inputs))))
	}
	return sum
}

// elements is the product of the axes that are known. [Graph.Infer] bounds it.
func (t Type) elements() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		if d.Known() {
			n *= int64(d.Size)
		}
	}
	return n
}

// AddCounts is a + b for counts, the largest int64 where that is more.
func AddCounts(a, b int64) int64 { return a + min(b, math.MaxInt64-a) }

// checkSizes bounds the axes of a value whose type is known: nothing is empty, and no
// product of sizes overflows.
func (t Type) checkSizes() error {
	if len(t.Shape) > MaxAxes {
		return fmt.Errorf("%w: %d axes, expected at most %d", ErrTooLarge, len(t.Shape), MaxAxes)
	}
	n := 1
	for _, d := range t.Shape {
		switch {
		case !d.Known():
		case d.Size < 0:
			return fmt.Errorf("%w: an axis of size %d in %v", ErrShape, d.Size, t.Shape)
		case slices.Contains(t.Shape, Fixed(0)):
			return fmt.Errorf("%w: no elements in %v", ErrUnsupported, t.Shape)
		case d.Size > MaxElements/n:
			return fmt.Errorf("%w: %v has more than %d elements", ErrTooLarge, t.Shape, MaxElements)
		default:
			n *= d.Size
		}
	}
	return nil
}
