package infer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
	"github.com/repvit-go/repvit/internal/format"
	"github.com/repvit-go/repvit/internal/mmap"
	"github.com/repvit-go/repvit/internal/panics"
)

// Errors that the package's functions wrap, beside those of package graph.
var (
	ErrUnsupported = graph.ErrUnsupported              // the engine cannot run the graph
	ErrPanic       = errors.New("panic in the engine") // a defect of it
	ErrClosed      = errors.New("session is closed")
)

// errNone is of sessions that nothing opened. It wraps [ErrClosed].
var errNone = fmt.Errorf("%w: it is nil or of no network", ErrClosed)

// ready checks that there is a session at all.
func (s *Session) ready() error {
	if s == nil || s.model == nil {
		return errNone
	}
	return nil
}

// Options say how a session runs. The zero value is the fastest on this machine.
type Options struct {
	// Threads is how many cores one run uses at most, the caller's included; 0 means all
	// that Go uses (GOMAXPROCS). Results have the same bits for any number.
	Threads int
	// ISA names the instruction set of the kernels, such as [ISAAVX2]. Empty means the best of
	// this machine, the first of [ISAs].
	ISA string
	// MaxMemory is the bytes that the packed weights, and a run's intermediate values and
	// outputs, may take together, so that a model or an input from a stranger costs an
	// error and not the process. Runs at the same time have values of their own, and those
	// of the last input shape are kept, with those of up to seven before it as long as they
	// take 64 MiB at most. 0 means 16 MiB and 32 times the bytes of the
	// network's weights and of the run's input, at most 8 GiB; see [graph.Budget], which
	// bounds the time of a run as well.
	MaxMemory int64
}

// Session runs one network. It may be used from many goroutines at once: runs share the
// packed weights and the helper threads, and each has an arena of its own. Methods of one that is
// nil or that nothing opened answer as if it were closed.
type Session struct {
	model   *model
	threads int
	pool    *pool

	mu     sync.Mutex
	closed bool
	plans  []*cached // least recently used first
	stats  Stats
}

// model is what the clones of a session share.
type model struct {
	opts    Options // that it was made with
	graph   *graph.Graph
	types   map[*graph.Value]graph.Type
	weights *weights
	program *program
	// What Observe runs, made when first needed.
	once    sync.Once
	plain   *program
	plainly error

	files []*mmap.Map  // that weights lie in; nil where the graph was not read from one
	users atomic.Int64 // sessions that are open, and what is going on in them
	shown atomic.Bool  // a caller has the graph
}

// leave ends one use. The last releases the file, unless a caller may still read the graph's
// weights: then the garbage collector does, see [Open].
func (m *model) leave() {
	if m.users.Add(-1) == 0 && m.files != nil && !m.shown.Load() {
		format.Unmap(m.files)
	}
}

// cached is a plan and the execs of it that no run is using.
type cached struct {
	*plan
	idle []*exec
}

// maxPlans is how many input shapes a session remembers.
const maxPlans = 8

// maxIdle is how many bytes the arenas of shapes before the last one may keep: images of many sizes must
// not take an arena each for as long as the session lives.
const maxIdle = 64 << 20

// trim drops arenas of shapes before the last one, those that were not used for longest first.
func (s *Session) trim() {
	left := maxIdle / 4
	for _, c := range slices.Backward(s.plans[:max(len(s.plans)-1, 0)]) {
		keep := min(len(c.idle), left/max(c.arena, 1))
		clear(c.idle[keep:])
		c.idle = c.idle[:keep]
		left -= keep * c.arena
	}
}

// Stats describes what a session holds in memory.
type Stats struct {
	ISA         string // instruction set of the kernels that do most of the work
	Threads     int    // cores that a run may use
	WeightBytes int    // packed weights, shared by all clones
	Shape       []int  // the first input's shape planned last, to which the following refer
	ArenaBytes  int    // memory for intermediate values, for each concurrent run
	ValueBytes  int    // what they would need if no memory were reused
	Values      int    // how many intermediate values there are
	Steps       int    // parallel pieces of work of a run
}

// New prepares g, which must not be changed afterwards. The error wraps
// [graph.ErrGraph] or [graph.ErrShape] for a graph that is not valid, [ErrUnsupported]
// for one that the engine cannot run and [graph.ErrTooLarge] for one that needs more than
// the options allow.
func New(g *graph.Graph, opts Options) (*Session, error) {
	set, _ := kernelSets(opts.ISA)
	if set == nil {
		return nil, fmt.Errorf("%w: instruction set %q, this machine has %q", ErrUnsupported, opts.ISA, ISAs())
	}
	return newSession(g, set, opts)
}

func newSession(g *graph.Graph, set *kernel.Float32, opts Options) (s *Session, err error) {
	defer panics.Catch(&err, ErrPanic)
	if g == nil {
		return nil, fmt.Errorf("%w: nil", graph.ErrGraph)
	}
	types, err := g.Types()
	if err != nil {
		return nil, err
	}
	threads, err := threads(opts)
	if err != nil {
		return nil, err
	}
	if opts.MaxMemory < 0 {
		return nil, fmt.Errorf("%w: %d bytes of memory, expected a positive number or 0", ErrUnsupported, opts.MaxMemory)
	}
	_, set8 := kernelSets(opts.ISA)
	budget := graph.NewBudget(g, opts.MaxMemory)
	m := &model{opts: opts, graph: g, types: types, weights: newWeights(set, set8, budget)}
	if m.program, err = lower(g, m.weights, true, threads); err != nil {
		return nil, err
	}
	return m.session(threads), nil
}

func threads(opts Options) (int, error) {
	switch {
	case opts.Threads < 0 || opts.Threads > maxThreads:
		return 0, fmt.Errorf("%w: %d threads, expected 0 to %d", ErrUnsupported, opts.Threads, maxThreads)
	case opts.Threads == 0:
		return min(runtime.GOMAXPROCS(0), maxThreads), nil
	}
	return opts.Threads, nil
}

// maxThreads bounds the helpers that a session starts.
const maxThreads = 1 << 10

func (m *model) session(threads int) *Session {
	m.users.Add(1)
	s := &Session{model: m, threads: threads, pool: newPool(threads - 1)}
	s.stats = Stats{ISA: m.program.isa(), Threads: threads, WeightBytes: int(m.weights.bytes.Load())}
	// Helpers know the pool only, so a forgotten session is collected and they end.
	runtime.AddCleanup(s, func(p *pool) { p.close() }, s.pool)
	return s
}

// Clone returns another session of the same network, which shares the packed weights and
// has threads and plans of its own. Of the options only Threads counts; MaxMemory stays. A
// session that is closed has no clones: the error is [ErrClosed].
func (s *Session) Clone(opts Options) (*Session, error) {
	n, err := threads(opts)
	if err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.model.leave()
	return s.model.session(n), nil
}

// Like returns a session for another network, which must not be changed afterwards, with the options
// of this one. The errors are those of [New], or [ErrClosed].
func (s *Session) Like(g *graph.Graph) (*Session, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.model.leave()
	opts := s.model.opts
	opts.Threads = s.threads
	return newSession(g, s.model.weights.set, opts)
}

// enter begins a use of the model, which must leave it.
func (s *Session) enter() error {
	if err := s.ready(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.model.users.Add(1)
	return nil
}

// Close ends the session's helper threads, forgets its plans and, with the last of a session
// and its clones, releases the file that [Open] mapped. Runs that are going on finish; later
// ones answer [ErrClosed]. Close never fails, may be called again, and of a nil session does nothing.
func (s *Session) Close() error {
	if s.ready() != nil {
		return nil
	}
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.plans = nil
	s.mu.Unlock()
	s.pool.close()
	if !again {
		s.model.leave()
	}
	return nil
}

// Graph returns the network that the session runs. It must not be changed. Called before
// [Session.Close] it keeps the file that weights may lie in for as long as something refers to
// the graph; afterwards weights must not be read. Of a nil session it is nil.
func (s *Session) Graph() *graph.Graph {
	if s.ready() != nil {
		return nil
	}
	s.model.shown.Store(true)
	return s.model.graph
}

// Stats returns what the session holds in memory.
func (s *Session) Stats() Stats {
	if s.ready() != nil {
		return Stats{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Run computes the graph's first output, the logits N×classes of a classifier, for an
// input N×3×H×W. Both are of the types that the graph declares, float32. Integers and truth
// values are float32 inside: those beyond 2²⁴ are refused with [ErrUnsupported].
//
// The error wraps [graph.ErrShape] where the input does not fit the graph and
// [graph.ErrTooLarge] where the run needs more than [Options] allow, and is that of
// ctx where that is done: Run looks at it between two operators. Inputs
// that are not finite are computed with like any others, and come out as NaN or infinite
// logits of the images concerned.
func (s *Session) Run(ctx context.Context, input *graph.Tensor) (*graph.Tensor, error) {
	all, err := s.RunAll(ctx, input)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// RunAll is [Session.Run] for graphs with several outputs, such as a backbone's feature
// maps. It returns them in the graph's order.
func (s *Session) RunAll(ctx context.Context, input *graph.Tensor) ([]*graph.Tensor, error) {
	return s.RunInputs(ctx, []*graph.Tensor{input})
}

// RunInputs is [Session.RunAll] for graphs with several inputs, in the graph's order. Where sizes
// follow from an input's values ([graph.PostprocessMasks]), those count as a part of its shape.
func (s *Session) RunInputs(ctx context.Context, inputs []*graph.Tensor) ([]*graph.Tensor, error) {
	x, shapes, err := s.accept(inputs)
	if err != nil {
		return nil, err
	}
	sizes, err := s.model.graph.Sizes(inputs)
	if err != nil {
		return nil, err
	}
	c, e, err := s.acquire(sizes, shapes...)
	if err != nil {
		return nil, err
	}
	defer s.release(c, e)
	copy(e.inputs, x)
	all := make([]*graph.Tensor, len(c.outputs))
	for i, b := range c.outputs {
		e.outputs[i] = make([]float32, b.cols)
		all[i] = graph.Float32Tensor(slices.Clone(b.shape), e.outputs[i])
	}
	if err := e.run(ctx, nil); err != nil {
		return nil, err
	}
	for i, v := range s.model.graph.Outputs {
		all[i] = convert(all[i], s.model.types[v].DType)
	}
	return all, nil
}

// RunInto is [Session.Run] without allocation: it reads the elements of an input of the
// given shape from input and writes those of the first output to dst, whose length
// must be exactly theirs (see [Session.OutputShape]). Once a shape has been seen, and as
// many runs at a time as there are now, nothing is allocated. Graphs with several inputs or
// outputs are refused.
func (s *Session) RunInto(ctx context.Context, dst []float32, shape []int, input []float32) error {
	if err := s.ready(); err != nil {
		return err
	}
	if len(s.model.graph.Outputs) != 1 {
		return fmt.Errorf("%w: RunInto on a graph with %d outputs", ErrUnsupported, len(s.model.graph.Outputs))
	}
	if n := len(s.model.graph.Inputs); n != 1 {
		return fmt.Errorf("%w: RunInto on a graph with %d inputs", ErrUnsupported, n)
	}
	if s.model.graph.Inputs[0].Type.DType != graph.Float32 {
		return fmt.Errorf("%w: RunInto on an input of %v", ErrUnsupported, s.model.graph.Inputs[0].Type.DType)
	}
	n, err := graph.Numel(shape)
	if err != nil {
		return err
	}
	if n != len(input) {
		return fmt.Errorf("%w: %d elements for an input of shape %v", graph.ErrShape, len(input), shape)
	}
	c, e, err := s.acquire(nil, shape)
	if err != nil {
		return err
	}
	defer s.release(c, e)
	if out := c.outputs[0]; len(dst) != out.cols {
		return fmt.Errorf("%w: %d elements for an output of shape %v", graph.ErrShape, len(dst), out.shape)
	}
	e.inputs[0], e.outputs[0] = input, dst
	return e.run(ctx, nil)
}

// OutputShape returns the shape of the graph's first output for inputs of the shapes given,
// one for each.
func (s *Session) OutputShape(inputs ...[]int) ([]int, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	types, err := s.model.graph.Infer(fixed(inputs)...)
	if err != nil {
		return nil, err
	}
	shape := types[s.model.graph.Outputs[0]].Shape
	dims, ok := shape.Ints()
	if !ok {
		return nil, fmt.Errorf("%w: an output of shape %v, which follows from the values of an input", ErrUnsupported, shape)
	}
	return dims, nil
}

// fixed returns shapes of known sizes.
func fixed(shapes [][]int) []graph.Shape {
	r := make([]graph.Shape, len(shapes))
	for i, s := range shapes {
		r[i] = graph.FixedShape(s...)
	}
	return r
}

// accept checks input tensors and returns their elements and shapes.
func (s *Session) accept(inputs []*graph.Tensor) (elements [][]float32, shapes [][]int, err error) {
	if err := s.ready(); err != nil {
		return nil, nil, err
	}
	if want := len(s.model.graph.Inputs); len(inputs) != want {
		return nil, nil, fmt.Errorf("%w: found %d inputs, expected %d", graph.ErrShape, len(inputs), want)
	}
	for i, in := range s.model.graph.Inputs {
		t := inputs[i]
		if t == nil || t.DType != in.Type.DType {
			found := "none"
			if t != nil {
				found = t.DType.String()
			}
			return nil, nil, fmt.Errorf("%w: input %q of %s, expected %v", graph.ErrShape, in.Name, found, in.Type.DType)
		}
		if err := t.Validate(); err != nil {
			return nil, nil, fmt.Errorf("input %q: %w", in.Name, err)
		}
		if err := exact(t); err != nil {
			return nil, nil, fmt.Errorf("input %q: %w", in.Name, err)
		}
		x := t.Float32s()
		if t.DType == graph.Float64 {
			wide := t.Float64s()
			for k, v := range x {
				if math.IsInf(float64(v), 0) && !math.IsInf(wide[k], 0) {
					return nil, nil, fmt.Errorf("%w: found %g in input %q, expected numbers that float32 holds", ErrUnsupported, wide[k], in.Name)
				}
			}
		}
		elements, shapes = append(elements, x), append(shapes, t.Shape)
	}
	return elements, shapes, nil
}

// exact checks that float32, as which the engine holds all values, holds every integer.
func exact(t *graph.Tensor) error {
	if t.DType != graph.Int32 && t.DType != graph.Int64 {
		return nil
	}
	for _, v := range t.Float64s() {
		if math.Abs(v) > 1<<24 {
			return fmt.Errorf("%w: the integer %.0f, expected at most 2²⁴ in magnitude", ErrUnsupported, v)
		}
	}
	return nil
}

// acquire returns the plan for sizes that values of inputs say and for shapes of the inputs, and an
// exec of it that nobody else uses.
func (s *Session) acquire(sizes []int, shapes ...[]int) (c *cached, e *exec, err error) {
	defer panics.Catch(&err, ErrPanic)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, ErrClosed
	}
	if c, err = s.cached(sizes, shapes); err != nil {
		return nil, nil, err
	}
	if k := len(c.idle) - 1; k >= 0 {
		e = c.idle[k]
		c.idle = c.idle[:k]
	} else {
		s.trim()
		e = newExec(c.plan, s.pool)
	}
	s.model.users.Add(1)
	return c, e, nil
}

// cached returns the plan for sizes and shapes, made now if need be.
func (s *Session) cached(sizes []int, shapes [][]int) (*cached, error) {
	for i, c := range s.plans {
		if slices.EqualFunc(c.inputs, shapes, slices.Equal) && slices.Equal(c.sizes, sizes) {
			copy(s.plans[i:], s.plans[i+1:])
			s.plans[len(s.plans)-1] = c
			return c, nil
		}
	}
	p, err := newPlan(s.model.program, shapes, sizes, s.threads)
	if err != nil {
		return nil, err
	}
	c := &cached{plan: p}
	if len(s.plans) == maxPlans {
		s.plans = slices.Delete(s.plans, 0, 1)
	}
	s.plans = append(s.plans, c)
	s.stats.Shape, s.stats.ArenaBytes, s.stats.ValueBytes = p.inputs[0], 4*p.arena, 4*p.naive
	s.stats.Values, s.stats.Steps = p.values, len(p.steps)
	return c, nil
}

// release gives an exec back.
func (s *Session) release(c *cached, e *exec) {
	clear(e.inputs)
	clear(e.outputs)
	s.mu.Lock()
	if !s.closed {
		c.idle = append(c.idle, e)
		s.trim()
	}
	s.mu.Unlock()
	s.model.leave()
}
