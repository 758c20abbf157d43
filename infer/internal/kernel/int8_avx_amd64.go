//go:build amd64 && !purego

package kernel

import "unsafe"

//go:generate go -C _generate run ./int8 -pkg kernel -out ../int8_amd64.s -stubs ../int8_stubs_amd64.go

var (
	avx512vnni8 = simd8{name: "avx512vnni", lanes: 16, block: 64, quads: true}
	avxvnni8    = simd8{name: "avxvnni", lanes: 8, block: 16, quads: true}
	avx28       = simd8{name: "avx2", lanes: 8, block: 16}
)

// panel returns the vectors and the most rows of a tile of the panel that is next when a
// number of vectors is left: four or three wherever they come out even, because narrower
// tiles load more for each multiplication.
func (s *simd8) panel(left int) (vectors, rows int) {
	switch {
	case s.lanes == 8:
		return 2, 6
	case left%4 == 0 || left%3 != 0 && left > 3:
		return 4, 6
	case left%3 == 0:
		return 3, 8
	}
	return 1, 8
}

// run computes the tiles that t describes.
func (s *simd8) run(t *tile8, vectors int, wide bool) {
	d := (*byte)(unsafe.Pointer(t))
	switch {
	case wide:
		gemm8x2AVX2(d)
	case !s.quads:
		gemm8x2AVX2Narrow(d)
	case s.lanes == 8:
		gemm8x2AVXVNNI(d)
	case vectors == 4:
		gemm8x4AVX512(d)
	case vectors == 3:
		gemm8x3AVX512(d)
	default:
		gemm8x1AVX512(d)
	}
}

// packTaps lays out weights in the order that assembly documents.
func (s *simd8) packTaps(weight []int8, c int, bias []int32) *Taps8 {
	t := newTaps8(c, bias)
	padded := Pad(c, Lanes8)
	natural := t.Bias
	t.Bias = ints[int32](padded)
	if s.lanes == 16 {
		t.B = ints[int8](12 * padded)
		for b := 0; b < padded; b += 64 {
			for i := range 64 {
				// Sum i/16, lane i/4%4, element i%4.
				ch := b + i/4%4*16 + i/16*4 + i%4
				t.Bias[b+i] = natural[ch]
				if ch >= c {
					continue
				}
				for kx := range 3 {
					for ky := range 3 {
						t.B[12*b+((kx*4+i/16)*16+i%16)*4+ky] = weight[ch*9+ky*3+kx]
					}
				}
			}
		}
		return t
	}
	t.wide = ints[int16](10 * padded)
	for b := 0; b < padded; b += 16 {
		for i := range 16 {
			// Sum i/8, half i/4%2, element i%4.
			ch := b + i/4%2*8 + i/8*4 + i%4
			t.Bias[b+i] = natural[ch]
			if ch >= c {
				continue
			}
			for tap := range 9 {
				t.wide[10*b+((tap/2*2+i/8)*8+i%8)*2+tap%2] = int16(weight[ch*9+tap])
			}
		}
	}
	return t
}

// taps returns where weights for ld channels are and how many bytes each has.
func (s *simd8) taps(w *Taps8, ld int) (weights uintptr, size int) {
	if s.lanes == 16 {
		return address8(w.B, 12*ld), 12
	}
	return address8(w.wide, 10*ld), 20
}

// pixels computes the pixels that t describes.
func (s *simd8) pixels(t *taps8) {
	if s.lanes == 16 {
		depthwise8AVX512((*byte)(unsafe.Pointer(t)))
	} else {
		depthwise8AVX2((*byte)(unsafe.Pointer(t)))
	}
}

func (s *simd8) quantizeRows(l *line8) {
	if s.lanes == 16 {
		quantize8AVX512((*byte)(unsafe.Pointer(l)))
	} else {
		quantize8AVX2((*byte)(unsafe.Pointer(l)))
	}
}

func (s *simd8) dequantizeLine(l *line8) {
	if s.lanes == 16 {
		dequantize8AVX512((*byte)(unsafe.Pointer(l)))
	} else {
		dequantize8AVX2((*byte)(unsafe.Pointer(l)))
	}
}

func (s *simd8) sumLine(l *line8) {
	if s.lanes == 16 {
		sum8AVX512((*byte)(unsafe.Pointer(l)))
	} else {
		sum8AVX2((*byte)(unsafe.Pointer(l)))
	}
}

func (s *simd8) gateLine(l *line8) {
	if s.lanes == 16 {
		scale8AVX512((*byte)(unsafe.Pointer(l)))
	} else {
		scale8AVX2((*byte)(unsafe.Pointer(l)))
	}
}

func (s *simd8) sumBlocks(l *line8) {
	if s.lanes == 16 {
		sumColumns8AVX512((*byte)(unsafe.Pointer(l)))
	} else {
		sumColumns8AVX2((*byte)(unsafe.Pointer(l)))
	}
}

func (s *simd8) lookupBlocks(l *line8) { lookup8AVX512((*byte)(unsafe.Pointer(l))) }
