package main

import (
	"fmt"
	"unsafe"
)

// tile8 mirrors package kernel's type of that name.
type tile8 struct {
	a, b, bias, scale, out, residual, table uintptr
	lda, ldo, ldr                           int
	groups, segments, jump                  int
	rows, tiles, mode                       int
	low, high, residualZero                 int32
	step, residualStep                      float32
	zero, floor                             int32
}

var t8 tile8

// Modes of the epilogue, as in package kernel.
const (
	modeFloat = iota
	modeRound
	modeBytes
	modeTable
	modeSum
)

// product is a way to multiply groups of four uint8 by groups of four int8. In each, a tile
// is some rows by 16 columns, whose sums stay in registers over all of k; they are V0 to V3 of
// the first row and so on when they are complete. k is walked in segments, as on amd64.
//
// Registers: R0 description, R2 to R7 rows, R8 weights, R9 groups left, R10 jump, R11 segments
// left, R12 lda, R1 temporary.
type product struct {
	name string
	rows []int // that tiles have, the most last
	// start sets the sums of a tile up; groups emits the products of one group, or four, and
	// moves on; finish completes the sums.
	start  func(a *asm, rows int)
	groups func(a *asm, rows, groups int)
	finish func(a *asm, rows int)
}

// inputs loads a number of groups of each row to registers from first on, less 128.
func (a *asm) inputs(rows, groups, first, temporary int) {
	a.arm("movi v%d.16b, #128", temporary)
	for r := range rows {
		if groups == 4 {
			a.op("FMOVQ.P 16(%s), F%d", rowPointer(r), first+r)
		} else {
			a.op("FMOVS.P 4(%s), F%d", rowPointer(r), first+r)
		}
	}
	for r := range rows {
		a.arm("eor v%d.16b, v%d.16b, v%d.16b", first+r, first+r, temporary)
	}
}

// dots multiplies by SDOT: up to 6 rows, V24 to V29 inputs, V30 and V31 weights. SDOT knows
// signed numbers only, so that 128 is taken from the inputs; the bias makes up for it. V30 is
// the 128 before it holds weights.
var dots = product{
	name: "Dot",
	rows: []int{1, 3, 4, 5, 6},
	start: func(a *asm, rows int) {
		a.op("MOVD %s, R1", field(unsafe.Offsetof(t8.bias)))
		for r := range rows {
			a.load("R1", 0, 4*r, 4)
		}
	},
	groups: func(a *asm, rows, groups int) {
		a.inputs(rows, groups, 24, 30)
		a.op("FMOVQ (R8), F30")
		for i := range 4 * groups {
			if i < 4*groups-1 {
				a.op("FMOVQ %d(R8), F%d", 16*(i+1), 30+(i+1)%2)
			}
			for r := range rows {
				a.arm("sdot v%d.4s, v%d.16b, v%d.4b[%d]", 4*r+i%4, 30+i%2, 24+r, i/4)
			}
		}
		a.op("ADD $%d, R8", 64*groups)
	},
	finish: func(*asm, int) {},
}

// widened multiplies where there is no dot product: to 16 bits, which are added in pairs to
// 32 bits, so that no sum can overflow. Two rows; each four columns have two registers of
// sums, with two sums for each column: V0 to V15. V16 to V19 products, V22 and V23 inputs,
// V24 and V25 a group of them four times, V30 and V31 weights.
var widened = product{
	name: "NEON",
	rows: []int{1, 2},
	start: func(a *asm, rows int) {
		for i := range 8 * rows {
			a.arm("movi v%d.2d, #0", i)
		}
	},
	groups: func(a *asm, rows, groups int) {
		a.inputs(rows, groups, 22, 30)
		a.op("FMOVQ (R8), F30")
		for i := range 4 * groups {
			if i%4 == 0 {
				for r := range rows {
					a.arm("dup v%d.4s, v%d.s[%d]", 24+r, 22+r, i/4)
				}
			}
			if i < 4*groups-1 {
				a.op("FMOVQ %d(R8), F%d", 16*(i+1), 30+(i+1)%2)
			}
			for r := range rows {
				a.arm("smull v%d.8h, v%d.8b, v%d.8b", 16+2*r, 30+i%2, 24+r)
				a.arm("smull2 v%d.8h, v%d.16b, v%d.16b", 17+2*r, 30+i%2, 24+r)
			}
			for r := range rows {
				for half := range 2 {
					a.arm("sadalp v%d.4s, v%d.8h", 8*r+i%4*2+half, 16+2*r+half)
				}
			}
		}
		a.op("ADD $%d, R8", 64*groups)
	},
	finish: func(a *asm, rows int) {
		a.op("MOVD %s, R1", field(unsafe.Offsetof(t8.bias)))
		for c := range 4 {
			a.op("FMOVQ %d(R1), F%d", 16*c, 24+c)
		}
		for i := range 4 * rows {
			a.arm("addp v%d.4s, v%d.4s, v%d.4s", i, 2*i, 2*i+1)
			a.arm("add v%d.4s, v%d.4s, v%d.4s", i, i, 24+i%4)
		}
	},
}

// matrices multiplies by USMMLA: two rows of eight k by two columns of them, which are two
// groups of four put together. Up to 6 rows, the odd one in a pair by itself. A pair has its
// sums in eight registers, one for each pair of columns. V24 to V26 pairs of rows, V27 the
// second row of one, V28 and V29 weights, V30 and V31 pairs of columns.
var matrices = product{
	name: "Matrix",
	rows: []int{1, 3, 4, 5, 6},
	start: func(a *asm, rows int) {
		for pair := range (rows + 1) / 2 {
			a.op("MOVD %s, R1", field(unsafe.Offsetof(t8.bias)))
			for c := range 8 {
				a.op("VLD1R.P 8(R1), [V%d.D2]", 8*pair+c)
			}
		}
	},
	groups: func(a *asm, rows, groups int) {
		load := "FMOVD.P 8"
		if groups == 1 {
			load = "FMOVS.P 4"
		}
		for step := 0; step < groups; step += 2 {
			for r := 0; r < rows; r += 2 {
				a.op("%s(%s), F%d", load, rowPointer(r), 24+r/2)
				if r+1 < rows {
					a.op("%s(%s), F27", load, rowPointer(r+1))
					a.arm("trn1 v%d.2d, v%d.2d, v27.2d", 24+r/2, 24+r/2)
				}
			}
			for c := range 4 {
				at := 64*step + 16*c
				a.op("FMOVQ %d(R8), F28", at)
				second := 28 // any numbers: without a second group the inputs are zero there
				if groups > 1 {
					second = 29
					a.op("FMOVQ %d(R8), F29", at+64)
				}
				a.arm("zip1 v30.4s, v28.4s, v%d.4s", second)
				a.arm("zip2 v31.4s, v28.4s, v%d.4s", second)
				for half := range 2 {
					for pair := range (rows + 1) / 2 {
						a.arm("usmmla v%d.4s, v%d.16b, v%d.16b", 8*pair+2*c+half, 24+pair, 30+half)
					}
				}
			}
		}
		a.op("ADD $%d, R8", 64*groups)
	},
	finish: func(a *asm, rows int) {
		for first := 0; first < 4*rows; first += 8 {
			for c := range 4 {
				a.arm("trn1 v%d.2d, v%d.2d, v%d.2d", 24+c, first+2*c, first+2*c+1)
				a.arm("trn2 v%d.2d, v%d.2d, v%d.2d", 28+c, first+2*c, first+2*c+1)
			}
			for i := range 8 {
				a.op("VMOV V%d.B16, V%d.B16", 24+i, first+i)
			}
		}
	},
}

// gemm8 emits the integer product's inner loop.
func (a *asm) gemm8(p product) {
	name := "gemm8" + p.name
	a.doc(fmt.Sprintf("func %s(d *byte)", name))
	a.text(name, 8)
	a.op("MOVD d+0(FP), R0")
	a.op("MOVD %s, R12", field(unsafe.Offsetof(t8.lda)))
	a.op("MOVD %s, R10", field(unsafe.Offsetof(t8.jump)))
	a.op("MOVD %s, R1", field(unsafe.Offsetof(t8.rows)))
	for _, rows := range p.rows[1:] {
		a.op("CMP $%d, R1", rows)
		a.op("BEQ rows%d", rows)
	}
	for _, rows := range p.rows {
		a.tile8(p, rows)
	}
}

func (a *asm) tile8(p product, rows int) {
	label := func(what string) string { return fmt.Sprintf("%s%d", what, rows) }
	a.label(label("rows"))
	a.op("MOVD %s, R2", field(unsafe.Offsetof(t8.a)))
	for r := 1; r < rows; r++ {
		a.op("ADD R12, %s, %s", rowPointer(r-1), rowPointer(r))
	}
	a.op("MOVD %s, R8", field(unsafe.Offsetof(t8.b)))
	a.op("MOVD %s, R11", field(unsafe.Offsetof(t8.segments)))
	p.start(a, rows)

	a.label(label("segment"))
	a.op("MOVD %s, R9", field(unsafe.Offsetof(t8.groups)))
	a.op("SUBS $4, R9")
	a.op("BLT %s", label("rest"))
	a.label(label("four"))
	p.groups(a, rows, 4)
	a.op("SUBS $4, R9")
	a.op("BGE %s", label("four"))
	a.label(label("rest"))
	a.op("ADDS $4, R9")
	a.op("BEQ %s", label("sums"))
	a.label(label("one"))
	p.groups(a, rows, 1)
	a.op("SUBS $1, R9")
	a.op("BNE %s", label("one"))
	a.label(label("sums"))
	for r := range rows {
		a.op("ADD R10, %s", rowPointer(r))
	}
	a.op("SUBS $1, R11")
	a.op("BNE %s", label("segment"))
	p.finish(a, rows)
	a.epilogue8(rows, label)
}

// spread sets a register to copies of a field, which has 32 bits: of all of them, or the
// lower 16 or 8.
func (a *asm) spread(offset uintptr, v, bits int) {
	a.op("FMOVS %s, F%d", field(offset), v)
	switch bits {
	case 32:
		a.arm("dup v%d.4s, v%d.s[0]", v, v)
	case 16:
		a.arm("dup v%d.8h, v%d.h[0]", v, v)
	default:
		a.arm("dup v%d.16b, v%d.b[0]", v, v)
	}
}

// pack packs 16 rounded int32, in registers from first on, to bytes in another register,
// having added the zero point, of which zero has copies of 16 bits. It needs two temporary
// registers. The narrowing saturates, as does the addition.
func (a *asm) pack(to, first, zero, temporary int) {
	x, y := temporary, temporary+1
	a.arm("sqxtn v%d.4h, v%d.4s", x, first)
	a.arm("sqxtn2 v%d.8h, v%d.4s", x, first+1)
	a.arm("sqxtn v%d.4h, v%d.4s", y, first+2)
	a.arm("sqxtn2 v%d.8h, v%d.4s", y, first+3)
	a.arm("sqadd v%d.8h, v%d.8h, v%d.8h", x, x, zero)
	a.arm("sqadd v%d.8h, v%d.8h, v%d.8h", y, y, zero)
	a.arm("sqxtun v%d.8b, v%d.8h", to, x)
	a.arm("sqxtun2 v%d.16b, v%d.8h", to, y)
}

// unpack widens the quarter c of 16 bytes to float32, less a zero point of 32 bits.
func (a *asm) unpack(to, from, c, zero int) {
	if c < 2 {
		a.arm("uxtl v%d.8h, v%d.8b", to, from)
	} else {
		a.arm("uxtl2 v%d.8h, v%d.16b", to, from)
	}
	if c%2 == 0 {
		a.arm("uxtl v%d.4s, v%d.4h", to, to)
	} else {
		a.arm("uxtl2 v%d.4s, v%d.8h", to, to)
	}
	a.arm("sub v%d.4s, v%d.4s, v%d.4s", to, to, zero)
	a.arm("scvtf v%d.4s, v%d.4s", to, to)
}

// mapBytes maps 16 bytes through the table in V16 to V31. Indices beyond a part of the table
// give 0 or change nothing; what is subtracted from them, 64, is in a register. It spoils the
// indices.
func (a *asm) mapBytes(to, index, sixtyFour int) {
	a.arm("tbl v%d.16b, {v16.16b-v19.16b}, v%d.16b", to, index)
	for from := 20; from < 32; from += 4 {
		a.arm("sub v%d.16b, v%d.16b, v%d.16b", index, index, sixtyFour)
		a.arm("tbx v%d.16b, {v%d.16b-v%d.16b}, v%d.16b", to, from, from+3, index)
	}
}

// epilogue8 turns sums into results, moves on to the next tile and ends after the last.
//
// Registers: R2 output, R3 distance of its rows, R4 residual, R5 distance of its rows; V24 to
// V31 temporary and constants.
func (a *asm) epilogue8(rows int, label func(string) string) {
	a.op("MOVD %s, R2", field(unsafe.Offsetof(t8.out)))
	a.op("MOVD %s, R3", field(unsafe.Offsetof(t8.ldo)))
	a.op("MOVD %s, R4", field(unsafe.Offsetof(t8.residual)))
	a.op("MOVD %s, R5", field(unsafe.Offsetof(t8.ldr)))
	a.op("MOVD %s, R1", field(unsafe.Offsetof(t8.scale)))
	a.load("R1", 0, 24, 4)
	for i := range 4 * rows {
		a.arm("scvtf v%d.4s, v%d.4s", i, i)
		a.arm("fmul v%d.4s, v%d.4s, v%d.4s", i, i, 24+i%4)
	}
	a.op("MOVD %s, R1", field(unsafe.Offsetof(t8.mode)))
	modes := []string{"float", "round", "bytes", "table", "sum"}
	for m := modeRound; m <= modeSum; m++ {
		a.op("CMP $%d, R1", m)
		a.op("BEQ %s", label(modes[m]))
	}
	const low, high, step = 28, 29, 30
	bounds := func() {
		a.spread(unsafe.Offsetof(t8.low), low, 32)
		a.spread(unsafe.Offsetof(t8.high), high, 32)
		a.spread(unsafe.Offsetof(t8.step), step, 32)
	}
	round := func(v int) {
		a.arm("fcvtns v%d.4s, v%d.4s", v, v)
		a.arm("smax v%d.4s, v%d.4s, v%d.4s", v, v, low)
		a.arm("smin v%d.4s, v%d.4s, v%d.4s", v, v, high)
		a.arm("scvtf v%d.4s, v%d.4s", v, v)
		a.arm("fmul v%d.4s, v%d.4s, v%d.4s", v, v, step)
	}
	for m, name := range modes {
		a.label(label(name))
		switch m {
		case modeFloat, modeRound:
			if m == modeRound {
				bounds()
			}
			for r := range rows {
				a.load("R4", 0, 24, 4)
				for c := range 4 {
					if m == modeRound {
						round(4*r + c)
					}
					a.arm("fadd v%d.4s, v%d.4s, v%d.4s", 4*r+c, 4*r+c, 24+c)
				}
				a.store("R2", 0, 4*r, 4)
				a.op("ADD R5, R4")
				a.op("ADD R3, R2")
			}
		case modeBytes, modeTable:
			const zero, floor = 28, 29
			a.spread(unsafe.Offsetof(t8.zero), zero, 16)
			a.spread(unsafe.Offsetof(t8.floor), floor, 8)
			for r := range rows {
				for c := range 4 {
					a.arm("fcvtns v%d.4s, v%d.4s", 4*r+c, 4*r+c)
				}
				a.pack(r, 4*r, zero, 24)
				a.arm("umax v%d.16b, v%d.16b, v%d.16b", r, r, floor)
			}
			result := 0
			if m == modeTable {
				a.op("MOVD %s, R1", field(unsafe.Offsetof(t8.table)))
				a.load("R1", 0, 16, 16)
				a.arm("movi v15.16b, #64")
				result = 8
				for r := range rows {
					a.mapBytes(result+r, r, 15)
				}
			}
			for r := range rows {
				a.op("FMOVQ F%d, (R2)", result+r)
				a.op("ADD R3, R2")
			}
		case modeSum:
			const residualStep, zero, residualZero = 26, 27, 31
			bounds()
			a.spread(unsafe.Offsetof(t8.residualStep), residualStep, 32)
			a.spread(unsafe.Offsetof(t8.residualZero), residualZero, 32)
			a.spread(unsafe.Offsetof(t8.zero), zero, 16)
			for r := range rows {
				a.op("FMOVQ (R4), F24")
				for c := range 4 {
					v := 4*r + c
					round(v)
					a.unpack(25, 24, c, residualZero)
					a.arm("fmul v25.4s, v25.4s, v%d.4s", residualStep)
					a.arm("fadd v%d.4s, v%d.4s, v25.4s", v, v)
					a.arm("fcvtns v%d.4s, v%d.4s", v, v)
				}
				a.pack(24, 4*r, zero, 24)
				a.op("FMOVQ F24, (R2)")
				a.op("ADD R5, R4")
				a.op("ADD R3, R2")
			}
		}
		if m < modeSum {
			a.op("B %s", label("next"))
		}
	}
	a.label(label("next"))
	a.op("MOVD R2, %s", field(unsafe.Offsetof(t8.out)))
	a.op("MOVD R4, %s", field(unsafe.Offsetof(t8.residual)))
	a.op("MOVD %s, R1", field(unsafe.Offsetof(t8.a)))
	a.op("MOVD $%d, R2", rows)
	a.op("MADD R2, R1, R12, R1")
	a.op("MOVD R1, %s", field(unsafe.Offsetof(t8.a)))
	a.op("MOVD %s, R1", field(unsafe.Offsetof(t8.tiles)))
	a.op("SUBS $1, R1")
	a.op("MOVD R1, %s", field(unsafe.Offsetof(t8.tiles)))
	a.op("BNE %s", label("rows"))
	a.op("RET")
}

// peak8 emits a loop of independent dot products.
func (a *asm) peak8() {
	a.doc("func peak8Dot(rounds int)")
	a.text("peak8Dot", 8)
	a.op("MOVD rounds+0(FP), R1")
	a.label("round")
	for i := range 24 {
		a.arm("sdot v%d.4s, v24.16b, v25.4b[0]", i)
	}
	a.op("SUBS $1, R1")
	a.op("BNE round")
	a.op("RET")
}

// taps8 mirrors package kernel's type of that name.
type taps8 struct {
	in                        [9]uintptr
	out, weights, bias, scale uintptr
	step, ldo                 int
	pixels                    int
	zero, floor               int32
}

var d8 taps8

// depthwise8 emits a depthwise 3×3 convolution of 16 channels over a run of output pixels of
// one row. Inputs are widened to 16 bits; weights have as many and stay in registers.
//
// Registers: R0 description, R2 to R10 taps, R11 output, R12 pixels left, R13 and R14 distance
// of inputs and outputs, R15 bias, R16 scales. V0 to V3 sums, V4 to V7 and V10 to V12
// temporary, V8 zero point, V9 floor, V14 to V31 weights.
func (a *asm) depthwise8() {
	a.doc("func depthwise8NEON(d *byte)")
	a.text("depthwise8NEON", 8)
	a.op("MOVD d+0(FP), R0")
	a.op("MOVD %s, R1", field(unsafe.Offsetof(d8.weights)))
	a.load("R1", 0, 14, 18)
	for tap := range 9 {
		a.op("MOVD %s, R%d", field(unsafe.Offsetof(d8.in)+8*uintptr(tap)), 2+tap)
	}
	for _, l := range []struct {
		offset uintptr
		r      int
	}{
		{unsafe.Offsetof(d8.out), 11}, {unsafe.Offsetof(d8.pixels), 12}, {unsafe.Offsetof(d8.step), 13},
		{unsafe.Offsetof(d8.ldo), 14}, {unsafe.Offsetof(d8.bias), 15}, {unsafe.Offsetof(d8.scale), 16},
	} {
		a.op("MOVD %s, R%d", field(l.offset), l.r)
	}
	a.spread(unsafe.Offsetof(d8.zero), 8, 16)
	a.spread(unsafe.Offsetof(d8.floor), 9, 8)
	a.label("pixel")
	a.load("R15", 0, 0, 4)
	for tap := range 9 {
		x := []int{10, 4}[tap%2]
		a.op("FMOVQ (R%d), F%d", 2+tap, x)
		a.op("ADD R13, R%d", 2+tap)
		a.arm("uxtl v%d.8h, v%d.8b", x+1, x)
		a.arm("uxtl2 v%d.8h, v%d.16b", x+2, x)
		for half := range 2 {
			weights := 14 + 2*tap + half
			a.arm("smlal v%d.4s, v%d.4h, v%d.4h", 2*half, x+1+half, weights)
			a.arm("smlal2 v%d.4s, v%d.8h, v%d.8h", 2*half+1, x+1+half, weights)
		}
	}
	a.load("R16", 0, 4, 4)
	for i := range 4 {
		a.arm("scvtf v%d.4s, v%d.4s", i, i)
		a.arm("fmul v%d.4s, v%d.4s, v%d.4s", i, i, 4+i)
		a.arm("fcvtns v%d.4s, v%d.4s", i, i)
	}
	a.pack(4, 0, 8, 10)
	a.arm("umax v4.16b, v4.16b, v9.16b")
	a.op("FMOVQ F4, (R11)")
	a.op("ADD R14, R11")
	a.op("SUBS $1, R12")
	a.op("BNE pixel")
	a.op("RET")
}

// line8 mirrors package kernel's type of that name.
type line8 struct {
	dst, a, b                uintptr
	n                        int // vectors of 16 elements
	rows                     int
	aStep, bStep             float32
	aZero, bZero, zero, _, _ int32
	ld, ldb                  int
}

var l8 line8

// line emits a function that works on d.n vectors, at R2 and R3, to R4; R5 vectors left.
func (a *asm) line(name string, constants, body func()) {
	a.doc(fmt.Sprintf("func %s(d *byte)", name))
	a.text(name, 8)
	a.op("MOVD d+0(FP), R0")
	a.op("MOVD %s, R2", field(unsafe.Offsetof(l8.a)))
	a.op("MOVD %s, R3", field(unsafe.Offsetof(l8.b)))
	a.op("MOVD %s, R4", field(unsafe.Offsetof(l8.dst)))
	a.op("MOVD %s, R5", field(unsafe.Offsetof(l8.n)))
	constants()
	a.label("vector")
	body()
	a.op("SUBS $1, R5")
	a.op("BNE vector")
	a.op("RET")
}

// quantize8 has another loop around that of its vectors: R6 rows left, R7 and R8 input and
// output of the row.
func (a *asm) quantize8() {
	a.doc("func quantize8NEON(d *byte)")
	a.text("quantize8NEON", 8)
	a.op("MOVD d+0(FP), R0")
	a.op("MOVD %s, R7", field(unsafe.Offsetof(l8.a)))
	a.op("MOVD %s, R8", field(unsafe.Offsetof(l8.dst)))
	a.op("MOVD %s, R6", field(unsafe.Offsetof(l8.rows)))
	a.op("MOVD %s, R9", field(unsafe.Offsetof(l8.ldb)))
	a.op("MOVD %s, R10", field(unsafe.Offsetof(l8.ld)))
	a.spread(unsafe.Offsetof(l8.aStep), 16, 32)
	a.spread(unsafe.Offsetof(l8.zero), 17, 16)
	a.label("row")
	a.op("MOVD R7, R2")
	a.op("MOVD R8, R4")
	a.op("MOVD %s, R5", field(unsafe.Offsetof(l8.n)))
	a.label("vector")
	a.load("R2", 0, 0, 4)
	a.op("ADD $64, R2")
	for i := range 4 {
		a.arm("fmul v%d.4s, v%d.4s, v16.4s", i, i)
		a.arm("fcvtns v%d.4s, v%d.4s", i, i) // 0 of NaN
	}
	a.pack(4, 0, 17, 4)
	a.op("FMOVQ.P F4, 16(R4)")
	a.op("SUBS $1, R5")
	a.op("BNE vector")
	a.op("ADD R9, R7")
	a.op("ADD R10, R8")
	a.op("SUBS $1, R6")
	a.op("BNE row")
	a.op("RET")
}

func (a *asm) lines8() {
	a.quantize8()
	a.line("dequantize8NEON", func() {
		a.spread(unsafe.Offsetof(l8.aStep), 16, 32)
		a.spread(unsafe.Offsetof(l8.aZero), 17, 32)
	}, func() {
		a.op("FMOVQ.P 16(R2), F4")
		for i := range 4 {
			a.unpack(i, 4, i, 17)
			a.arm("fmul v%d.4s, v%d.4s, v16.4s", i, i)
		}
		a.store("R4", 0, 0, 4)
		a.op("ADD $64, R4")
	})
	a.line("scale8NEON", func() {
		a.spread(unsafe.Offsetof(l8.aStep), 16, 32)
		a.spread(unsafe.Offsetof(l8.aZero), 17, 32)
		a.spread(unsafe.Offsetof(l8.zero), 18, 16)
	}, func() {
		a.op("FMOVQ.P 16(R2), F4")
		a.load("R3", 0, 8, 4)
		a.op("ADD $64, R3")
		for i := range 4 {
			a.unpack(i, 4, i, 17)
			a.arm("fmul v%d.4s, v%d.4s, v%d.4s", i, i, 8+i)
			a.arm("fmul v%d.4s, v%d.4s, v16.4s", i, i)
			a.arm("fcvtns v%d.4s, v%d.4s", i, i)
		}
		a.pack(4, 0, 18, 4)
		a.op("FMOVQ.P F4, 16(R4)")
	})
	a.line("sum8NEON", func() {
		a.spread(unsafe.Offsetof(l8.aStep), 16, 32)
		a.spread(unsafe.Offsetof(l8.aZero), 17, 32)
		a.spread(unsafe.Offsetof(l8.bStep), 18, 32)
		a.spread(unsafe.Offsetof(l8.bZero), 19, 32)
		a.spread(unsafe.Offsetof(l8.zero), 20, 16)
	}, func() {
		a.op("FMOVQ.P 16(R2), F8")
		a.op("FMOVQ.P 16(R3), F9")
		for i := range 4 {
			a.unpack(i, 8, i, 17)
			a.unpack(4, 9, i, 19)
			a.arm("fmul v%d.4s, v%d.4s, v16.4s", i, i)
			a.arm("fmul v4.4s, v4.4s, v18.4s")
			a.arm("fadd v%d.4s, v%d.4s, v4.4s", i, i)
			a.arm("fcvtns v%d.4s, v%d.4s", i, i)
		}
		a.pack(4, 0, 20, 4)
		a.op("FMOVQ.P F4, 16(R4)")
	})
	a.line("sumColumns8NEON", func() {
		a.op("MOVD %s, R9", field(unsafe.Offsetof(l8.ld)))
	}, func() {
		for i := range 4 {
			a.arm("movi v%d.2d, #0", i)
		}
		a.op("MOVD R2, R6")
		a.op("MOVD %s, R7", field(unsafe.Offsetof(l8.rows)))
		a.label("row")
		a.op("FMOVQ (R6), F4")
		a.op("ADD R9, R6")
		a.arm("uxtl v5.8h, v4.8b")
		a.arm("uxtl2 v6.8h, v4.16b")
		for half := range 2 {
			a.arm("uaddw v%d.4s, v%d.4s, v%d.4h", 2*half, 2*half, 5+half)
			a.arm("uaddw2 v%d.4s, v%d.4s, v%d.8h", 2*half+1, 2*half+1, 5+half)
		}
		a.op("SUBS $1, R7")
		a.op("BNE row")
		a.store("R4", 0, 0, 4)
		a.op("ADD $64, R4")
		a.op("ADD $16, R2")
	})
	// 64 bytes at a time.
	a.line("lookup8NEON", func() {
		a.load("R3", 0, 16, 16)
		a.arm("movi v15.16b, #64")
	}, func() {
		a.load("R2", 0, 0, 4)
		for i := range 4 {
			a.mapBytes(4+i, i, 15)
		}
		a.store("R4", 0, 4, 4)
		a.op("ADD $64, R2")
		a.op("ADD $64, R4")
	})
}
