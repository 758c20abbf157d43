package main

import (
	"bytes"
	"fmt"
	"go/format"
	"math"
	"strconv"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// geluFit says how GELU's negative part is approximated: see [geluFit.table].
type geluFit struct {
	intervals, degree int
	scale             float64
}

// negativeGELU is gelu(−a) = −a·Φ(−a) for a ≥ 0, so that gelu(x) = max(x, 0) +
// negativeGELU(|x|). It is what the tables approximate: smooth, never above 0.17 in
// magnitude, and vanishing for large a.
func negativeGELU(a float64) float64 { return -a * 0.5 * math.Erfc(a/math.Sqrt2) }

// table fits negativeGELU with one polynomial for each interval |x|·scale ∈ [i − ½, i + ½),
// in t = |x|·scale − i, and returns its coefficients, power by power. The last interval is
// the zero polynomial: every larger |x| is clamped into it. The first one has a constant
// term of exactly 0 and a slope of exactly −½, so gelu(x) → x/2 to full relative precision
// and gelu(0) = 0. Nodes are Chebyshev's, which comes within a small factor of minimax.
func (g geluFit) table() [][]float32 {
	c := make([][]float32, g.degree+1)
	for p := range c {
		c[p] = make([]float32, g.intervals)
	}
	for i := range g.intervals - 1 {
		f := func(t float64) float64 { return negativeGELU((float64(i) + t) / g.scale) }
		if i > 0 {
			for p, v := range interpolate(f, -0.5, 0.5, g.degree) {
				c[p][i] = float32(v)
			}
			continue
		}
		slope := -0.5 / g.scale
		c[1][0] = float32(slope)
		rest := func(t float64) float64 { return (f(t) - slope*t) / (t * t) }
		for p, v := range interpolate(rest, 0, 0.5, g.degree-2) {
			c[p+2][0] = float32(v)
		}
	}
	return c
}

// interpolate returns the coefficients of the polynomial that meets f at the Chebyshev
// nodes of [lo, hi], lowest power first.
func interpolate(f func(float64) float64, lo, hi float64, degree int) []float64 {
	n := degree + 1
	x, y := make([]float64, n), make([]float64, n)
	for i := range x {
		x[i] = (lo+hi)/2 + (hi-lo)/2*math.Cos((2*float64(i)+1)/(2*float64(n))*math.Pi)
		y[i] = f(x[i])
	}
	for j := 1; j < n; j++ { // Newton's divided differences
		for i := n - 1; i >= j; i-- {
			y[i] = (y[i] - y[i-1]) / (x[i] - x[i-j])
		}
	}
	c := make([]float64, n)
	for i := n - 1; i >= 0; i-- { // c ← c·(t − x[i]) + y[i]
		for p := n - 1; p > 0; p-- {
			c[p] = c[p-1] - x[i]*c[p]
		}
		c[0] = y[i] - x[i]*c[0]
	}
	return c
}

// Rows of the table of constants, in vectors: the coefficients, then these.
const (
	geluLimit = iota // the middle of the last interval
	geluMagic        // adding it rounds to a whole number of intervals, in the low bits
	geluAbs          // all bits but the sign (AVX2)
	geluScale        // (AVX2)
	geluRows
)

// vectors returns the table of constants, one vector after the other.
func (g geluFit) vectors(lanes int) []float32 {
	var v []float32
	for _, c := range g.table() {
		v = append(v, c...)
	}
	last := float64(g.intervals - 1)
	rest := [geluRows]float32{
		geluLimit: float32(last),
		geluMagic: 3 << 22,
		geluAbs:   math.Float32frombits(1<<31 - 1),
		geluScale: float32(g.scale),
	}
	if g.scale == 2 { // arguments are not scaled: the powers of t are
		for p := range g.degree + 1 {
			for i := range g.intervals {
				v[p*g.intervals+i] *= float32(math.Pow(g.scale, float64(p)))
			}
		}
		rest[geluLimit], rest[geluMagic] = float32(last/g.scale), 3<<21
	}
	for _, c := range rest {
		for range lanes {
			v = append(v, c)
		}
	}
	return v
}

// emitGELU replaces x by gelu(x), given the table's address and four registers.
//
// |x| is clamped to the last interval; adding a large number rounds it to a whole number of
// intervals, whose low bits select the coefficients (a permutation reads no others). NaN
// passes through the maximum, whose second operand it is.
func (s *isa) emitGELU(x VecPhysical, table Register, t [4]VecPhysical) {
	row := func(i int) Mem { return at(table, i*s.bytes) }
	constant := func(i int) Mem { return row(s.gelu.degree + 1 + i) }
	r, index, sum, c := t[0], t[1], t[2], t[3]
	if s == avx512 {
		VRANGEPS(U8(0b1010), constant(geluLimit), x, r) // the lesser magnitude, sign cleared
		VADDPS(constant(geluMagic), r, index)
		VREDUCEPS(U8(0x10), r, r) // r − round(2r)/2
	} else {
		VANDPS(constant(geluAbs), x, r)
		VMULPS(constant(geluScale), r, r)
		VMINPS(constant(geluLimit), r, r)
		VADDPS(constant(geluMagic), r, index)
		VSUBPS(constant(geluMagic), index, c)
		VSUBPS(c, r, r)
	}
	VPERMPS(row(s.gelu.degree), index, sum)
	for p := s.gelu.degree - 1; p >= 0; p-- {
		VPERMPS(row(p), index, c)
		VFMADD213PS(c, r, sum)
	}
	s.zero(r)
	VMAXPS(x, r, x)
	VADDPS(sum, x, x)
}

// emitReLU replaces x by max(x, 0), or NaN.
func (s *isa) emitReLU(x, t VecPhysical) {
	s.zero(t)
	VMAXPS(x, t, x)
}

// Rows of the sigmoid's table of constants, in vectors.
const (
	sigmoidHigh = iota // arguments are clamped between these
	sigmoidLow
	sigmoidLog2e // −log2 e
	sigmoidMagic
	sigmoidLn2High // ln 2 in two parts
	sigmoidLn2Low
	sigmoidOne
	sigmoidTaylor // 1/6!, 1/5!, … 1/2!, from here
	sigmoidRows   = sigmoidTaylor + 5
)

func sigmoidVectors(lanes int) []float32 {
	const ln2High = 0.693359375
	c := [sigmoidRows]float32{
		sigmoidHigh: 87, sigmoidLow: -87,
		sigmoidLog2e:   float32(-math.Log2E),
		sigmoidMagic:   3 << 22,
		sigmoidLn2High: ln2High, sigmoidLn2Low: float32(math.Ln2 - ln2High),
		sigmoidOne: 1,
	}
	for i := range 5 {
		c[sigmoidTaylor+i] = float32(1 / math.Gamma(float64(7-i)))
	}
	c[sigmoidTaylor] *= 1.04 // makes up for the terms that are missing
	var v []float32
	for _, c := range c {
		for range lanes {
			v = append(v, c)
		}
	}
	return v
}

// emitSigmoid replaces x by 1/(1 + e⁻ˣ).
func (s *isa) emitSigmoid(x VecPhysical, table Register, t [3]VecPhysical) {
	s.emitPower(x, table, t)
	p, one := t[1], t[2]
	VADDPS(one, p, p)
	VDIVPS(p, one, x)
}

// emitPower sets t[1] to e⁻ˣ, which is 2ⁿ·eʳ with |r| ≤ ½ ln 2, and t[2] to 1. It changes x.
func (s *isa) emitPower(x VecPhysical, table Register, t [3]VecPhysical) {
	row := func(i int) Mem { return at(table, i*s.bytes) }
	n, p, one := t[0], t[1], t[2]
	VMOVUPS(row(sigmoidHigh), n)
	VMINPS(x, n, x) // NaN passes as the second operand
	VMOVUPS(row(sigmoidLow), n)
	VMAXPS(x, n, x)
	VMULPS(row(sigmoidLog2e), x, n)
	VADDPS(row(sigmoidMagic), n, n)
	VSUBPS(row(sigmoidMagic), n, p)        // the whole number next to −x·log2 e
	VFMADD231PS(row(sigmoidLn2High), p, x) // −r = x + p·ln 2
	VFMADD231PS(row(sigmoidLn2Low), p, x)
	s.zero(p)
	VSUBPS(x, p, x)
	VMOVUPS(row(sigmoidOne), one)
	VMOVUPS(row(sigmoidTaylor), p)
	for i := 1; i < 5; i++ {
		VFMADD213PS(row(sigmoidTaylor+i), x, p)
	}
	VFMADD213PS(one, x, p)
	VFMADD213PS(one, x, p)
	VPSLLD(U8(23), n, n) // 2ⁿ: the magic number's own low bits are zero
	VPADDD(one, n, n)
	VMULPS(n, p, p)
}

// emitClamp sets y to min(max(scale·x + shift, low), high), or NaN, which passes as the
// second operand of minimum and maximum.
func (s *isa) emitClamp(x, y VecPhysical, c [4]VecPhysical) {
	VMOVAPS(c[1], y)
	VFMADD231PS(c[0], x, y)
	VMAXPS(y, c[2], y)
	VMINPS(y, c[3], y)
}

// activations emits the function that applies an activation to whole vectors in memory.
//
// Registers: SI elements, CX vectors left, BX table; V0 the value, V1 to V4 temporary; for
// clamps V1 temporary, V2 to V5 the parameters.
func (s *isa) activations() {
	s.text("apply", "func(x *float32, vectors, act int, table *float32)",
		"applies an activation, not Identity, to whole vectors in place; the table is that of GELU, or of Sigmoid and Exp, or the parameters of a clamp.")
	Load(Param("x"), RSI)
	Load(Param("vectors"), RCX)
	Load(Param("act"), RAX)
	Load(Param("table"), RBX)
	v := s.v
	loop := func(name string, body func()) {
		Label(name)
		VMOVUPS(at(RSI, 0), v[0])
		body()
		VMOVUPS(v[0], at(RSI, 0))
		ADDQ(imm(s.bytes), RSI)
		DECQ(RCX)
		JNE(LabelRef(name))
		VZEROUPPER()
		RET()
	}
	CMPQ(RAX, imm(actReLU))
	JEQ(LabelRef("relu"))
	CMPQ(RAX, imm(actExp))
	JEQ(LabelRef("exp"))
	CMPQ(RAX, imm(actSigmoid))
	JEQ(LabelRef("sigmoid"))
	JGT(LabelRef("clamps"))
	loop("gelu", func() { s.emitGELU(v[0], RBX, [4]VecPhysical(v[1:])) })
	loop("relu", func() { s.emitReLU(v[0], v[1]) })
	loop("sigmoid", func() { s.emitSigmoid(v[0], RBX, [3]VecPhysical(v[1:])) })
	loop("exp", func() {
		s.zero(v[1])
		VSUBPS(v[0], v[1], v[0])
		s.emitPower(v[0], RBX, [3]VecPhysical(v[1:]))
		VMOVAPS(v[2], v[0])
	})
	Label("clamps")
	for i := range 4 {
		VBROADCASTSS(at(RBX, 4*i), v[2+i])
	}
	CMPQ(RAX, imm(actClamp))
	JNE(LabelRef("gated"))
	loop("clamp", func() {
		s.emitClamp(v[0], v[1], [4]VecPhysical(v[2:]))
		VMOVAPS(v[1], v[0])
	})
	loop("gated", func() {
		s.emitClamp(v[0], v[1], [4]VecPhysical(v[2:]))
		VMULPS(v[1], v[0], v[0])
	})
}

// The values of type kernel.Function.
const (
	actIdentity = iota
	actGELU
	actReLU
	actSigmoid
	actClamp
	actGatedClamp
	actExp
)

// constants returns the Go file with the tables.
func constants() []byte {
	var b bytes.Buffer
	b.WriteString("// Code generated by _generate/float32. DO NOT EDIT.\n\n//go:build amd64 && !purego\n\npackage kernel\n\n")
	b.WriteString("// Constants of the activation functions, one vector after the other. The absolute value's\n// mask is NaN as a number, so everything is written as bits.\n")
	b.WriteString("var (\n")
	for _, s := range []*isa{avx512, avx2} {
		for _, t := range []struct {
			name string
			v    []float32
		}{{"gelu", s.gelu.vectors(s.bytes / 4)}, {"sigmoid", sigmoidVectors(s.bytes / 4)}} {
			fmt.Fprintf(&b, "%sTable%s = alignedTable([]uint32{", t.name, s.name)
			for i, x := range t.v {
				if i%8 == 0 {
					b.WriteString("\n")
				}
				b.WriteString("0x" + strconv.FormatUint(uint64(math.Float32bits(x)), 16) + ", ")
			}
			b.WriteString("\n})\n")
		}
	}
	b.WriteString(")\n")
	out, err := format.Source(b.Bytes())
	if err != nil {
		panic(err)
	}
	return out
}
