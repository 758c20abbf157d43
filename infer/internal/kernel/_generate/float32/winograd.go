package main

import (
	"unsafe"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// winogradTile mirrors package kernel's type of that name.
type winogradTile struct {
	pixels                        [36]uintptr
	values, lines, bias, constant uintptr
	step, vectors                 int
	low                           float32
}

var winogradField winogradTile

// winograd emits the transformations of a tile to and from the values that are multiplied.
//
// Channels go along vectors. For each vector of them the tile's columns are transformed into
// lines, 36 vectors of scratch memory that stay in the first-level cache, and these row by row
// into the result. Pixels have an address each, because those beyond the image's border lie
// elsewhere.
//
// Registers: DI description, SI values, DX step, R8 lines, R9 six steps, BX offset of the
// channels, CX vectors left, AX and R10 addresses. Vectors: six constants, six elements, four
// temporary ones.
func (s *isa) winograd() {
	constants, x, t := s.v[:6], s.v[6:12], s.v[12:16]
	begin := func(name, doc string) {
		s.text(name, "func(t *byte)", doc)
		Load(Param("t"), RDI)
		MOVQ(field(unsafe.Offsetof(winogradField.values)), RSI)
		MOVQ(field(unsafe.Offsetof(winogradField.step)), RDX)
		MOVQ(field(unsafe.Offsetof(winogradField.lines)), R8)
		MOVQ(field(unsafe.Offsetof(winogradField.constant)), RAX)
		for i, c := range constants {
			VBROADCASTSS(at(RAX, 4*i), c)
		}
		MOVQ(field(unsafe.Offsetof(winogradField.vectors)), RCX)
		LEAQ(Mem{Base: RDX, Index: RDX, Scale: 2}, R9)
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

	begin("winogradIn", "transforms the pixels of a tile, 6 by 6, to values.")
	for j := range 6 {
		for i := range 6 {
			VMOVUPS(pixel(6*i+j), x[i])
		}
		for i, v := range transformIn(constants, x, t) {
			VMOVUPS(v, line(6*i+j))
		}
	}
	MOVQ(RSI, R10)
	for i := range 6 {
		for j := range 6 {
			VMOVUPS(line(6*i+j), x[j])
		}
		for _, v := range transformIn(constants, x, t) {
			VMOVUPS(v, at(R10, 0))
			ADDQ(RDX, R10)
		}
	}
	end()

	begin("winogradOut", "transforms the values of a tile to pixels, 4 by 4.")
	MOVQ(RSI, R10)
	for j := range 6 {
		MOVQ(R10, RAX)
		for i := range 6 {
			VMOVUPS(at(RAX, 0), x[i])
			if i < 5 {
				ADDQ(R9, RAX)
			}
		}
		ADDQ(RDX, R10)
		for i, v := range transformOut(constants, x, t) {
			VMOVUPS(v, line(6*i+j))
		}
	}
	MOVQ(field(unsafe.Offsetof(winogradField.bias)), R10)
	for i := range 4 {
		for j := range 6 {
			VMOVUPS(line(6*i+j), x[j])
		}
		y := transformOut(constants, x, t)
		VBROADCASTSS(field(unsafe.Offsetof(winogradField.low)), t[0])
		for j, v := range y {
			VADDPS(Mem{Base: R10, Index: RBX, Scale: 1}, v, v)
			VMAXPS(v, t[0], v) // NaN stays
			VMOVUPS(v, pixel(4*i+j))
		}
	}
	end()
}

// transformIn emits Bᵀx, Bᵀ being the polynomials of package kernel, and returns where the
// results are. Constants: a, b, a², b², a²+b², a²b².
func transformIn(c, x, t []VecPhysical) []VecPhysical {
	VMOVAPS(x[4], t[0])
	VFNMADD231PS(c[3], x[2], t[0]) // even and odd part at ±a
	VMOVAPS(x[3], t[1])
	VFNMADD231PS(c[3], x[1], t[1])
	VMOVAPS(x[4], t[2])
	VFNMADD231PS(c[2], x[2], t[2]) // at ±b
	VMOVAPS(x[3], t[3])
	VFNMADD231PS(c[2], x[1], t[3])
	VFMADD231PS(c[5], x[0], x[4])
	VFNMADD231PS(c[4], x[2], x[4])
	VFMADD231PS(c[5], x[1], x[5])
	VFNMADD231PS(c[4], x[3], x[5])
	VMOVAPS(t[0], x[0])
	VFMADD231PS(c[0], t[1], x[0])
	VFNMADD231PS(c[0], t[1], t[0])
	VMOVAPS(t[2], x[1])
	VFMADD231PS(c[1], t[3], x[1])
	VFNMADD231PS(c[1], t[3], t[2])
	return []VecPhysical{x[4], x[0], t[0], x[1], t[2], x[5]}
}

// transformOut emits Aᵀx, Aᵀ being the powers of the points, and returns where the results
// are. Constants: a, b, a², b², a³, b³.
func transformOut(c, x, t []VecPhysical) []VecPhysical {
	VADDPS(x[2], x[1], t[0])
	VSUBPS(x[2], x[1], t[1])
	VADDPS(x[4], x[3], t[2])
	VSUBPS(x[4], x[3], t[3])
	VADDPS(t[0], x[0], x[0])
	VADDPS(t[2], x[0], x[0])
	VMULPS(c[0], t[1], x[1])
	VFMADD231PS(c[1], t[3], x[1])
	VMULPS(c[2], t[0], x[2])
	VFMADD231PS(c[3], t[2], x[2])
	VFMADD231PS(c[4], t[1], x[5])
	VFMADD231PS(c[5], t[3], x[5])
	return []VecPhysical{x[0], x[1], x[2], x[5]}
}
