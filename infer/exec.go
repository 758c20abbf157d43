package infer

import (
	"context"
	"time"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// exec is a plan with memory of its own, which one run at a time uses.
type exec struct {
	plan    *plan
	arena   []float32
	inputs  [][]float32 // of the run that uses the exec, planar
	outputs [][]float32 // likewise
	parts   []part
	team    team
	local   local
}

func newExec(p *plan, helpers *pool) *exec {
	e := &exec{plan: p, arena: kernel.Floats(p.arena), inputs: make([][]float32, len(p.inputs)), outputs: make([][]float32, len(p.outputs))}
	e.team.pool, e.team.threads = helpers, p.threads
	e.local.floats(p.scratch)
	e.parts = make([]part, len(p.steps))
	for i, s := range p.steps {
		e.parts[i] = part{fn: s.bind(e), units: s.units, grain: s.grain}
	}
	return e
}

// data returns the elements of b; nil for no buffer.
func (e *exec) data(b *buffer) []float32 {
	switch {
	case b == nil:
		return nil
	case b.store != nil:
		return e.arena[b.store.offset:][:b.rows*b.ld]
	case b.fixed != nil:
		return b.fixed
	}
	return e.inputs[b.input]
}

func (e *exec) matrix(b *buffer) kernel.Matrix {
	if b == nil {
		return kernel.Matrix{}
	}
	return kernel.Matrix{Data: e.data(b), Rows: b.rows, LD: b.ld}
}

// run executes all steps. Between two steps it looks whether ctx is done, and calls after,
// where that is not nil, with the step's index and its time.
func (e *exec) run(ctx context.Context, after func(step int, took time.Duration) error) error {
	e.team.failure.Store(nil)
	e.team.open.Store(true)
	defer e.team.open.Store(false)
	for i := range e.parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		var start time.Time
		if after != nil {
			start = time.Now()
		}
		e.team.do(&e.parts[i], &e.local)
		if err := e.team.failure.Load(); err != nil {
			return *err
		}
		if after != nil {
			if err := after(i, time.Since(start)); err != nil {
				return err
			}
		}
	}
	return nil
}

// tensor copies a value out of the arena, in the graph's own order.
func (e *exec) tensor(b *buffer) *graph.Tensor {
	dst := newBuffer(b.shape, planarLayout)
	out, in, w := make([]float32, elements(b.shape)), e.data(b), newWalker(dst, b)
	for r := range outer(dst) {
		to, from := w.row(r)
		for i := range w.n {
			out[to+i*w.a] = in[from+i*w.c]
		}
	}
	return graph.Float32Tensor(b.shape, out)
}
