package main

import (
	"fmt"
	"unsafe"
)

// winogradTile mirrors package kernel's type of that name.
type winogradTile struct {
	pixels              [16]uintptr
	values, lines, bias uintptr
	step, vectors       int
	low                 float32
}

var wt winogradTile

// winograd emits the transformation of a tile from pixels or to them, four channels at a time.
// A tile stays in registers, unlike on amd64, whose AVX2 has fewer.
//
// Registers: R0 description, R2 values, R3 step, R4 offset of the channels, R5 registers of
// channels left, R6 and R7 addresses, R8 bias; V0 to V15 the tile, V16 free, V17 the bound, V18
// the bias.
func (a *asm) winograd(name string, transform func(pixel func(i int) string)) {
	name = "winograd" + name + "NEON"
	a.doc(fmt.Sprintf("func %s(t *byte)", name))
	a.text(name, 8)
	a.op("MOVD t+0(FP), R0")
	a.op("MOVD %s, R2", field(unsafe.Offsetof(wt.values)))
	a.op("MOVD %s, R3", field(unsafe.Offsetof(wt.step)))
	a.op("MOVD %s, R5", field(unsafe.Offsetof(wt.vectors)))
	a.op("MOVD %s, R8", field(unsafe.Offsetof(wt.bias)))
	a.spread(unsafe.Offsetof(wt.low), 17, 32)
	a.op("LSL $2, R5")
	a.op("MOVD $0, R4")
	a.label("channels")
	transform(func(i int) string {
		a.op("MOVD %s, R6", field(unsafe.Offsetof(wt.pixels)+uintptr(8*i)))
		a.op("ADD R4, R6")
		return "(R6)"
	})
	for _, r := range []string{"R2", "R4", "R8"} {
		a.op("ADD $16, %s", r)
	}
	a.op("SUBS $1, R5")
	a.op("BNE channels")
	a.op("RET")
}

// tileIn transforms columns, then rows: x0−x2, x1+x2, x2−x1, x3−x1.
func (a *asm) tileIn(pixel func(i int) string) {
	var x [16]int
	for i := range x {
		x[i] = i
		a.op("FMOVQ %s, F%d", pixel(i), i)
	}
	free := 16
	transform := func(i0, i1, i2, i3 int) {
		a.arm("fsub v%d.4s, v%d.4s, v%d.4s", x[i0], x[i0], x[i2])
		a.arm("fsub v%d.4s, v%d.4s, v%d.4s", x[i3], x[i3], x[i1])
		a.arm("fadd v%d.4s, v%d.4s, v%d.4s", free, x[i1], x[i2])
		a.arm("fsub v%d.4s, v%d.4s, v%d.4s", x[i2], x[i2], x[i1])
		x[i1], free = free, x[i1]
	}
	for j := range 4 {
		transform(j, 4+j, 8+j, 12+j)
	}
	a.op("MOVD R2, R7")
	for i := 0; i < 16; i += 4 {
		transform(i, i+1, i+2, i+3)
		for j := range 4 {
			a.op("FMOVQ F%d, (R7)", x[i+j])
			a.op("ADD R3, R7")
		}
	}
}

// tileOut transforms columns, then rows: x0+x1+x2, x1−x2+x3. What is then no less than the
// bound is stored; NaN stays.
func (a *asm) tileOut(pixel func(i int) string) {
	a.op("MOVD R2, R7")
	for i := range 16 {
		a.op("FMOVQ (R7), F%d", i)
		a.op("ADD R3, R7")
	}
	transform := func(i0, i1, i2, i3 int) {
		a.arm("fadd v%d.4s, v%d.4s, v%d.4s", i0, i0, i1)
		a.arm("fadd v%d.4s, v%d.4s, v%d.4s", i0, i0, i2)
		a.arm("fsub v%d.4s, v%d.4s, v%d.4s", i1, i1, i2)
		a.arm("fadd v%d.4s, v%d.4s, v%d.4s", i1, i1, i3)
	}
	for j := range 4 {
		transform(j, 4+j, 8+j, 12+j)
	}
	a.op("FMOVQ (R8), F18")
	for i := range 2 {
		transform(4*i, 4*i+1, 4*i+2, 4*i+3)
		for j := range 2 {
			a.arm("fadd v%d.4s, v%d.4s, v18.4s", 4*i+j, 4*i+j)
			a.arm("fmax v%d.4s, v%d.4s, v17.4s", 4*i+j, 4*i+j)
			a.op("FMOVQ F%d, %s", 4*i+j, pixel(2*i+j))
		}
	}
}
