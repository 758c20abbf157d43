package graph

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// squares is a deferred tensor and what it holds.
func squares(n int, computed *atomic.Int64) (*Tensor, []float32) {
	want := make([]float32, n)
	for i := range want {
		want[i] = float32(i) * float32(i)
	}
	return DeferredTensor([]int{n}, func(dst []float32, from int) {
		computed.Add(int64(len(dst)))
		for i := range dst {
			dst[i] = float32(from+i) * float32(from+i)
		}
	}), want
}

func TestDeferredTensor(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 1 << 14, 1<<14 + 1, 50000} {
		var computed atomic.Int64
		x, values := squares(n, &computed)
		want := Float32Tensor([]int{n}, values).Bytes()
		if x.Len() != n || x.Size() != 4*n || x.Validate() != nil {
			t.Fatalf("%d elements: found %d in %d bytes, %v", n, x.Len(), x.Size(), x.Validate())
		}
		if computed.Load() != 0 {
			t.Errorf("%d elements: the size is enough to have %d computed", n, computed.Load())
		}
		for range 2 { // not kept
			var b bytes.Buffer
			if written, err := x.WriteTo(&b); err != nil || written != int64(4*n) || !bytes.Equal(b.Bytes(), want) {
				t.Errorf("%d elements: wrote %d bytes, %v", n, written, err)
			}
		}
		if computed.Load() != int64(2*n) {
			t.Errorf("%d elements: written twice, %d computed", n, computed.Load())
		}
		reshaped := x.Reshape(1, n)
		var wg sync.WaitGroup
		for range 4 { // kept, and by the reshaped one too
			wg.Go(func() {
				if !slices.Equal(x.Float32s(), values) || !bytes.Equal(reshaped.Bytes(), want) {
					t.Errorf("%d elements: other values", n)
				}
			})
		}
		wg.Wait()
		var b bytes.Buffer
		if _, err := x.WriteTo(&b); err != nil || !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%d elements: kept ones are written differently: %v", n, err)
		}
		if n > 0 && computed.Load() != int64(3*n) {
			t.Errorf("%d elements: %d computed, want each once for every way", n, computed.Load())
		}
	}
}

type failing struct{ left int }

var errFull = errors.New("full")

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestDeferredWriteError(t *testing.T) {
	var computed atomic.Int64
	x, _ := squares(100000, &computed)
	n, err := x.WriteTo(&failing{left: 100000})
	if !errors.Is(err, errFull) || n != 1<<16 {
		t.Errorf("wrote %d bytes, %v", n, err)
	}
	if computed.Load() == 100000 {
		t.Error("all was computed after the error")
	}
}

func TestSliceAndReshape(t *testing.T) {
	x := Int32Tensor([]int{3, 2}, []int32{1, 2, 3, 4, 5, 6})
	if y := x.Slice(1, 3); !slices.Equal(y.Shape, []int{2, 2}) || !slices.Equal(y.Int32s(), []int32{3, 4, 5, 6}) {
		t.Errorf("slice: %v of shape %v", y.Int32s(), y.Shape)
	}
	if y := x.Slice(3, 3); !slices.Equal(y.Shape, []int{0, 2}) || y.Len() != 0 {
		t.Errorf("empty slice: %v of shape %v", y.Int32s(), y.Shape)
	}
	if y := x.Reshape(6); !slices.Equal(y.Int32s(), x.Int32s()) {
		t.Errorf("reshaped: %v", y.Int32s())
	}
	for name, f := range map[string]func(){
		"reshape":  func() { x.Reshape(7) },
		"slice":    func() { x.Slice(2, 4) },
		"raw":      func() { RawTensor(Float32, []int{1}, make([]byte, 3)) },
		"deferred": func() { DeferredTensor([]int{math.MaxInt, 2}, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
