package reference

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/panics"
)

// exec computes one node.
type exec struct {
	ctx     context.Context
	threads int
	result  graph.DType // of the node
	further []array     // its outputs behind the first
	mu      sync.Mutex
	err     error
}

// parallel calls f for 0 … n−1, on several goroutines. The calls must write to places
// of their own.
func (e *exec) parallel(n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(e.threads, n) {
		wg.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					e.fail(panics.Error(ErrPanic, r))
				}
			}()
			for i := next.Add(1) - 1; i < int64(n) && !e.stopped(); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	wg.Wait()
}

// stopped reports whether the run's context is done, which is then the failure. Calls that
// take long ask as well, and may return at any time.
func (e *exec) stopped() bool {
	err := e.ctx.Err()
	if err != nil {
		e.fail(err)
	}
	return err != nil
}

func (e *exec) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = err
	}
}

// failure returns the first panic of any call, as an error, or why the run was stopped.
func (e *exec) failure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// chunk is how many elements an elementwise operator computes at a time.
const chunk = 1 << 12

// chunks calls f for ranges that together are 0 … n−1.
func (e *exec) chunks(n int, f func(from, to int)) {
	e.parallel((n+chunk-1)/chunk, func(i int) { f(i*chunk, min((i+1)*chunk, n)) })
}
