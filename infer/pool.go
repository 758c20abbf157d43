package infer

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/repvit-go/repvit/infer/internal/kernel"
	"github.com/repvit-go/repvit/internal/panics"
)

// A run is the caller's goroutine and the helpers that it borrows from the session's pool,
// a team. The caller publishes one step after the other; whoever is in the team claims
// parts of it. Helpers wait for the next step by spinning, because a step takes some ten
// microseconds and waking a goroutine takes as long; when nothing comes they go back to
// the pool and sleep.

// pool lends a session's helper goroutines to its runs.
type pool struct {
	available atomic.Int32 // helpers that can be taken, read without the lock at each step

	mu      sync.Mutex
	idle    []*helper
	unborn  int // helpers that were never needed so far
	closed  bool
	helpers sync.WaitGroup
}

// helper is a goroutine and what it needs to work.
type helper struct {
	wake  chan *team
	local local
}

// local is what one goroutine needs to run kernels without allocating: their descriptions,
// which escape because kernels are called through variables, and scratch memory.
type local struct {
	gemm       kernel.Gemm
	mixer      kernel.Mixer
	depthwise  kernel.Depthwise
	depthwiseN kernel.DepthwiseN
	conv       kernel.Conv3x3
	winograd   kernel.Winograd
	packed     [2]kernel.Packed
	integers   integerLocal
	buf        []float32
}

// floats returns n elements of scratch memory that hold anything.
func (l *local) floats(n int) []float32 {
	if len(l.buf) < n {
		l.buf = kernel.Floats(n)
	}
	return l.buf[:n]
}

func newPool(helpers int) *pool {
	p := &pool{unborn: helpers}
	p.available.Store(int32(helpers))
	return p
}

// lend wakes a helper for t, if there is one.
func (p *pool) lend(t *team) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return
	case len(p.idle) > 0:
		h := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		t.members.Add(1)
		h.wake <- t
	case p.unborn > 0:
		p.unborn--
		h := &helper{wake: make(chan *team, 1)}
		t.members.Add(1)
		h.wake <- t
		p.helpers.Add(1)
		go h.loop(p)
	default:
		return
	}
	p.available.Add(-1)
}

// put takes a helper back and reports whether it is to stay.
func (p *pool) put(h *helper) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.idle = append(p.idle, h)
	p.available.Add(1)
	return true
}

// close ends the helpers: idle ones now, others when their team has no more work. Runs go
// on alone.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.available.Store(0)
	for _, h := range p.idle {
		close(h.wake)
	}
	p.idle = nil
}

func (h *helper) loop(p *pool) {
	defer p.helpers.Done()
	for t := range h.wake {
		t.serve(&h.local)
		if !p.put(h) {
			return
		}
	}
}

// part is a step that can be worked on by several goroutines at once: fn works on units
// [from, to) of units.
type part struct {
	fn    func(l *local, from, to int)
	units int
	grain int // the fewest units worth handing out, and what handed out ranges are multiples of
}

// team distributes the parts of one run.
type team struct {
	pool    *pool
	threads int

	_ [64]byte // the words that everybody polls have cache lines of their own
	// work is the number of the current part in the upper half and its units not yet
	// claimed in the lower half, so that a claim fails if the part has changed under it.
	work    atomic.Uint64
	_       [64]byte
	pending atomic.Int64 // units of the current part not yet finished
	_       [64]byte

	current atomic.Pointer[part]
	members atomic.Int32 // helpers
	open    atomic.Bool  // a run is going on
	failure atomic.Pointer[error]
}

// How long helpers look for work before they sleep, in polls of about a nanosecond.
const (
	patience  = 200_000 // while a run goes on
	lingering = 20_000  // after one: the next may follow at once
	yieldMask = 1<<11 - 1
)

// do runs p to its end. Work units that panic count as done; see failure.
func (t *team) do(p *part, l *local) {
	if t.threads == 1 || p.units <= p.grain {
		t.call(p, l, 0, p.units)
		return
	}
	if int(t.members.Load()) < t.threads-1 && t.pool.available.Load() > 0 {
		t.pool.lend(t)
	}
	t.current.Store(p)
	t.pending.Store(int64(p.units))
	t.work.Store((t.work.Load()>>32+1)<<32 | uint64(p.units))
	for t.help(l) {
	}
	for i := 1; t.pending.Load() != 0; i++ {
		if i&yieldMask == 0 {
			runtime.Gosched() // a helper with a claim may wait for this processor
		}
	}
}

// serve helps until there has been nothing to do for a while.
func (t *team) serve(l *local) {
	for i := 1; ; i++ {
		if t.help(l) {
			i = 0
			continue
		}
		if i&yieldMask == 0 {
			runtime.Gosched()
		}
		if i > patience || i > lingering && !t.open.Load() {
			t.members.Add(-1)
			return
		}
	}
}

// help claims and does some units of the current part; false if there were none.
func (t *team) help(l *local) bool {
	w := t.work.Load()
	left := int(uint32(w))
	if left == 0 {
		return false
	}
	p := t.current.Load()
	// Large ranges first, small ones at the end, to finish together.
	n := left / (2 * t.threads) / p.grain * p.grain
	n = min(max(n, p.grain), left)
	if !t.work.CompareAndSwap(w, w-uint64(n)) {
		return true
	}
	from := p.units - left
	t.call(p, l, from, from+n)
	t.pending.Add(int64(-n))
	return true
}

// call runs units of p and turns a panic into the run's failure.
func (t *team) call(p *part, l *local, from, to int) {
	defer func() {
		if r := recover(); r != nil {
			err := panics.Error(ErrPanic, r)
			t.failure.CompareAndSwap(nil, &err)
		}
	}()
	p.fn(l, from, to)
}
