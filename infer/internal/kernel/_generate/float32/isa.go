package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// isa is an instruction set, as far as generators need to know it. All registers are
// assigned by hand: kernels use every vector register there is.
type isa struct {
	name  string
	bytes int           // of a vector
	v     []VecPhysical // vector registers
	// panels are the widths of a panel of weights, in vectors, and for each how many rows a
	// tile has at most.
	panels []panel
	gelu   geluFit
}

type panel struct{ vectors, rows int }

var avx512 = &isa{
	name:   "AVX512",
	bytes:  64,
	v:      []VecPhysical{Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15, Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31},
	panels: []panel{{1, 14}, {2, 14}, {3, 8}},
	gelu:   geluFit{intervals: 16, degree: 5, scale: 2},
}

var avx2 = &isa{
	name:   "AVX2",
	bytes:  32,
	v:      []VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15},
	panels: []panel{{2, 6}},
	gelu:   geluFit{intervals: 8, degree: 6, scale: 1.2},
}

// zero clears a vector register.
func (s *isa) zero(v VecPhysical) {
	if s == avx512 {
		VPXORD(v, v, v)
		return
	}
	VXORPS(v, v, v)
}

// field is an operand of a kernel's description, whose address is in DI.
func field(offset uintptr) Mem { return Mem{Base: RDI, Disp: int(offset)} }

// at is the memory at a base register.
func at(base Register, disp int) Mem { return Mem{Base: base, Disp: disp} }

// text begins a function, whose name ends in the set's.
func (s *isa) text(name, signature, doc string) {
	name += s.name
	TEXT(name, NOSPLIT, signature)
	Doc(name + " " + doc)
	Pragma("noescape")
}

// imm is an immediate operand that ADDQ and its kin take: avo knows them with 8 and 32 bits.
func imm(x int) Constant {
	if x < 1<<7 {
		return U8(x)
	}
	return U32(x)
}
