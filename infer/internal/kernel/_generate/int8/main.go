// Command int8 generates the integer kernels for amd64 with avo: see package kernel for
// what they compute. Its output is committed; `go generate ./infer/...` reproduces it.
package main

import (
	"log"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	log.SetFlags(0)
	ConstraintExpr("amd64,!purego")
	for _, s := range []*isa{avx512vnni, avxvnni, avx2, avx2narrow} {
		s.gemm()
	}
	for _, s := range []*isa{avx512vnni, avx2} {
		s.depthwise()
		s.quantize()
		s.dequantize()
		s.scale()
		s.sum()
		s.sumColumns()
	}
	lookup()
	peak()
	Generate()
}

// isa is an instruction set, as far as generators need to know it. All registers are
// assigned by hand: kernels use every vector register there is.
type isa struct {
	name   string
	bytes  int           // of a vector
	depth  int           // k of a group
	v      []VecPhysical // vector registers
	panels []panel
	dot    func(weights, inputs, acc VecPhysical, spare []VecPhysical)
}

// panel is a width of a panel of weights, in vectors of int32, and the numbers of rows of a
// tile that there is code for.
type panel struct {
	vectors int
	rows    []int
}

var zmm = []VecPhysical{Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15, Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31}
var ymm = []VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15}

var avx512vnni = &isa{
	name:   "AVX512",
	bytes:  64,
	depth:  4,
	v:      zmm,
	panels: []panel{{4, []int{1, 3, 4, 5, 6}}, {3, []int{1, 4, 5, 6, 7, 8}}, {1, []int{1, 4, 5, 6, 7, 8}}},
	dot:    func(w, x, acc VecPhysical, _ []VecPhysical) { VPDPBUSD(w, x, acc) },
}

var avxvnni = &isa{
	name:   "AVXVNNI",
	bytes:  32,
	depth:  4,
	v:      ymm,
	panels: []panel{{2, []int{1, 3, 4, 5, 6}}},
	dot:    func(w, x, acc VecPhysical, _ []VecPhysical) { vexDPBUSD(w, x, acc) },
}

// avx2 multiplies 16-bit numbers, because VPMADDUBSW, which multiplies uint8 by int8,
// saturates sums of two products to int16.
var avx2 = &isa{
	name:   "AVX2",
	bytes:  32,
	depth:  2,
	v:      ymm,
	panels: []panel{{2, []int{1, 3, 4, 5, 6}}},
	dot: func(w, x, acc VecPhysical, spare []VecPhysical) {
		VPMADDWD(w, x, spare[0])
		VPADDD(spare[0], acc, acc)
	},
}

// avx2narrow is for weights from −64 to 64, with which VPMADDUBSW cannot saturate.
var avx2narrow = &isa{
	name:   "AVX2Narrow",
	bytes:  32,
	depth:  4,
	v:      ymm,
	panels: []panel{{2, []int{1, 3, 4, 5, 6}}},
	dot: func(w, x, acc VecPhysical, spare []VecPhysical) {
		VPMADDUBSW(w, x, spare[0])
		VPMADDWD(ones(), spare[0], spare[0])
		VPADDD(spare[0], acc, acc)
	},
}

// wide reports whether the set has AVX-512.
func (s *isa) wide() bool { return s.bytes == 64 }

// field is an operand of a kernel's description, whose address is in DI.
func field(offset uintptr) Mem { return Mem{Base: RDI, Disp: int(offset)} }

// at is the memory at a base register.
func at(base Register, disp int) Mem { return Mem{Base: base, Disp: disp} }

// text begins a function of one pointer, which it loads into DI.
func (s *isa) text(name, doc string) {
	name += s.name
	TEXT(name, NOSPLIT, "func(d *byte)")
	Doc(name + " " + doc)
	Pragma("noescape")
	Load(Param("d"), RDI)
}

// imm is an immediate operand that ADDQ and its kin take: avo knows them with 8 and 32 bits.
func imm(x int) Constant {
	if x < 1<<7 {
		return U8(x)
	}
	return U32(x)
}

// end leaves a function.
func (s *isa) end() {
	VZEROUPPER()
	RET()
}

// zero clears a vector register.
func (s *isa) zero(v VecPhysical) {
	if s.wide() {
		VPXORD(v, v, v)
		return
	}
	VPXOR(v, v, v)
}
