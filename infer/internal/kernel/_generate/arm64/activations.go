package main

import (
	"bytes"
	"fmt"
	"go/format"
	"math"
	"slices"
)

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

// GELU is max(x, 0) + N(|x|) with N(a) = −a·Φ(−a), which is approximated as
// a·(geluEnd − a)·R(a − geluEnd/2) up to geluEnd, where it is below 1.1e-7, and taken for 0
// beyond. R is a polynomial of this degree. So GELU of 0 and of all large numbers is exact.
const (
	geluEnd    = 5.5
	geluDegree = 16
)

// Rows of GELU's table: coefficients from the highest power on, then these.
const (
	geluRowEnd = geluDegree + 1 + iota
	geluRowMiddle
)

// geluTable returns the constants. Nodes are Chebyshev's, which comes within a small factor
// of minimax; the polynomial meets N less what N is at the end, so that R has no pole there.
func geluTable() []float32 {
	n := geluDegree + 1
	x, y := make([]float64, n), make([]float64, n)
	for i := range x {
		x[i] = geluEnd / 2 * math.Cos((2*float64(i)+1)/(2*float64(n))*math.Pi)
		a := x[i] + geluEnd/2
		y[i] = (math.Erfc(geluEnd/math.Sqrt2) - math.Erfc(a/math.Sqrt2)) / 2 / (geluEnd - a)
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
	var table []float32
	for _, v := range slices.Backward(c) {
		table = append(table, float32(v))
	}
	return append(table, geluEnd, geluEnd/2)
}

// gelu replaces four registers from x on by their GELU, given the table's address and sixteen
// registers from free on. Their chains of multiply-adds hide each other's latency. NaN passes:
// minimum and maximum of it are NaN.
func (a *asm) gelu(table string, x, free int) {
	const n = 4
	row := func(i, v int) { a.op("FMOVQ %d(%s), F%d", 16*i, table, v) }
	t, m, sum, next := free, free+n, free+2*n, free+3*n // the first of n each
	row(geluRowEnd, next)
	for i := range n {
		a.arm("fabs v%d.4s, v%d.4s", t+i, x+i)
		a.arm("fmin v%d.4s, v%d.4s, v%d.4s", t+i, t+i, next)
		a.arm("fsub v%d.4s, v%d.4s, v%d.4s", m+i, next, t+i)
		a.arm("fmul v%d.4s, v%d.4s, v%d.4s", m+i, m+i, t+i)
	}
	row(geluRowMiddle, next)
	for i := range n {
		a.arm("fsub v%d.4s, v%d.4s, v%d.4s", t+i, t+i, next)
		row(0, sum+i)
	}
	for c := 1; c <= geluDegree; c++ {
		for i := range n {
			row(c, next+i)
		}
		for i := range n {
			a.arm("fmla v%d.4s, v%d.4s, v%d.4s", next+i, sum+i, t+i)
		}
		sum, next = next, sum
	}
	a.arm("movi v%d.2d, #0", t)
	for i := range n {
		a.arm("fmax v%d.4s, v%d.4s, v%d.4s", x+i, x+i, t)
		a.arm("fmla v%d.4s, v%d.4s, v%d.4s", x+i, sum+i, m+i)
	}
}

// Rows of the sigmoid's table.
const (
	sigmoidHigh = iota // arguments are clamped between these
	sigmoidLow
	sigmoidLog2e   // −log2 e
	sigmoidLn2High // ln 2 in two parts
	sigmoidLn2Low
	sigmoidOne
	sigmoidTaylor // 1/6!, 1/5!, … 1/2!, from here
	sigmoidRows   = sigmoidTaylor + 5
)

func sigmoidTable() []float32 {
	const ln2High = 0.693359375
	c := [sigmoidRows]float32{
		sigmoidHigh: 87, sigmoidLow: -87,
		sigmoidLog2e:   float32(-math.Log2E),
		sigmoidLn2High: ln2High, sigmoidLn2Low: float32(math.Ln2 - ln2High),
		sigmoidOne: 1,
	}
	for i := range 5 {
		c[sigmoidTaylor+i] = float32(1 / math.Gamma(float64(7-i)))
	}
	c[sigmoidTaylor] *= 1.04 // makes up for the terms that are missing
	return c[:]
}

// sigmoid replaces x by 1/(1 + e⁻ˣ), given the table's address and five registers from free on.
func (a *asm) sigmoid(table string, x, free int) {
	sum, one := a.power(table, x, free), free+4
	a.arm("fadd v%d.4s, v%d.4s, v%d.4s", sum, sum, one)
	a.arm("fdiv v%d.4s, v%d.4s, v%d.4s", x, one, sum)
}

// power returns the register with e⁻ˣ, which is 2ⁿ·eʳ with |r| ≤ ½ ln 2, given the table's address and
// five registers from free on, of which the last becomes 1. It changes x.
func (a *asm) power(table string, x, free int) int {
	row := func(i, v int) { a.op("FMOVQ %d(%s), F%d", 16*i, table, v) }
	n, power, sum, next, one := free, free+1, free+2, free+3, free+4
	row(sigmoidHigh, next)
	a.arm("fmin v%d.4s, v%d.4s, v%d.4s", x, x, next)
	row(sigmoidLow, next)
	a.arm("fmax v%d.4s, v%d.4s, v%d.4s", x, x, next)
	row(sigmoidLog2e, next)
	a.arm("fmul v%d.4s, v%d.4s, v%d.4s", n, x, next)
	a.arm("fcvtns v%d.4s, v%d.4s", power, n) // the whole number next to −x·log2 e
	a.arm("scvtf v%d.4s, v%d.4s", n, power)
	row(sigmoidLn2High, next)
	a.arm("fmla v%d.4s, v%d.4s, v%d.4s", x, n, next) // −r = x + n·ln 2
	row(sigmoidLn2Low, next)
	a.arm("fmla v%d.4s, v%d.4s, v%d.4s", x, n, next)
	a.arm("fneg v%d.4s, v%d.4s", x, x)
	row(sigmoidOne, one)
	row(sigmoidTaylor, sum)
	for _, i := range []int{sigmoidTaylor + 1, sigmoidTaylor + 2, sigmoidTaylor + 3, sigmoidTaylor + 4, sigmoidOne, sigmoidOne} {
		row(i, next)
		a.arm("fmla v%d.4s, v%d.4s, v%d.4s", next, sum, x)
		sum, next = next, sum
	}
	a.arm("shl v%d.4s, v%d.4s, #23", power, power)
	a.arm("add v%d.4s, v%d.4s, v%d.4s", power, power, one) // the bits of 2ⁿ
	a.arm("fmul v%d.4s, v%d.4s, v%d.4s", sum, sum, power)
	return sum
}

// apply emits the function that applies an activation to whole vectors in memory.
//
// Registers: R0 elements, R2 vectors left, R3 table; V0 to V3 the values, the others temporary,
// for clamps V28 to V31 the parameters.
func (a *asm) apply() {
	a.doc("func applyNEON(x *float32, vectors, act int, table *float32)")
	a.text("applyNEON", 32)
	a.op("MOVD x+0(FP), R0")
	a.op("MOVD vectors+8(FP), R2")
	a.op("MOVD act+16(FP), R1")
	a.op("MOVD table+24(FP), R3")
	loop := func(name string, body func()) {
		a.label(name)
		a.load("R0", 0, 0, 4)
		body()
		a.store("R0", 0, 0, 4)
		a.op("ADD $64, R0")
		a.op("SUBS $1, R2")
		a.op("BNE %s", name)
		a.op("RET")
	}
	a.op("CMP $%d, R1", actExp)
	a.op("BEQ exp")
	a.op("CMP $%d, R1", actSigmoid)
	a.op("BEQ sigmoid")
	a.op("BGT clamps")
	a.op("CMP $%d, R1", actReLU)
	a.op("BEQ relus")
	loop("gelu", func() { a.gelu("R3", 0, 16) })
	a.label("relus")
	a.arm("movi v24.2d, #0")
	loop("relu", func() {
		for i := range 4 {
			a.arm("fmax v%d.4s, v%d.4s, v24.4s", i, i)
		}
	})
	loop("sigmoid", func() {
		for i := range 4 {
			a.sigmoid("R3", i, 8+5*i)
		}
	})
	loop("exp", func() {
		for i := range 4 {
			a.arm("fneg v%d.4s, v%d.4s", i, i)
			sum := a.power("R3", i, 8+5*i)
			a.op("VORR V%d.B16, V%d.B16, V%d.B16", sum, sum, i)
		}
	})
	a.label("clamps")
	a.op("FMOVQ (R3), F28")
	for i := 3; i >= 0; i-- {
		a.arm("dup v%d.4s, v28.s[%d]", 28+i, i)
	}
	clamp := func(i int) {
		a.op("VORR V29.B16, V29.B16, V%d.B16", 4+i)
		a.arm("fmla v%d.4s, v%d.4s, v28.4s", 4+i, i)
		a.arm("fmax v%d.4s, v%d.4s, v30.4s", 4+i, 4+i)
		a.arm("fmin v%d.4s, v%d.4s, v31.4s", 4+i, 4+i)
	}
	a.op("CMP $%d, R1", actClamp)
	a.op("BNE gated")
	loop("clamp", func() {
		for i := range 4 {
			clamp(i)
			a.op("VORR V%d.B16, V%d.B16, V%d.B16", 4+i, 4+i, i)
		}
	})
	loop("gated", func() {
		for i := range 4 {
			clamp(i)
			a.arm("fmul v%d.4s, v%d.4s, v%d.4s", i, i, 4+i)
		}
	})
}

// tables returns the Go file with the constants, each four times: as many as a register has.
func tables() []byte {
	var b bytes.Buffer
	b.WriteString("// Code generated by _generate/arm64. DO NOT EDIT.\n\n//go:build arm64 && !purego\n\npackage kernel\n\n")
	b.WriteString("// Constants of the activation functions, one register after the other.\nvar (\n")
	for _, t := range []struct {
		name string
		v    []float32
	}{{"gelu", geluTable()}, {"sigmoid", sigmoidTable()}} {
		fmt.Fprintf(&b, "%sTableNEON = alignedTable([]uint32{\n", t.name)
		for _, v := range t.v {
			x := math.Float32bits(v)
			fmt.Fprintf(&b, "%#x, %#x, %#x, %#x,\n", x, x, x, x)
		}
		b.WriteString("})\n")
	}
	b.WriteString(")\n")
	out, err := format.Source(b.Bytes())
	if err != nil {
		panic(err)
	}
	return out
}
