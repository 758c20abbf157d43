package finite

import (
	"math"
	"testing"
)

func TestFirst(t *testing.T) {
	fine := []float32{0, float32(math.Copysign(0, -1)), 1, -1, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32}
	bad := map[string]float32{
		"+Inf": float32(math.Inf(1)), "-Inf": float32(math.Inf(-1)), "NaN": float32(math.NaN()),
		"signalling": math.Float32frombits(0x7f800001), "all ones": math.Float32frombits(0xffffffff),
	}
	for _, n := range []int{0, 1, 2, 3, 7, 8, 9, 15, 16, 17, block - 1, block, block + 1, 2*block + 5} {
		room := make([]float32, n+1)
		for _, shift := range []int{0, 1} { // aligned to eight bytes or not
			v := room[shift:][:n]
			for i := range v {
				v[i] = fine[i%len(fine)]
			}
			if got := First(v); got != -1 {
				t.Errorf("%d finite numbers: found %v at %d", n, v[got], got)
			}
			for name, x := range bad {
				for i := range v {
					v[i] = x
					if got := First(v); got != i {
						t.Errorf("%s at %d of %d: found it at %d", name, i, n, got)
					}
					v[i] = fine[i%len(fine)]
				}
			}
		}
	}
	v := make([]float32, 10)
	v[7], v[3] = bad["NaN"], bad["+Inf"]
	if got := First(v); got != 3 {
		t.Errorf("found %d first, want 3", got)
	}
}

func BenchmarkFirst(b *testing.B) {
	v := make([]float32, 1<<18)
	b.SetBytes(int64(4 * len(v)))
	for b.Loop() {
		if First(v) != -1 {
			b.Fatal("found something")
		}
	}
}
