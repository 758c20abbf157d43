package main

import (
	"unsafe"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// taps8 mirrors package kernel's type of that name.
type taps8 struct {
	in                        [9]uintptr
	out, weights, bias, scale uintptr
	step, ldo                 int
	pixels                    int
	zero, floor               int32
}

var d8 taps8

var tapRegisters = []GPPhysical{R8, R9, R10, R11, R12, R13, R14, R15, RSI}

// depthwise emits a depthwise 3×3 convolution of a block of channels, one vector of bytes
// with VNNI and half of one without, over a run of output pixels of one row.
//
// With VNNI, the three taps of a column and a zero are interleaved, so that a doubleword
// holds what VPDPBUSD multiplies for a channel. VPUNPCK works on each 128 bits by itself
// and so does VPACK, which undoes it: sums i of 4 hold, in lane l, channels 16·l + 4·i …
// +3, and weights and biases are packed in that order. Scales are brought into it here.
// Without VNNI, pairs of taps are widened to 16 bits and interleaved.
//
// Registers: R8 to R15 and SI taps, AX offset into them, BX output, CX pixels left, DX
// temporary, DI description.
func (s *isa) depthwise() {
	s.text("depthwise8", "computes d.pixels pixels of a block of channels.")
	for t, r := range tapRegisters {
		MOVQ(field(unsafe.Offsetof(d8.in)+8*uintptr(t)), r)
	}
	MOVQ(field(unsafe.Offsetof(d8.weights)), RAX)
	MOVQ(field(unsafe.Offsetof(d8.scale)), RBX)
	if s.wide() {
		s.depthwise512()
		return
	}
	s.depthwise256()
}

func tap(t int) Mem { return Mem{Base: tapRegisters[t], Index: RAX, Scale: 1} }

func (s *isa) depthwise512() {
	v := zmm
	weights, sums, rows, scales := v[0:12], v[12:16], v[16:19], v[24:28]
	a, b, c, d := v[19], v[20], v[21], v[22]
	zero, zeroPoint, floor, quad := v[28], v[29], v[30], v[23]
	for i, w := range weights {
		VMOVDQU32(at(RAX, 64*i), w)
	}
	for i, x := range []VecPhysical{v[16], v[17], v[18], v[19]} {
		VMOVUPS(at(RBX, 64*i), x)
	}
	// Transpose scales as a 4×4 matrix of 128-bit blocks.
	VSHUFF32X4(U8(0x44), v[17], v[16], v[20])
	VSHUFF32X4(U8(0x44), v[19], v[18], v[21])
	VSHUFF32X4(U8(0xee), v[17], v[16], v[22])
	VSHUFF32X4(U8(0xee), v[19], v[18], v[23])
	VSHUFF32X4(U8(0x88), v[21], v[20], scales[0])
	VSHUFF32X4(U8(0xdd), v[21], v[20], scales[1])
	VSHUFF32X4(U8(0x88), v[23], v[22], scales[2])
	VSHUFF32X4(U8(0xdd), v[23], v[22], scales[3])
	VPBROADCASTW(field(unsafe.Offsetof(d8.zero)), zeroPoint)
	VPBROADCASTB(field(unsafe.Offsetof(d8.floor)), floor)
	s.zero(zero)
	s.run(func() {
		MOVQ(field(unsafe.Offsetof(d8.bias)), RDX)
		for i, x := range sums {
			VMOVDQU32(at(RDX, 64*i), x)
		}
		for kx := range 3 {
			for ky, r := range rows {
				VMOVDQU32(tap(3*ky+kx), r)
			}
			VPUNPCKLBW(rows[1], rows[0], a)
			VPUNPCKHBW(rows[1], rows[0], b)
			VPUNPCKLBW(zero, rows[2], c)
			VPUNPCKHBW(zero, rows[2], d)
			VPUNPCKLWD(c, a, quad)
			VPDPBUSD(weights[4*kx], quad, sums[0])
			VPUNPCKHWD(c, a, a)
			VPDPBUSD(weights[4*kx+1], a, sums[1])
			VPUNPCKLWD(d, b, quad)
			VPDPBUSD(weights[4*kx+2], quad, sums[2])
			VPUNPCKHWD(d, b, b)
			VPDPBUSD(weights[4*kx+3], b, sums[3])
		}
		for i, x := range sums {
			VCVTDQ2PS(x, x)
			VMULPS(scales[i], x, x)
			VCVTPS2DQ(x, x)
		}
		VPACKSSDW(sums[1], sums[0], a)
		VPACKSSDW(sums[3], sums[2], b)
		VPADDSW(zeroPoint, a, a)
		VPADDSW(zeroPoint, b, b)
		VPACKUSWB(b, a, a)
		VPMAXUB(floor, a, a)
		VMOVDQU32(a, at(RBX, 0))
	})
}

func (s *isa) depthwise256() {
	v := ymm
	weights := v[0:10]
	sums, a, b, c := v[10:12], v[12], v[13], v[14]
	for i, w := range weights {
		VMOVDQU(at(RAX, 32*i), w)
	}
	s.run(func() {
		MOVQ(field(unsafe.Offsetof(d8.bias)), RDX)
		VMOVDQU(at(RDX, 0), sums[0])
		VMOVDQU(at(RDX, 32), sums[1])
		for t := 0; t < 9; t += 2 {
			VPMOVZXBW(tap(t), a)
			if t < 8 {
				VPMOVZXBW(tap(t+1), b)
			} else {
				VPXOR(b, b, b)
			}
			VPUNPCKLWD(b, a, c)
			VPMADDWD(weights[t], c, c)
			VPADDD(c, sums[0], sums[0])
			VPUNPCKHWD(b, a, a)
			VPMADDWD(weights[t+1], a, a)
			VPADDD(a, sums[1], sums[1])
		}
		MOVQ(field(unsafe.Offsetof(d8.scale)), RDX)
		VMOVUPS(at(RDX, 0), a)
		VMOVUPS(at(RDX, 32), b)
		VPERM2F128(U8(0x20), b, a, c)
		VPERM2F128(U8(0x31), b, a, a)
		VCVTDQ2PS(sums[0], sums[0])
		VCVTDQ2PS(sums[1], sums[1])
		VMULPS(c, sums[0], sums[0])
		VMULPS(a, sums[1], sums[1])
		VCVTPS2DQ(sums[0], sums[0])
		VCVTPS2DQ(sums[1], sums[1])
		VPACKSSDW(sums[1], sums[0], a)
		VPBROADCASTW(field(unsafe.Offsetof(d8.zero)), b)
		VPADDSW(b, a, a)
		VPACKUSWB(a, a, a)
		VPERMQ(U8(0x08), a, a)
		VPBROADCASTB(field(unsafe.Offsetof(d8.floor)), b)
		VPMAXUB(b, a, a)
		VMOVDQU(a.AsX(), at(RBX, 0))
	})
}

// run loops over pixels.
func (s *isa) run(pixel func()) {
	MOVQ(field(unsafe.Offsetof(d8.out)), RBX)
	MOVQ(field(unsafe.Offsetof(d8.pixels)), RCX)
	XORQ(RAX, RAX)
	Label("pixel")
	pixel()
	ADDQ(field(unsafe.Offsetof(d8.step)), RAX)
	ADDQ(field(unsafe.Offsetof(d8.ldo)), RBX)
	DECQ(RCX)
	JNZ(LabelRef("pixel"))
	s.end()
}
