package model

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/repvit-go/repvit/internal/finite"
)

// loaded is a weight whose elements are still to be checked.
type loaded struct {
	key    string
	values []float32
}

// checkFinite checks that all elements of all weights are finite, on all cores. The error names
// the first that is not.
func checkFinite(weights []loaded) error {
	bad := make([]int, len(weights)) // index of the element, −1 for none
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(weights)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(weights); i = int(next.Add(1)) - 1 {
				bad[i] = finite.First(weights[i].values)
			}
		})
	}
	wg.Wait()
	for i, w := range weights {
		if e := bad[i]; e >= 0 {
			return &ValueError{w.key, e, float64(w.values[e]), "a finite number"}
		}
	}
	return nil
}
