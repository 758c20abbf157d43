package main

import (
	"fmt"
	"unsafe"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// window mirrors package kernel's type of that name.
type window struct {
	in, out, taps, bias uintptr
	pixel, tap          int
	step, outStep       int
	vectors, pixels     int
	rows, columns       int
	aOffset, bOffset    [16]int
}

var windowField window

// window emits a depthwise convolution with a kernel of any size, for a run of pixels.
//
// Four vectors of channels go along all pixels, so that their taps stay in the first-level
// cache, and their sums are chains of multiply-adds that do not wait for each other. Each
// multiply-add loads an input and a tap, which is what keeps the loads busy, not the
// multipliers. A sum takes its taps in the order of rows, then columns, always.
//
// Registers: DI description, SI input, R8 output, R9 bias, R10 taps, BX vectors left, AX and
// DX input and output of the pixel, R14 pixels left, R15 row, R11 and R12 input and tap, CX
// columns left, R13 and BP untouched.
func (s *isa) window() {
	s.text("window", "func(t *byte)", "computes the depthwise convolution of a run of pixels.")
	Load(Param("t"), RDI)
	for _, l := range []struct {
		offset uintptr
		r      GPPhysical
	}{
		{unsafe.Offsetof(windowField.in), RSI}, {unsafe.Offsetof(windowField.out), R8},
		{unsafe.Offsetof(windowField.bias), R9}, {unsafe.Offsetof(windowField.taps), R10},
		{unsafe.Offsetof(windowField.vectors), RBX},
	} {
		MOVQ(field(l.offset), l.r)
	}
	const wide = 4
	for _, vectors := range []int{wide, 1} {
		label := func(what string) string { return fmt.Sprintf("%s%d", what, vectors) }
		acc, x := s.v[:vectors], s.v[vectors:]
		Label(label("block"))
		SUBQ(imm(vectors), RBX)
		JLT(LabelRef(label("end")))
		MOVQ(RSI, RAX)
		MOVQ(R8, RDX)
		MOVQ(field(unsafe.Offsetof(windowField.pixels)), R14)
		Label(label("pixel"))
		for i, v := range acc {
			VMOVUPS(at(R9, i*s.bytes), v)
		}
		XORQ(R15, R15)
		JMP(LabelRef(label("rows")))
		Label(label("row"))
		MOVQ(RAX, R11)
		ADDQ(Mem{Base: RDI, Index: R15, Scale: 8, Disp: int(unsafe.Offsetof(windowField.aOffset))}, R11)
		MOVQ(R10, R12)
		ADDQ(Mem{Base: RDI, Index: R15, Scale: 8, Disp: int(unsafe.Offsetof(windowField.bOffset))}, R12)
		MOVQ(field(unsafe.Offsetof(windowField.columns)), RCX)
		Label(label("tap"))
		for i, v := range acc {
			VMOVUPS(at(R11, i*s.bytes), x[i])
			VFMADD231PS(at(R12, i*s.bytes), x[i], v)
		}
		ADDQ(field(unsafe.Offsetof(windowField.pixel)), R11)
		ADDQ(field(unsafe.Offsetof(windowField.tap)), R12)
		DECQ(RCX)
		JNE(LabelRef(label("tap")))
		INCQ(R15)
		Label(label("rows"))
		CMPQ(R15, field(unsafe.Offsetof(windowField.rows)))
		JLT(LabelRef(label("row")))
		for i, v := range acc {
			VMOVUPS(v, at(RDX, i*s.bytes))
		}
		ADDQ(field(unsafe.Offsetof(windowField.step)), RAX)
		ADDQ(field(unsafe.Offsetof(windowField.outStep)), RDX)
		DECQ(R14)
		JNE(LabelRef(label("pixel")))
		for _, r := range []Register{RSI, R8, R9, R10} {
			ADDQ(imm(vectors*s.bytes), r)
		}
		JMP(LabelRef(label("block")))
		Label(label("end"))
		if vectors == wide {
			ADDQ(imm(wide), RBX)
		}
	}
	VZEROUPPER()
	RET()
}
