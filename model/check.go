package model

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/repvit-go/repvit/internal/finite"
	"github.com/repvit-go/repvit/pytorch"
)

// loaded is a weight whose elements are still to be checked.
type loaded struct {
	key    string
	tensor *pytorch.Tensor
	values []float32

	variance bool // which is not negative
}

// check checks the file's bytes of a weight and that its elements can be computed with.
func (l loaded) check() error {
	if err := l.tensor.Check(); err != nil {
		return fmt.Errorf("key %q: %w", l.key, err)
	}
	if i := finite.First(l.values); i >= 0 {
		return &ValueError{l.key, i, float64(l.values[i]), "a finite number"}
	}
	if l.variance {
		for i, v := range l.values {
			if v < 0 {
				return &ValueError{l.key, i, float64(v), "a variance, which is not negative"}
			}
		}
	}
	return nil
}

// checkAll checks weights on as many goroutines as given, one at least. The error is that of the first
// that is wrong.
func checkAll(weights []loaded, workers int) error {
	errs := make([]error, len(weights))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(max(1, workers), len(weights)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(weights); i = int(next.Add(1)) - 1 {
				errs[i] = weights[i].check()
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
