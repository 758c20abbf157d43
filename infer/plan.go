package infer

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// layout says how a value's elements lie in memory.
type layout uint8

const (
	// planarLayout is the graph's own order without gaps, as callers hand tensors in.
	planarLayout layout = iota
	// chansLayout is that of package kernel for N×C×H×W: channels last, padded.
	chansLayout
	// rowsLayout is a matrix whose columns are the last axis, padded.
	rowsLayout
)

// natural is the layout in which operators produce values of a rank.
func natural(rank int) layout {
	if rank == 4 {
		return chansLayout
	}
	return rowsLayout
}

// buffer is where a value lies while a plan runs.
type buffer struct {
	shape      []int
	layout     layout
	rows, cols int
	ld         int  // elements from one row to the next
	bytes      bool // elements are uint8, not float32
	// Where: in the arena, or a constant, or else one of the run's inputs.
	store *storage
	fixed []float32
	input int // which
}

// storage is a part of the arena. Several buffers share one if they are views of the same
// elements or an operator works in place.
type storage struct {
	size        int // in elements of four bytes
	first, last int // steps that use it
	offset      int
	pending     int // reads by operators not yet planned
}

// newBuffer returns a buffer without a place.
func newBuffer(shape []int, l layout) *buffer {
	b := &buffer{shape: shape, layout: l}
	switch {
	case l == planarLayout:
		b.rows, b.cols = 1, elements(shape)
		b.ld = b.cols
		return b
	case len(shape) == 0:
		b.rows, b.cols = 1, 1
	case l == chansLayout:
		b.rows, b.cols = shape[0]*shape[2]*shape[3], shape[1]
	default:
		b.rows, b.cols = elements(shape[:len(shape)-1]), shape[len(shape)-1]
	}
	b.ld = kernel.Pad(b.cols, kernel.Lanes)
	return b
}

// strides returns the distance in memory of neighbours along each axis of the shape.
func (b *buffer) strides() []int {
	s := make([]int, len(b.shape))
	step := 1
	place := func(axis int) {
		s[axis] = step
		step *= b.shape[axis]
	}
	if b.layout == chansLayout {
		s[1] = 1
		step = b.ld
		place(3)
		place(2)
		place(0)
		return s
	}
	for i := len(s) - 1; i >= 0; i-- {
		place(i)
		if i == len(s)-1 {
			step = b.ld
			if b.layout == planarLayout {
				step = b.shape[i]
			}
		}
	}
	return s
}

// plan is a program for one shape of each input, and for sizes that their values say.
type plan struct {
	program *program
	inputs  [][]int
	sizes   []int     // that values of inputs say: [graph.Graph.Sizes]
	outputs []*buffer // planar
	steps   []step
	arena   int // elements
	values  int // arena's parts
	naive   int // elements that the arena would need if nothing were reused
	scratch int
	threads int
}

// step is one parallel piece of work.
type step struct {
	name  string // of the value that it helps to compute
	kind  string
	op    *opBase
	done  []result // values that are there when it has run
	units int
	grain int
	bind  func(e *exec) func(l *local, from, to int)
}

// result is a value of the graph and where it lies.
type result struct {
	value *graph.Value
	at    *buffer
}

// planner makes a plan.
type planner struct {
	*plan
	set     *kernel.Float32
	types   map[*graph.Value]graph.Type
	values  map[*graph.Value]*buffer
	views   map[viewKey]*buffer
	stores  []*storage
	current *opBase
	keep    bool // no operator works in place

	most  int64 // elements of arena, outputs and constants together
	fixed int   // elements of constants and outputs
	large bool  // a single value needs more
}

type viewKey struct {
	v *graph.Value
	l layout
}

// maxElements bounds a value so that indexes fit an int32 and the arena any memory.
const maxElements = math.MaxInt32

// newPlan plans program for inputs of the shapes given, whose values say the sizes given.
func newPlan(pr *program, shapes [][]int, sizes []int, threads int) (*plan, error) {
	g := pr.graph.Sized(sizes)
	types, err := g.Infer(fixed(shapes)...)
	if err != nil {
		return nil, err
	}
	for v, t := range types {
		dims, ok := t.Shape.Ints()
		if !ok {
			return nil, fmt.Errorf("%w: %q has shape %v for an input of %v", graph.ErrShape, v.Name, t.Shape, list(shapes))
		}
		if n, err := graph.Numel(dims); err != nil || n > maxElements/2 {
			return nil, fmt.Errorf("%w: %q has shape %v for an input of %v, expected at most %d elements", graph.ErrTooLarge, v.Name, t.Shape, list(shapes), maxElements/2)
		}
	}
	size, budget := 0, pr.weights.budget
	for _, s := range shapes {
		size += elements(s)
	}
	if err := budget.CheckWork(g.Nodes, types, size); err != nil {
		return nil, err
	}
	p := &planner{
		plan:   &plan{program: pr, inputs: clone(shapes), sizes: slices.Clone(sizes), threads: threads},
		most:   (budget.Memory(size) - pr.weights.bytes.Load()) / 4,
		set:    pr.weights.set,
		types:  types,
		values: map[*graph.Value]*buffer{},
		views:  map[viewKey]*buffer{},
	}
	if err := p.make(); err != nil {
		return nil, err
	}
	return p.plan, nil
}

// make plans all operators and gives values their places.
func (p *planner) make() error {
	for i, v := range p.program.graph.Inputs {
		b := newBuffer(p.inputs[i], planarLayout)
		b.input = i
		p.values[v] = b
	}
	for _, o := range p.program.ops {
		p.current = o.base()
		err := o.plan(p)
		if p.large {
			err = p.tooLarge()
		}
		if err != nil {
			return fmt.Errorf("%s (%s): %w", p.current.out.Name, p.current.kind, err)
		}
		if k := len(p.steps) - 1; k >= 0 {
			for _, v := range append([]*graph.Value{p.current.out}, p.current.also...) {
				p.steps[k].done = append(p.steps[k].done, result{v, p.values[v]})
			}
		}
		for _, v := range p.current.in {
			if b := p.values[v]; b != nil && b.store != nil {
				b.store.pending--
			}
		}
	}
	for i, v := range p.program.graph.Outputs {
		p.output(i, v)
	}
	if p.place(); p.large {
		return p.tooLarge()
	}
	return nil
}

// tooLarge is the error of a plan that needs more memory than it may.
func (p *planner) tooLarge() error {
	return fmt.Errorf("%w: an input of %v needs more than %d MiB of memory beside the weights", graph.ErrBudget, list(p.inputs), 4*p.most>>20)
}

// list is how errors name the shapes of inputs.
func list(shapes [][]int) string {
	var s []string
	for _, dims := range shapes {
		s = append(s, fmt.Sprint(dims))
	}
	return strings.Join(s, " and ")
}

func clone(shapes [][]int) [][]int {
	c := make([][]int, len(shapes))
	for i, s := range shapes {
		c[i] = slices.Clone(s)
	}
	return c
}

// spend counts elements and reports whether there may be so many.
func (p *planner) spend(elements int) bool {
	p.fixed += elements
	p.large = p.large || int64(p.fixed) > p.most
	return !p.large
}

func (p *planner) dims(v *graph.Value) []int {
	d, _ := p.types[v].Shape.Ints() // newPlan checked that all are known
	return d
}

// value returns v in the layout given, converted if it lies in another.
func (p *planner) value(v *graph.Value, l layout) *buffer {
	b := p.any(v)
	if b.layout == l {
		return b
	}
	key := viewKey{v, l}
	if c, ok := p.views[key]; ok {
		return c
	}
	c := newBuffer(b.shape, l)
	p.allocate(c)
	c.store.pending = 1 << 30 // not to be overwritten: others may find it in views
	p.copy(c, b)
	p.views[key] = c
	return c
}

// any returns v in whatever layout it lies, as float32.
func (p *planner) any(v *graph.Value) *buffer {
	if b, ok := p.values[v]; ok {
		if b.bytes {
			return p.widened(v, b)
		}
		return b
	}
	// A constant that is a data operand.
	shape := v.Const.Shape
	b := newBuffer(shape, natural(len(shape)))
	p.values[v] = b
	if !p.spend(b.rows * b.ld) {
		b.fixed = []float32{} // it will not be read
		return b
	}
	b.fixed = kernel.Floats(b.rows * b.ld)
	src := newBuffer(shape, planarLayout)
	w, values := newWalker(b, src), v.Const.Float32s()
	for r := range outer(b) {
		to, from := w.row(r)
		for i := range w.n {
			b.fixed[to+i*w.a] = values[from+i*w.c]
		}
	}
	return b
}

// natural returns v in a layout with padded rows, whichever it is.
func (p *planner) natural(v *graph.Value) *buffer {
	b := p.any(v)
	if b.layout == planarLayout {
		return p.value(v, natural(len(b.shape)))
	}
	return b
}

// allocate gives b a new part of the arena.
func (p *planner) allocate(b *buffer) {
	size := b.rows * b.ld
	if b.bytes {
		size = (size + 3) / 4
	}
	p.large = p.large || int64(size) > p.most
	b.store = &storage{size: size, first: len(p.steps), last: len(p.steps)}
	p.stores = append(p.stores, b.store)
}

// result returns a buffer for the current operator's value. It shares the storage of one
// of the candidates if one has the same geometry and nothing reads it later.
func (p *planner) result(l layout, candidates ...*buffer) *buffer {
	b := newBuffer(p.dims(p.current.out), l)
	for _, c := range candidates {
		if c != nil && p.dies(c) && c.rows == b.rows && c.ld == b.ld {
			b.store = c.store
			p.define(p.current.out, b)
			return b
		}
	}
	p.allocate(b)
	p.define(p.current.out, b)
	return b
}

// further returns buffers for the current operator's outputs behind the first.
func (p *planner) further() []*buffer {
	var list []*buffer
	for _, v := range p.current.also {
		b := newBuffer(p.dims(v), natural(len(p.dims(v))))
		p.allocate(b)
		p.define(v, b)
		list = append(list, b)
	}
	return list
}

// alias makes the current operator's value another view of x, which has the same elements
// in memory.
func (p *planner) alias(x *buffer, l layout) {
	b := newBuffer(p.dims(p.current.out), l)
	b.store, b.fixed, b.bytes, b.ld = x.store, x.fixed, x.bytes, x.ld
	p.values[p.current.out] = b
	if b.store != nil {
		b.store.pending += p.program.uses[p.current.out]
	}
}

// define makes b the place of a value that the current operator produces.
func (p *planner) define(v *graph.Value, b *buffer) {
	p.values[v] = b
	b.store.pending += p.program.uses[v]
}

// dies reports whether the current operator is the last that reads b.
func (p *planner) dies(b *buffer) bool {
	if b.store == nil || p.keep {
		return false
	}
	reads := 0
	for _, v := range p.current.in {
		if x := p.values[v]; x != nil && x.store == b.store {
			reads++
		}
	}
	return b.store.pending == reads
}

// step appends a step over units units, each worth about work multiplications, that uses
// the buffers given. Parts are multiples of align units.
func (p *planner) step(units, work, align int, use []*buffer, bind func(e *exec) func(l *local, from, to int)) {
	// A part should take some microseconds at least, and there should be enough of them to
	// finish together.
	const least = 1 << 17
	grain := max(1, least/max(work, 1))
	grain = max(grain, units/(64*p.threads))
	grain = kernel.Pad(grain, align)
	p.steps = append(p.steps, step{name: p.current.out.Name, kind: p.current.kind, op: p.current, units: units, grain: grain, bind: bind})
	for _, b := range use {
		if b != nil && b.store != nil {
			b.store.last = len(p.steps) - 1
		}
	}
}

// output appends the step that hands out graph output i.
func (p *planner) output(i int, v *graph.Value) {
	b := p.any(v)
	p.current = &opBase{kind: "Output", out: v}
	out := newBuffer(b.shape, planarLayout)
	p.outputs = append(p.outputs, out)
	p.spend(out.cols)
	bind := func(e *exec) func(*local, int, int) {
		return func(_ *local, from, to int) {
			if b.layout == chansLayout {
				p.set.ToPlanar(e.outputs[i], e.matrix(b), b.cols, b.shape[2]*b.shape[3], from, to)
				return
			}
			src := e.data(b)
			for r := from; r < to; r++ {
				copy(e.outputs[i][r*b.cols:][:b.cols], src[r*b.ld:][:b.cols])
			}
		}
	}
	p.step(b.rows, b.cols, 8, []*buffer{b}, bind)
}

// images calls f for the parts of rows [from, to) that are in one image: the first row, its pixel in the
// image, how many rows, and how many pixels the image has.
func (b *buffer) images(from, to int, f func(first, pixel, count, pixels int)) {
	pixels := b.shape[2] * b.shape[3]
	for from < to {
		n := min(to-from, pixels-from%pixels)
		f(from, from%pixels, n, pixels)
		from += n
	}
}

// copy appends a step that copies src to dst, which have the same shape.
func (p *planner) copy(dst, src *buffer) {
	if dst.layout == chansLayout && src.layout == planarLayout {
		p.step(dst.rows, 2*dst.ld, 16, []*buffer{dst, src}, func(e *exec) func(*local, int, int) {
			out := e.matrix(dst)
			return func(_ *local, begin, end int) {
				in := e.data(src) // the input changes from run to run
				dst.images(begin, end, func(first, pixel, count, pixels int) {
					m := kernel.Matrix{Data: out.Data[first*out.LD:], Rows: count, LD: out.LD}
					kernel.FromPlanar(m, in[(first-pixel)*dst.cols+pixel:], dst.cols, pixels)
				})
			}
		})
		return
	}
	units := outer(dst)
	p.step(units, 4*dst.rows*dst.cols/max(units, 1), 1, []*buffer{dst, src}, func(e *exec) func(*local, int, int) {
		out, w := e.data(dst), newWalker(dst, src)
		return func(_ *local, begin, end int) {
			in := e.data(src) // the input changes from run to run
			for r := begin; r < end; r++ {
				to, from := w.row(r)
				for i := range w.n {
					out[to+i*w.a] = in[from+i*w.c]
				}
			}
			clearPadding(dst, out, begin, end)
		}
	})
}

// outer returns the number of rows that a walker goes through.
func outer(b *buffer) int {
	if b.layout == planarLayout {
		n := 1
		if len(b.shape) > 0 {
			n = elements(b.shape[:len(b.shape)-1])
		}
		return n
	}
	return b.rows
}

// axes returns the axes of b from the outermost in memory to the innermost.
func (b *buffer) axes() []int {
	if b.layout == chansLayout {
		return []int{0, 2, 3, 1}
	}
	a := make([]int, len(b.shape))
	for i := range a {
		a[i] = i
	}
	return a
}

// walker finds the elements of a value that stand at the coordinates of the rows of
// another, the first being broadcast along axes that are missing or of size 1.
type walker struct {
	dims, to, from []int // outer axes of the destination, outermost first
	n              int   // elements of a row
	a, c           int   // distance of neighbours in the destination, in the source
}

func newWalker(dst, src *buffer) *walker {
	if len(dst.shape) == 0 {
		return &walker{n: 1, a: 1, c: 1}
	}
	axes, ds := dst.axes(), dst.strides()
	missing := len(dst.shape) - len(src.shape)
	ss := append(make([]int, missing), src.strides()...)
	for i, d := range src.shape {
		if d == 1 && dst.shape[missing+i] != 1 {
			ss[missing+i] = 0
		}
	}
	last := len(axes) - 1
	in := axes[last]
	w := &walker{n: dst.shape[in], a: ds[in], c: ss[in]}
	for _, x := range axes[:last] {
		w.dims, w.to, w.from = append(w.dims, dst.shape[x]), append(w.to, ds[x]), append(w.from, ss[x])
	}
	return w
}

// row returns the offsets of row r in the destination and in the source.
func (w *walker) row(r int) (to, from int) {
	for k := len(w.dims) - 1; k >= 0; k-- {
		i := r % w.dims[k]
		r /= w.dims[k]
		to += i * w.to[k]
		from += i * w.from[k]
	}
	return to, from
}

// clearPadding zeroes the padding of rows [from, to) of b.
func clearPadding(b *buffer, data []float32, from, to int) {
	if b.layout == planarLayout || b.ld == b.cols {
		return
	}
	for r := from; r < to; r++ {
		clear(data[r*b.ld+b.cols:][:b.ld-b.cols])
	}
}
