package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// transpose emits the transposition of eight rows, in blocks of eight by eight elements:
// what packing of weights consists of. Both sets use it, because half a cache line at a
// time is as fast as memory.
//
// Registers: SI rows 0 to 3, BX rows 4 to 7, R8 distance of rows, R9 three times that; DI
// output, DX distance of its rows; CX blocks left. Y0 to Y7 rows, Y8 to Y15 temporary.
func (s *isa) transpose() {
	s.text("transpose", "func(dst, src *float32, ldd, lds, blocks int)",
		"writes 8 rows of 8·blocks elements, lds bytes apart, as columns of rows ldd bytes apart.")
	Load(Param("dst"), RDI)
	Load(Param("src"), RSI)
	Load(Param("ldd"), RDX)
	Load(Param("lds"), R8)
	Load(Param("blocks"), RCX)
	LEAQ(Mem{Base: R8, Index: R8, Scale: 2}, R9)
	LEAQ(Mem{Base: RSI, Index: R8, Scale: 4}, RBX)
	a, b := s.v[:8], s.v[8:]
	Label("block")
	for i, row := range []Mem{{Index: nil}, {Index: R8, Scale: 1}, {Index: R8, Scale: 2}, {Index: R9, Scale: 1}} {
		row.Base = RSI
		VMOVUPS(row, a[i])
		row.Base = RBX
		VMOVUPS(row, a[i+4])
	}
	for i := 0; i < 8; i += 2 { // pairs of rows interleaved
		VUNPCKLPS(a[i+1], a[i], b[i])
		VUNPCKHPS(a[i+1], a[i], b[i+1])
	}
	for i := 0; i < 8; i += 4 { // fours of rows
		VSHUFPS(U8(0x44), b[i+2], b[i], a[i])
		VSHUFPS(U8(0xee), b[i+2], b[i], a[i+1])
		VSHUFPS(U8(0x44), b[i+3], b[i+1], a[i+2])
		VSHUFPS(U8(0xee), b[i+3], b[i+1], a[i+3])
	}
	for i := range 4 {
		VPERM2F128(U8(0x20), a[i+4], a[i], b[i])
		VPERM2F128(U8(0x31), a[i+4], a[i], b[i+4])
	}
	for i := range 8 {
		VMOVUPS(b[i], at(RDI, 0))
		ADDQ(RDX, RDI)
	}
	ADDQ(imm(32), RSI)
	ADDQ(imm(32), RBX)
	DECQ(RCX)
	JNE(LabelRef("block"))
	VZEROUPPER()
	RET()
}
