package main

import (
	"unsafe"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// winogradTile mirrors package kernel's type of that name.
type winogradTile struct {
	pixels              [16]uintptr
	values, lines, bias uintptr
	step, vectors       int
	low                 float32
}

var winogradField winogradTile

// winograd emits the transformations of a tile to and from the values that are multiplied.
//
// Channels go along vectors. For each vector of them the tile's columns are transformed into
// lines, 16 vectors of scratch memory that stay in the first-level cache, and these row by row
// into the result. Pixels have an address each, because those beyond the image's border lie
// elsewhere.
//
// Registers: DI description, SI values, DX step, R8 lines, R9 four steps, BX offset of the
// channels, CX vectors left, AX and R10 addresses.
func (s *isa) winograd() {
	x, free := s.v[:4], s.v[4]
	begin := func(name, doc string) {
		s.text(name, "func(t *byte)", doc)
		Load(Param("t"), RDI)
		MOVQ(field(unsafe.Offsetof(winogradField.values)), RSI)
		MOVQ(field(unsafe.Offsetof(winogradField.step)), RDX)
		MOVQ(field(unsafe.Offsetof(winogradField.lines)), R8)
		MOVQ(field(unsafe.Offsetof(winogradField.vectors)), RCX)
		LEAQ(Mem{Base: RDX, Index: RDX, Scale: 1}, R9)
		ADDQ(R9, R9)
		XORQ(RBX, RBX)
		Label("vector")
	}
	end := func() {
		ADDQ(imm(s.bytes), RBX)
		ADDQ(imm(s.bytes), RSI)
		DECQ(RCX)
		JNE(LabelRef("vector"))
		VZEROUPPER()
		RET()
	}
	pixel := func(i int) Mem {
		MOVQ(field(unsafe.Offsetof(winogradField.pixels)+uintptr(8*i)), RAX)
		return Mem{Base: RAX, Index: RBX, Scale: 1}
	}
	line := func(i int) Mem { return at(R8, i*s.bytes) }

	begin("winogradIn", "transforms the pixels of a tile, 4 by 4, to values.")
	for j := range 4 {
		for i := range 4 {
			VMOVUPS(pixel(4*i+j), x[i])
		}
		for i, v := range transformIn(x, free) {
			VMOVUPS(v, line(4*i+j))
		}
	}
	MOVQ(RSI, R10)
	for i := range 4 {
		for j := range 4 {
			VMOVUPS(line(4*i+j), x[j])
		}
		for _, v := range transformIn(x, free) {
			VMOVUPS(v, at(R10, 0))
			ADDQ(RDX, R10)
		}
	}
	end()

	begin("winogradOut", "transforms the values of a tile to pixels, 2 by 2.")
	MOVQ(RSI, R10)
	for j := range 4 {
		MOVQ(R10, RAX)
		for i := range 4 {
			VMOVUPS(at(RAX, 0), x[i])
			if i < 3 {
				ADDQ(R9, RAX)
			}
		}
		ADDQ(RDX, R10)
		for i, v := range transformOut(x) {
			VMOVUPS(v, line(4*i+j))
		}
	}
	MOVQ(field(unsafe.Offsetof(winogradField.bias)), R10)
	VBROADCASTSS(field(unsafe.Offsetof(winogradField.low)), free)
	for i := range 2 {
		for j := range 4 {
			VMOVUPS(line(4*i+j), x[j])
		}
		for j, v := range transformOut(x) {
			VADDPS(Mem{Base: R10, Index: RBX, Scale: 1}, v, v)
			VMAXPS(v, free, v) // NaN stays
			VMOVUPS(v, pixel(2*i+j))
		}
	}
	end()
}

// transformIn emits x0−x2, x1+x2, x2−x1, x3−x1 and returns where they are.
func transformIn(x []VecPhysical, free VecPhysical) []VecPhysical {
	VSUBPS(x[2], x[0], x[0])
	VSUBPS(x[1], x[3], x[3])
	VADDPS(x[2], x[1], free)
	VSUBPS(x[1], x[2], x[2])
	return []VecPhysical{x[0], free, x[2], x[3]}
}

// transformOut emits x0+x1+x2, x1−x2+x3 and returns where they are.
func transformOut(x []VecPhysical) []VecPhysical {
	VADDPS(x[1], x[0], x[0])
	VADDPS(x[2], x[0], x[0])
	VSUBPS(x[2], x[1], x[1])
	VADDPS(x[3], x[1], x[1])
	return []VecPhysical{x[0], x[1]}
}
