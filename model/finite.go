package model

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

// loaded is a weight whose elements are still to be checked.
type loaded struct {
	key    string
	values []float32
}

// finite checks that all elements of all weights are finite, on all cores. The error names
// the first that is not.
func finite(weights []loaded) error {
	bad := make([]int, len(weights)) // index of the element, −1 for none
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(weights)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(weights); i = int(next.Add(1)) - 1 {
				bad[i] = firstNotFinite(weights[i].values)
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

// firstNotFinite returns the index of the first NaN or infinity, or −1.
func firstNotFinite(v []float32) int {
	for from := 0; from < len(v); from += 1024 {
		block := v[from:min(from+1024, len(v))]
		// Adding one to an exponent of all ones carries into the sign's place.
		var carry uint32
		for _, x := range block {
			carry |= math.Float32bits(x)&(1<<31-1) + 1<<23
		}
		if carry>>31 == 0 {
			continue
		}
		for i, x := range block {
			if x-x != 0 {
				return from + i
			}
		}
	}
	return -1
}
