//go:build arm64 && !purego

package kernel

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/cpu"
)

// Sets of int8 kernels, which differ in how they multiply matrices. Assembly takes four
// registers for one vector.
var (
	neonMatrix8 = simd8{name: "neon-i8mm", lanes: 16, block: 16, quads: true}
	neonDot8    = simd8{name: "neon-dot", lanes: 16, block: 16, quads: true, signed: true}
	neon8       = simd8{name: "neon", lanes: 16, block: 16, quads: true, signed: true}
)

// int8Sets are the sets that this machine can run. All of Apple's processors for computers
// have dot products, which the first systems for them do not tell.
var int8Sets = func() []*Int8 {
	var sets []*Int8
	if cpu.ARM64.HasI8MM {
		sets = append(sets, neonMatrix8.int8(true))
	}
	if cpu.ARM64.HasASIMDDP || runtime.GOOS == "darwin" {
		sets = append(sets, neonDot8.int8(true))
	}
	return append(sets, neon8.int8(true), &generic8)
}()

// panel returns the vectors and the most rows of a tile of the panel that is next when a
// number of vectors is left.
func (s *simd8) panel(int) (vectors, rows int) {
	if s.name == neon8.name { // which needs two sums for each number
		return 1, 2
	}
	return 1, 6
}

// run computes the tiles that t describes.
func (s *simd8) run(t *tile8, _ int, _ bool) {
	p := (*byte)(unsafe.Pointer(t))
	switch s.name {
	case neonMatrix8.name:
		gemm8Matrix(p)
	case neonDot8.name:
		gemm8Dot(p)
	default:
		gemm8NEON(p)
	}
}

// packTaps lays out, for each 16 channels, nine rows of their weights in 16 bits.
func (s *simd8) packTaps(weight []int8, c int, bias []int32) *Taps8 {
	t := newTaps8(c, bias)
	t.wide = ints[int16](9 * Pad(c, Lanes8))
	for ch := range c {
		for tap, w := range weight[9*ch:][:9] {
			t.wide[ch/16*9*16+tap*16+ch%16] = int16(w)
		}
	}
	return t
}

// taps returns where weights for ld channels are and how many bytes each has.
func (s *simd8) taps(w *Taps8, ld int) (weights uintptr, size int) { return address8(w.wide, 9*ld), 18 }

// pixels computes the pixels that t describes.
func (s *simd8) pixels(t *taps8) { depthwise8NEON((*byte)(unsafe.Pointer(t))) }

func (s *simd8) quantizeRows(l *line8) { quantize8NEON((*byte)(unsafe.Pointer(l))) }

func (s *simd8) dequantizeLine(l *line8) { dequantize8NEON((*byte)(unsafe.Pointer(l))) }

func (s *simd8) sumLine(l *line8) { sum8NEON((*byte)(unsafe.Pointer(l))) }

func (s *simd8) gateLine(l *line8) { scale8NEON((*byte)(unsafe.Pointer(l))) }

func (s *simd8) sumBlocks(l *line8) { sumColumns8NEON((*byte)(unsafe.Pointer(l))) }

func (s *simd8) lookupBlocks(l *line8) { lookup8NEON((*byte)(unsafe.Pointer(l))) }

// gemm8Matrix multiplies t.tiles tiles of t.rows rows, 1 or 3 to 6, by a panel of 16 columns.
//
//go:noescape
func gemm8Matrix(d *byte)

// gemm8Dot multiplies t.tiles tiles of t.rows rows, 1 or 3 to 6, by a panel of 16 columns.
//
//go:noescape
func gemm8Dot(d *byte)

// gemm8NEON multiplies t.tiles tiles of t.rows rows, 1 or 2, by a panel of 16 columns.
//
//go:noescape
func gemm8NEON(d *byte)

// depthwise8NEON computes d.pixels pixels of 16 channels.
//
//go:noescape
func depthwise8NEON(d *byte)

// quantize8NEON quantizes d.rows rows of d.n vectors at d.a, which are d.ldb bytes apart, to
// rows d.ld bytes apart; d.aStep is the inverse scale.
//
//go:noescape
func quantize8NEON(d *byte)

// dequantize8NEON writes (d.a − d.aZero)·d.aStep for d.n vectors.
//
//go:noescape
func dequantize8NEON(d *byte)

// scale8NEON multiplies d.n vectors of (d.a − d.aZero) by as many float32 at d.b and by d.aStep.
//
//go:noescape
func scale8NEON(d *byte)

// sum8NEON adds d.n vectors at d.a and d.b.
//
//go:noescape
func sum8NEON(d *byte)

// sumColumns8NEON adds d.rows rows of d.a, which are d.ld bytes apart, for d.n groups of 16
// columns.
//
//go:noescape
func sumColumns8NEON(d *byte)

// lookup8NEON maps d.n blocks of 64 bytes at d.a through the table at d.b.
//
//go:noescape
func lookup8NEON(d *byte)

// peak8Dot runs rounds of 24 independent SDOT.
//
//go:noescape
func peak8Dot(rounds int)
