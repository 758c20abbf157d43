//go:build arm64 && !purego

package kernel

import "unsafe"

// neon is for every processor: its instructions are part of arm64. Assembly takes four
// registers for one vector.
var neon = simd{name: "neon", lanes: 16, gelu: geluTableNEON, sigmoid: sigmoidTableNEON}

// float32Sets are the sets that this machine can run.
var float32Sets = []*Float32{neon.float32(), &generic}

// panel returns the columns and the most rows of a tile of the panel that is next when a
// number of columns is left.
func (s *simd) panel(int) (columns, rows int) { return 16, 6 }

// run computes the tiles that t describes.
func (s *simd) run(t *tile, _ int) { gemmNEON((*byte)(unsafe.Pointer(t))) }

// rows computes one or two rows of a depthwise convolution.
func (s *simd) rows(t *taps, stride, rows int) {
	p := (*byte)(unsafe.Pointer(t))
	switch {
	case stride == 2:
		depthwise2x1NEON(p)
	case rows == 2:
		depthwise1x2NEON(p)
	default:
		depthwise1x1NEON(p)
	}
}

func (s *simd) window(t *window) { windowNEON((*byte)(unsafe.Pointer(t))) }

func (s *simd) sum(dst, x *float32, rows, ld, vectors int) { sumNEON(dst, x, rows, ld, vectors) }

func (s *simd) scale(x, gate *float32, rows, ld, vectors int) { scaleNEON(x, gate, rows, ld, vectors) }

func (s *simd) add(dst, src *float32, vectors int) { addNEON(dst, src, vectors) }

func (s *simd) applyVectors(x *float32, n int, act Activation, table []float32) {
	applyNEON(x, n, int(act.Function), &table[0])
}

// tileIn transforms a tile to the values that are multiplied.
func (s *simd) tileIn(t *winogradTile) { winogradInNEON((*byte)(unsafe.Pointer(t))) }

// tileOut transforms values to a tile of the output.
func (s *simd) tileOut(t *winogradTile) { winogradOutNEON((*byte)(unsafe.Pointer(t))) }

func transpose8(dst, src *float32, ldd, lds, blocks int) { transposeNEON(dst, src, ldd, lds, blocks) }

func addScaled8(dst, src *float32, scale float32, vectors int) {
	addScaledNEON(dst, src, scale, vectors)
}

func max8(dst, src *float32, vectors int) { maxNEON(dst, src, vectors) }

// gemmNEON multiplies t.tiles tiles of t.rows rows, 1 to 6, by a panel of 16 columns.
//
//go:noescape
func gemmNEON(t *byte)

// depthwise1x1NEON computes an output row of a depthwise 3×3 convolution of stride 1.
//
//go:noescape
func depthwise1x1NEON(t *byte)

// depthwise1x2NEON computes two output rows of a depthwise 3×3 convolution of stride 1.
//
//go:noescape
func depthwise1x2NEON(t *byte)

// depthwise2x1NEON computes an output row of a depthwise 3×3 convolution of stride 2.
//
//go:noescape
func depthwise2x1NEON(t *byte)

// windowNEON computes the depthwise convolution of a run of pixels.
//
//go:noescape
func windowNEON(t *byte)

// sumNEON adds the rows, ld bytes apart, of a matrix.
//
//go:noescape
func sumNEON(dst, x *float32, rows, ld, vectors int)

// scaleNEON multiplies rows, ld bytes apart, by gate.
//
//go:noescape
func scaleNEON(x, gate *float32, rows, ld, vectors int)

// addNEON adds src to dst, 16 elements a vector.
//
//go:noescape
func addNEON(dst, src *float32, vectors int)

// addScaledNEON adds src times scale to dst, 8 elements a vector.
//
//go:noescape
func addScaledNEON(dst, src *float32, scale float32, vectors int)

// maxNEON sets dst to the maximum of dst and src, 8 elements a vector.
//
//go:noescape
func maxNEON(dst, src *float32, vectors int)

// applyNEON applies an activation, not Identity, to whole vectors in place; the table is that
// of GELU or Sigmoid, or the parameters of a clamp.
//
//go:noescape
func applyNEON(x *float32, vectors, act int, table *float32)

// winogradInNEON transforms the pixels of a tile, 4 by 4, to values.
//
//go:noescape
func winogradInNEON(t *byte)

// winogradOutNEON transforms the values of a tile to pixels, 2 by 2.
//
//go:noescape
func winogradOutNEON(t *byte)

// transposeNEON writes 8 rows of 8·blocks elements, lds bytes apart, as columns of rows ldd
// bytes apart.
//
//go:noescape
func transposeNEON(dst, src *float32, ldd, lds, blocks int)

// peakNEON runs rounds of 24 independent multiply-adds of 4 elements.
//
//go:noescape
func peakNEON(rounds int)
