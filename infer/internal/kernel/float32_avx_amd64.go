//go:build amd64 && !purego

package kernel

import "unsafe"

//go:generate go -C _generate run ./float32 -pkg kernel -out ../float32_amd64.s -stubs ../float32_stubs_amd64.go -tables ../float32_tables_amd64.go

var (
	avx512 = simd{name: "avx512", lanes: 16, gelu: geluTableAVX512, sigmoid: sigmoidTableAVX512}
	avx2   = simd{name: "avx2", lanes: 8, gelu: geluTableAVX2, sigmoid: sigmoidTableAVX2}
)

// panel returns the columns and the most rows of a tile of the panel that is next when a
// number of columns is left. Three vectors take an odd one along.
func (s *simd) panel(left int) (columns, rows int) {
	if s.lanes == 8 {
		return 16, 6
	}
	switch {
	case left == 16:
		return 16, 14
	case left%32 == 0:
		return 32, 14
	}
	return 48, 8
}

// run computes the tiles that t describes.
func (s *simd) run(t *tile, columns int) {
	p := (*byte)(unsafe.Pointer(t))
	switch {
	case s.lanes == 8:
		gemm2AVX2(p)
	case columns == 16:
		gemm1AVX512(p)
	case columns == 32:
		gemm2AVX512(p)
	default:
		gemm3AVX512(p)
	}
}

// rows computes one or two rows of a depthwise convolution.
func (s *simd) rows(t *taps, stride, rows int) {
	p := (*byte)(unsafe.Pointer(t))
	switch {
	case s.lanes == 8 && stride == 2:
		depthwise2x1AVX2(p)
	case s.lanes == 8 && rows == 2:
		depthwise1x2AVX2(p)
	case s.lanes == 8:
		depthwise1x1AVX2(p)
	case stride == 2:
		depthwise2x1AVX512(p)
	case rows == 2:
		depthwise1x2AVX512(p)
	default:
		depthwise1x1AVX512(p)
	}
}

func (s *simd) window(t *window) {
	if s.lanes == 8 {
		windowAVX2((*byte)(unsafe.Pointer(t)))
	} else {
		windowAVX512((*byte)(unsafe.Pointer(t)))
	}
}

func (s *simd) sum(dst, x *float32, rows, ld, vectors int) {
	if s.lanes == 8 {
		sumAVX2(dst, x, rows, ld, vectors)
	} else {
		sumAVX512(dst, x, rows, ld, vectors)
	}
}

func (s *simd) scale(x, gate *float32, rows, ld, vectors int) {
	if s.lanes == 8 {
		scaleAVX2(x, gate, rows, ld, vectors)
	} else {
		scaleAVX512(x, gate, rows, ld, vectors)
	}
}

func (s *simd) add(dst, src *float32, vectors int) {
	if s.lanes == 8 {
		addAVX2(dst, src, vectors)
	} else {
		addAVX512(dst, src, vectors)
	}
}

func (s *simd) applyVectors(x *float32, n int, act Activation, table []float32) {
	if s.lanes == 8 {
		applyAVX2(x, n, int(act.Function), &table[0])
	} else {
		applyAVX512(x, n, int(act.Function), &table[0])
	}
}

// tileIn transforms a tile to the values that are multiplied.
func (s *simd) tileIn(t *winogradTile) {
	if s.lanes == 8 {
		winogradInAVX2((*byte)(unsafe.Pointer(t)))
	} else {
		winogradInAVX512((*byte)(unsafe.Pointer(t)))
	}
}

// tileOut transforms values to a tile of the output.
func (s *simd) tileOut(t *winogradTile) {
	if s.lanes == 8 {
		winogradOutAVX2((*byte)(unsafe.Pointer(t)))
	} else {
		winogradOutAVX512((*byte)(unsafe.Pointer(t)))
	}
}

// What follows is for both sets.

func transpose8(dst, src *float32, ldd, lds, blocks int) { transposeAVX2(dst, src, ldd, lds, blocks) }

func addScaled8(dst, src *float32, scale float32, vectors int) {
	addScaledAVX2(dst, src, scale, vectors)
}

func max8(dst, src *float32, vectors int) { maxAVX2(dst, src, vectors) }
