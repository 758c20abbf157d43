package hugepage

import (
	"runtime"
	"testing"
)

func TestMake(t *testing.T) {
	for _, n := range []int{0, 1, 1000, least, 1 << 20, 5<<20 + 3} {
		s := Make[float32](n)
		if len(s) != n {
			t.Fatalf("%d elements, want %d", len(s), n)
		}
		for i, v := range s {
			if v != 0 {
				t.Fatalf("element %d of %d is %v", i, n, v)
			}
			s[i] = 1
		}
	}
}

func BenchmarkTouch(b *testing.B) {
	for _, way := range []struct {
		name string
		make func(n int) []byte
	}{{"make", func(n int) []byte { return make([]byte, n) }}, {"hugepage", Make[byte]}} {
		b.Run(way.name, func(b *testing.B) {
			const size = 32 << 20
			b.SetBytes(size)
			for range b.N {
				s := way.make(size)
				for i := 0; i < size; i += 4096 {
					s[i] = 1
				}
			}
		})
	}
}

// TestHeap checks that preparing the heap leaves it a heap.
func TestHeap(t *testing.T) {
	for _, size := range []int{0, 1, 1 << 20, 64 << 20} {
		Heap(size)
		var all [][]byte
		for range 200 {
			b := make([]byte, 10<<10)
			for i := range b {
				if b[i] != 0 {
					t.Fatalf("after Heap(%d): fresh memory holds %d", size, b[i])
				}
				b[i] = 1
			}
			all = append(all, b)
		}
		runtime.KeepAlive(all)
	}
	for _, size := range []int{0, 1, 5000, 1 << 20} {
		if b := Ready(size); len(b) != size {
			t.Errorf("Ready(%d) has %d bytes", size, len(b))
		}
	}
}
