package graph

import (
	"fmt"
	"io"
	"sync"
)

// DeferredTensor returns a float32 tensor whose elements are computed when they are asked
// for: compute sets dst to the elements from index from on, in row-major order. It may be
// called for any range, several times and concurrently, and must always give the same. It
// panics where the shape can't be: shapes come from code, not from files.
//
// Elements that are only written ([Tensor.WriteTo]) need no memory of their own; once one
// of the other methods has returned them they are kept.
func DeferredTensor(shape []int, compute func(dst []float32, from int)) *Tensor {
	n, err := Numel(shape)
	if err != nil {
		panic(fmt.Sprintf("graph: %v", err))
	}
	return &Tensor{DType: Float32, Shape: shape, deferred: &deferred{size: n * Float32.Size(), compute: compute}}
}

// deferred is how elements come about that are not there yet.
type deferred struct {
	size    int // bytes
	compute func(dst []float32, from int)

	mu   sync.Mutex
	kept []byte
}

func (d *deferred) bytes() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept == nil {
		v := make([]float32, d.size/Float32.Size())
		d.compute(v, 0)
		d.kept = bytesOf(v)
	}
	return d.kept
}

// blocks are for elements on their way to a file: 64 KiB, which a core's own cache holds.
var blocks = sync.Pool{New: func() any { return new([1 << 14]float32) }}

func (d *deferred) writeTo(w io.Writer) (written int64, err error) {
	d.mu.Lock()
	kept := d.kept
	d.mu.Unlock()
	if kept != nil {
		n, err := w.Write(kept)
		return int64(n), err
	}
	block := blocks.Get().(*[1 << 14]float32)
	defer blocks.Put(block)
	total := d.size / Float32.Size()
	for from := 0; from < total; from += len(block) {
		v := block[:min(len(block), total-from)]
		d.compute(v, from)
		n, err := w.Write(bytesOf(v))
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
