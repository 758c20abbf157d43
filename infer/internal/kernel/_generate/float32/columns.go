package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// sum emits the sum of a matrix's rows.
//
// Row r is added to accumulator r mod 4, and the four are added in the end, whatever the
// number of columns: one vector of columns goes through all rows before the next. The four
// chains hide the latency of additions; each cache line is read once.
//
// Registers: DI output, SI input, CX rows left, DX vectors left, R8 lda, R9 3·lda, BX the
// current column, R10 rows.
func (s *isa) sum() {
	s.text("sum", "func(dst, x *float32, rows, ld, vectors int)", "adds the rows, ld bytes apart, of a matrix.")
	Load(Param("dst"), RDI)
	Load(Param("x"), RSI)
	Load(Param("rows"), R10)
	Load(Param("ld"), R8)
	Load(Param("vectors"), RDX)
	LEAQ(Mem{Base: R8, Index: R8, Scale: 2}, R9)
	a := s.v
	Label("column")
	for i := range 4 {
		s.zero(a[i])
	}
	MOVQ(RSI, RBX)
	MOVQ(R10, RCX)
	SUBQ(imm(4), RCX)
	JLT(LabelRef("few"))
	Label("four")
	VADDPS(at(RBX, 0), a[0], a[0])
	VADDPS(Mem{Base: RBX, Index: R8, Scale: 1}, a[1], a[1])
	VADDPS(Mem{Base: RBX, Index: R8, Scale: 2}, a[2], a[2])
	VADDPS(Mem{Base: RBX, Index: R9, Scale: 1}, a[3], a[3])
	LEAQ(Mem{Base: RBX, Index: R8, Scale: 4}, RBX)
	SUBQ(imm(4), RCX)
	JGE(LabelRef("four"))
	Label("few")
	ADDQ(imm(4), RCX)
	JEQ(LabelRef("done"))
	VADDPS(at(RBX, 0), a[0], a[0])
	DECQ(RCX)
	JEQ(LabelRef("done"))
	VADDPS(Mem{Base: RBX, Index: R8, Scale: 1}, a[1], a[1])
	DECQ(RCX)
	JEQ(LabelRef("done"))
	VADDPS(Mem{Base: RBX, Index: R8, Scale: 2}, a[2], a[2])
	Label("done")
	VADDPS(a[1], a[0], a[0])
	VADDPS(a[3], a[2], a[2])
	VADDPS(a[2], a[0], a[0])
	VMOVUPS(a[0], at(RDI, 0))
	ADDQ(imm(s.bytes), RDI)
	ADDQ(imm(s.bytes), RSI)
	DECQ(RDX)
	JNE(LabelRef("column"))
	VZEROUPPER()
	RET()
}

// scale emits the product of every row with one row. The gate stays in the first-level
// cache; each element of the matrix is read and written once, in order.
//
// Registers: DI matrix, SI gate, CX rows left, DX bytes of a row, R8 ld, BX offset.
func (s *isa) scale() {
	s.text("scale", "func(x, gate *float32, rows, ld, vectors int)", "multiplies rows, ld bytes apart, by gate.")
	Load(Param("x"), RDI)
	Load(Param("gate"), RSI)
	Load(Param("rows"), RCX)
	Load(Param("ld"), R8)
	Load(Param("vectors"), RDX)
	IMUL3Q(imm(s.bytes), RDX, RDX)
	Label("row")
	XORQ(RBX, RBX)
	Label("vector")
	VMOVUPS(Mem{Base: RDI, Index: RBX, Scale: 1}, s.v[0])
	VMULPS(Mem{Base: RSI, Index: RBX, Scale: 1}, s.v[0], s.v[0])
	VMOVUPS(s.v[0], Mem{Base: RDI, Index: RBX, Scale: 1})
	ADDQ(imm(s.bytes), RBX)
	CMPQ(RBX, RDX)
	JLT(LabelRef("vector"))
	ADDQ(R8, RDI)
	DECQ(RCX)
	JNE(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// add emits the sum of two arrays, read and written once, in order.
//
// Registers: DI sum, SI addend, CX vectors left.
func (s *isa) add() {
	s.text("add", "func(dst, src *float32, vectors int)", "adds src to dst.")
	Load(Param("dst"), RDI)
	Load(Param("src"), RSI)
	Load(Param("vectors"), RCX)
	Label("vector")
	VMOVUPS(at(RDI, 0), s.v[0])
	VADDPS(at(RSI, 0), s.v[0], s.v[0])
	VMOVUPS(s.v[0], at(RDI, 0))
	ADDQ(imm(s.bytes), RDI)
	ADDQ(imm(s.bytes), RSI)
	DECQ(RCX)
	JNE(LabelRef("vector"))
	VZEROUPPER()
	RET()
}

// addScaled emits the sum of an array and another one times a number, in order. Product and
// sum are rounded, as in plain Go.
//
// Registers: DI sum, SI operand, CX vectors left.
func (s *isa) addScaled() {
	s.text("addScaled", "func(dst, src *float32, scale float32, vectors int)", "adds src times scale to dst.")
	Load(Param("dst"), RDI)
	Load(Param("src"), RSI)
	Load(Param("vectors"), RCX)
	scale, x := s.v[0], s.v[1]
	Load(Param("scale"), X0)
	VBROADCASTSS(X0, scale)
	Label("vector")
	VMULPS(at(RSI, 0), scale, x)
	VADDPS(at(RDI, 0), x, x)
	VMOVUPS(x, at(RDI, 0))
	ADDQ(imm(s.bytes), RDI)
	ADDQ(imm(s.bytes), RSI)
	DECQ(RCX)
	JNE(LabelRef("vector"))
	VZEROUPPER()
	RET()
}

// max emits the maximum of two arrays, read and written once, in order. Where one of two
// elements is NaN the result is: all bits set, which a comparison gives, are one.
//
// Registers: DI maximum, SI operand, CX vectors left.
func (s *isa) max() {
	s.text("max", "func(dst, src *float32, vectors int)", "sets dst to the maximum of dst and src.")
	Load(Param("dst"), RDI)
	Load(Param("src"), RSI)
	Load(Param("vectors"), RCX)
	const unordered = 3
	x, y, nan := s.v[0], s.v[1], s.v[2]
	Label("vector")
	VMOVUPS(at(RDI, 0), x)
	VMOVUPS(at(RSI, 0), y)
	VCMPPS(U8(unordered), x, y, nan)
	VMAXPS(x, y, x)
	VORPS(nan, x, x)
	VMOVUPS(x, at(RDI, 0))
	ADDQ(imm(s.bytes), RDI)
	ADDQ(imm(s.bytes), RSI)
	DECQ(RCX)
	JNE(LabelRef("vector"))
	VZEROUPPER()
	RET()
}
