package main

import (
	"unsafe"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// line8 mirrors package kernel's type of that name.
type line8 struct {
	dst, a, b                     uintptr
	n                             int // vectors of 32-bit elements
	rows                          int
	aStep, bStep                  float32
	aZero, bZero, zero, low, high int32
	ld, ldb                       int
}

var l8 line8

// line loops over a.n vectors of elements: DX destination, SI and BX operands, CX vectors
// left.
func (s *isa) line(body func()) {
	MOVQ(field(unsafe.Offsetof(l8.dst)), RDX)
	MOVQ(field(unsafe.Offsetof(l8.a)), RSI)
	MOVQ(field(unsafe.Offsetof(l8.b)), RBX)
	MOVQ(field(unsafe.Offsetof(l8.n)), RCX)
	Label("vector")
	body()
	DECQ(RCX)
	JNZ(LabelRef("vector"))
	s.end()
}

func (s *isa) broadcast(offset uintptr, v VecPhysical) { VPBROADCASTD(field(offset), v) }

// storeBytes stores int32 between 0 and 255 as bytes.
func (s *isa) storeBytes(v VecPhysical) {
	if s.wide() {
		VPMOVDB(v, at(RDX, 0))
		return
	}
	upper := X15
	VEXTRACTI128(U8(1), v, upper)
	VPACKSSDW(upper, v.AsX(), v.AsX())
	VPACKUSWB(v.AsX(), v.AsX(), v.AsX())
	VMOVQ(v.AsX(), at(RDX, 0))
}

// saturate adds the zero point to rounded numbers and limits them to a byte.
func (s *isa) saturate(v, zero, none, most VecPhysical) {
	VPADDD(zero, v, v)
	VPMAXSD(none, v, v)
	VPMINSD(most, v, v)
}

func (s *isa) quantize() {
	s.text("quantize8", "quantizes d.rows rows of d.n vectors at d.a, which are d.ldb bytes apart, to rows d.ld bytes apart; d.aStep is the inverse scale, d.low and d.high are −zero and 255−zero.")
	v := s.v
	inverse, zero, least, most, order := v[8], v[9], v[10], v[11], v[12]
	s.broadcast(unsafe.Offsetof(l8.aStep), inverse)
	s.broadcast(unsafe.Offsetof(l8.low), least)
	s.broadcast(unsafe.Offsetof(l8.high), most)
	VCVTDQ2PS(least, least)
	VCVTDQ2PS(most, most)
	VPBROADCASTW(field(unsafe.Offsetof(l8.zero)), zero)
	if s.wide() {
		VMOVDQU32(orderTable(), order)
	}
	one := func(i int) VecPhysical {
		x := v[i]
		VMOVUPS(at(RSI, i*s.bytes), x)
		// NaN is not equal to itself.
		if s.wide() {
			VCMPPS(U8(0), x, x, K1)
			VMULPS_Z(inverse, x, K1, x)
		} else {
			VCMPPS(U8(0), x, x, v[7])
			VMULPS(inverse, x, x)
			VANDPS(v[7], x, x)
		}
		VMAXPS(least, x, x)
		VMINPS(most, x, x)
		VCVTPS2DQ(x, x)
		return x
	}
	MOVQ(field(unsafe.Offsetof(l8.rows)), R8)
	MOVQ(field(unsafe.Offsetof(l8.a)), R9)
	MOVQ(field(unsafe.Offsetof(l8.dst)), R10)
	Label("row")
	MOVQ(R9, RSI)
	MOVQ(R10, RDX)
	MOVQ(field(unsafe.Offsetof(l8.n)), RCX)
	if s.wide() {
		SUBQ(imm(4), RCX)
		JLT(LabelRef("rest"))
		Label("four")
		a, b, c, d := one(0), one(1), one(2), one(3)
		VPACKSSDW(b, a, a)
		VPACKSSDW(d, c, c)
		VPADDW(zero, a, a)
		VPADDW(zero, c, c)
		VPACKUSWB(c, a, a)
		VPERMD(a, order, a)
		VMOVDQU32(a, at(RDX, 0))
		ADDQ(imm(4*s.bytes), RSI)
		ADDQ(imm(s.bytes), RDX)
		SUBQ(imm(4), RCX)
		JGE(LabelRef("four"))
		Label("rest")
		ADDQ(imm(4), RCX)
		JZ(LabelRef("done"))
	}
	Label("vector")
	x := one(0)
	if s.wide() {
		VPACKSSDW(x, x, x)
		VPADDW(zero, x, x)
		VPACKUSWB(x, x, x)
		VPERMD(x, order, x)
		VMOVDQU(x.AsX(), at(RDX, 0))
	} else {
		VEXTRACTI128(U8(1), x, X1)
		VPACKSSDW(X1, x.AsX(), x.AsX())
		VPADDW(zero.AsX(), x.AsX(), x.AsX())
		VPACKUSWB(x.AsX(), x.AsX(), x.AsX())
		VMOVQ(x.AsX(), at(RDX, 0))
	}
	ADDQ(imm(s.bytes), RSI)
	ADDQ(imm(s.bytes/4), RDX)
	DECQ(RCX)
	JNZ(LabelRef("vector"))
	Label("done")
	ADDQ(field(unsafe.Offsetof(l8.ldb)), R9)
	ADDQ(field(unsafe.Offsetof(l8.ld)), R10)
	DECQ(R8)
	JNZ(LabelRef("row"))
	s.end()
}

func (s *isa) dequantize() {
	s.text("dequantize8", "writes (d.a − d.aZero)·d.aStep for d.n vectors.")
	v := s.v
	s.broadcast(unsafe.Offsetof(l8.aStep), v[8])
	s.broadcast(unsafe.Offsetof(l8.aZero), v[9])
	s.line(func() {
		VPMOVZXBD(at(RSI, 0), v[0])
		VPSUBD(v[9], v[0], v[0])
		VCVTDQ2PS(v[0], v[0])
		VMULPS(v[8], v[0], v[0])
		VMOVUPS(v[0], at(RDX, 0))
		ADDQ(imm(s.bytes/4), RSI)
		ADDQ(imm(s.bytes), RDX)
	})
}

func (s *isa) scale() {
	s.text("scale8", "multiplies d.n vectors of (d.a − d.aZero) by as many float32 at d.b and by d.aStep.")
	v := s.v
	aStep, aZero, zero, none, most := v[7], v[8], v[9], v[10], v[11]
	s.broadcast(unsafe.Offsetof(l8.aStep), aStep)
	s.broadcast(unsafe.Offsetof(l8.aZero), aZero)
	s.broadcast(unsafe.Offsetof(l8.zero), zero)
	s.broadcast(unsafe.Offsetof(l8.high), most)
	s.zero(none)
	s.line(func() {
		VPMOVZXBD(at(RSI, 0), v[0])
		VPSUBD(aZero, v[0], v[0])
		VCVTDQ2PS(v[0], v[0])
		VMULPS(at(RBX, 0), v[0], v[0])
		VMULPS(aStep, v[0], v[0])
		VCVTPS2DQ(v[0], v[0])
		s.saturate(v[0], zero, none, most)
		s.storeBytes(v[0])
		ADDQ(imm(s.bytes/4), RSI)
		ADDQ(imm(s.bytes), RBX)
		ADDQ(imm(s.bytes/4), RDX)
	})
}

func (s *isa) sum() {
	s.text("sum8", "adds d.n vectors at d.a and d.b.")
	v := s.v
	aZero, aStep, bZero, bStep, zero, none, most := v[5], v[6], v[7], v[8], v[9], v[10], v[11]
	s.broadcast(unsafe.Offsetof(l8.aZero), aZero)
	s.broadcast(unsafe.Offsetof(l8.bZero), bZero)
	s.broadcast(unsafe.Offsetof(l8.aStep), aStep)
	s.broadcast(unsafe.Offsetof(l8.bStep), bStep)
	s.broadcast(unsafe.Offsetof(l8.zero), zero)
	s.broadcast(unsafe.Offsetof(l8.high), most)
	s.zero(none)
	s.line(func() {
		for i, p := range []GPPhysical{RSI, RBX} {
			VPMOVZXBD(at(p, 0), v[i])
			VPSUBD([]VecPhysical{aZero, bZero}[i], v[i], v[i])
			VCVTDQ2PS(v[i], v[i])
			VMULPS([]VecPhysical{aStep, bStep}[i], v[i], v[i])
		}
		VADDPS(v[1], v[0], v[0])
		VCVTPS2DQ(v[0], v[0])
		s.saturate(v[0], zero, none, most)
		s.storeBytes(v[0])
		ADDQ(imm(s.bytes/4), RSI)
		ADDQ(imm(s.bytes/4), RBX)
		ADDQ(imm(s.bytes/4), RDX)
	})
}

// sumColumns adds bytes of d.rows rows, for d.n groups of columns: four vectors of int32
// with AVX-512, two with AVX2.
func (s *isa) sumColumns() {
	group := 4
	if !s.wide() {
		group = 2
	}
	s.text("sumColumns8", "adds d.rows rows of d.a, which are d.ld bytes apart, for d.n groups of columns.")
	v := s.v
	MOVQ(field(unsafe.Offsetof(l8.ld)), R8)
	s.line(func() {
		for i := range group {
			s.zero(v[i])
		}
		MOVQ(RSI, RAX)
		MOVQ(field(unsafe.Offsetof(l8.rows)), RBX)
		Label("row")
		for i := range group {
			VPMOVZXBD(at(RAX, i*s.bytes/4), v[4+i])
			VPADDD(v[4+i], v[i], v[i])
		}
		ADDQ(R8, RAX)
		DECQ(RBX)
		JNZ(LabelRef("row"))
		for i := range group {
			if s.wide() {
				VMOVDQU32(v[i], at(RDX, i*s.bytes))
			} else {
				VMOVDQU(v[i], at(RDX, i*s.bytes))
			}
		}
		ADDQ(imm(group*s.bytes/4), RSI)
		ADDQ(imm(group*s.bytes), RDX)
	})
}

// lookup maps bytes through a table at d.b, 64 at a time.
func lookup() {
	s := avx512vnni
	s.text("lookup8", "maps d.n blocks of 64 bytes at d.a through the table at d.b.")
	MOVQ(field(unsafe.Offsetof(l8.b)), RBX)
	for i := range 4 {
		VMOVDQU32(at(RBX, 64*i), zmm[8+i])
	}
	s.line(func() {
		VMOVDQU32(at(RSI, 0), Z0)
		VPMOVB2M(Z0, K1)
		VMOVDQA64(Z0, Z1)
		VPERMI2B(Z9, Z8, Z0)
		VPERMI2B(Z11, Z10, Z1)
		VMOVDQU8(Z1, K1, Z0)
		VMOVDQU32(Z0, at(RDX, 0))
		ADDQ(imm(64), RSI)
		ADDQ(imm(64), RDX)
	})
}

// peak multiplies without reading memory, for benchmarks to compare with.
func peak() {
	s := avx512vnni
	s.text("peak8", "executes d.n times 24 VPDPBUSD.")
	for _, v := range zmm {
		s.zero(v)
	}
	s.line(func() {
		for i := range 24 {
			VPDPBUSD(Z30, Z31, zmm[i])
		}
	})
}
