package infer

import (
	"context"
	"slices"
	"time"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/panics"
)

// Observe runs the network without fusing operators and calls f with the graph's input and
// then with every value that a node produces, in the order of the nodes; nodes that depend
// on constants alone are left out. Tensors are float32 in the graph's own order of axes
// (N×C×H×W), quantized values and halves as the numbers they stand for; they belong to f.
// An error from f ends the run and is returned.
//
// Values differ from those of [Session.Run] by rounding at most. The graph must have one input.
func (s *Session) Observe(ctx context.Context, input *graph.Tensor, f func(v *graph.Value, t *graph.Tensor) error) error {
	return s.ObserveInputs(ctx, []*graph.Tensor{input}, f)
}

// ObserveInputs is [Session.Observe] for graphs with several inputs, in the graph's order.
func (s *Session) ObserveInputs(ctx context.Context, inputs []*graph.Tensor, f func(v *graph.Value, t *graph.Tensor) error) error {
	x, shapes, err := s.accept(inputs)
	if err != nil {
		return err
	}
	sizes, err := s.model.graph.Sizes(inputs)
	if err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	m := s.model
	defer m.leave()
	m.once.Do(func() { m.plain, m.plainly = m.lowerPlain(s.threads) })
	if m.plainly != nil {
		return m.plainly
	}
	e, err := m.plainExec(sizes, shapes, s)
	if err != nil {
		return err
	}
	p := e.plan
	copy(e.inputs, x)
	for i, b := range p.outputs {
		e.outputs[i] = make([]float32, b.cols)
	}
	// The graph may have been copied to fold constants: answer with the caller's values.
	own := map[string]*graph.Value{}
	for _, n := range m.graph.Nodes {
		for _, v := range n.Outputs() {
			own[v.Name] = v
		}
	}
	for i, in := range m.graph.Inputs {
		if err := f(in, graph.Float32Tensor(slices.Clone(shapes[i]), slices.Clone(x[i]))); err != nil {
			return err
		}
	}
	return e.run(ctx, func(i int, _ time.Duration) error {
		for _, r := range p.steps[i].done {
			if err := f(own[r.value.Name], e.tensor(r.at)); err != nil {
				return err
			}
		}
		return nil
	})
}

// lowerPlain is what Observe runs.
func (m *model) lowerPlain(threads int) (p *program, err error) {
	defer panics.Catch(&err, ErrPanic) // here, because a once that panics is done
	return lower(m.graph, m.weights, false, threads)
}

// plainExec plans such a run.
func (m *model) plainExec(sizes []int, shapes [][]int, s *Session) (e *exec, err error) {
	defer panics.Catch(&err, ErrPanic)
	p, err := newPlan(m.plain, shapes, sizes, s.threads)
	if err != nil {
		return nil, err
	}
	return newExec(p, s.pool), nil
}

// OpTime is what one operator, with all that was fused into it, took.
type OpTime struct {
	Name string        // of the value that it produces
	Kind string        // ONNX names of its nodes: "Conv+Gelu"
	Time time.Duration // median over the runs
	MACs int64         // multiply-accumulate operations of its nodes
}

// Profile runs the network the given number of times, at least once, and returns each
// operator's time in the order of execution; "Output" is the copy into the result.
func (s *Session) Profile(ctx context.Context, input *graph.Tensor, runs int) ([]OpTime, error) {
	return s.ProfileInputs(ctx, []*graph.Tensor{input}, runs)
}

// ProfileInputs is [Session.Profile] for graphs with several inputs, in the graph's order.
func (s *Session) ProfileInputs(ctx context.Context, inputs []*graph.Tensor, runs int) ([]OpTime, error) {
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
	types, err := c.program.graph.Sized(sizes).Infer(fixed(shapes)...)
	if err != nil {
		return nil, err
	}
	var ops []OpTime
	var times [][]time.Duration
	index := make([]int, len(c.steps)) // of each step's operator
	for i, st := range c.steps {
		if i == 0 || c.steps[i-1].op != st.op {
			t := OpTime{Name: st.name, Kind: st.kind}
			for _, n := range st.op.nodes {
				t.MACs += n.MACs(types)
			}
			ops = append(ops, t)
			times = append(times, make([]time.Duration, max(runs, 1)))
		}
		index[i] = len(ops) - 1
	}
	for r := range max(runs, 1) {
		copy(e.inputs, x)
		for i, b := range c.outputs {
			e.outputs[i] = make([]float32, b.cols)
		}
		err := e.run(ctx, func(i int, took time.Duration) error {
			times[index[i]][r] += took
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for i, t := range times {
		slices.Sort(t)
		ops[i].Time = t[len(t)/2]
	}
	return ops, nil
}
