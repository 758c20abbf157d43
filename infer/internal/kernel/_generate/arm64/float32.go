package main

import (
	"fmt"
	"unsafe"
)

// tile mirrors package kernel's type of that name.
type tile struct {
	a, b, bias, out, residual, table uintptr
	lda, ldo, ldr                    int
	step, k, segments                int
	rows, tiles, act, _              int
	aOffset, bOffset                 [9]int
}

var t tile

// tileRows is how many rows a tile of a matrix product has at most.
const tileRows = 6

// gemm emits the matrix product's inner loop.
//
// A tile is up to 6 rows by 16 columns: 24 accumulators, which stay in registers over all of
// k, hide the latency of four multipliers (Apple's cores) and more so of two. They start from
// the bias; activation function and residual are applied before they are stored. GELU takes them
// from the stack, a row at a time, because it needs registers to hide latency. Where a
// row's elements are neighbours, four of each row are loaded at once and multiply by element:
// 22 loads for 96 multiplications. The vector of weights for the next 6 multiplications is
// loaded before them, for cores that work in order.
//
// Nothing is prefetched, unlike on amd64: there is no such machine to measure it on.
//
// k is walked in segments with an offset of their own into both operands, as on amd64.
//
// Registers: R0 description, R2 to R7 rows, R8 weights, R9 k left, R10 distance of inputs in
// k, R11 eight times the segment, R1 and R12 to R14 temporary; V0 to V23 accumulators, V24 to
// V29 rows, V30 and V31 weights. The epilogue uses V24 to V31 as temporary registers.
func (a *asm) gemm() {
	a.doc("func gemmNEON(t *byte)")
	a.frame("gemmNEON", 64*tileRows, 8)
	a.op("MOVD t+0(FP), R0")
	a.op("MOVD %s, R10", field(unsafe.Offsetof(t.step)))
	a.op("MOVD %s, R1", field(unsafe.Offsetof(t.rows)))
	for rows := tileRows; rows > 1; rows-- {
		a.op("CMP $%d, R1", rows)
		a.op("BEQ rows%d", rows)
	}
	for rows := 1; rows <= tileRows; rows++ {
		a.tile(rows)
	}
}

func rowPointer(r int) string { return fmt.Sprintf("R%d", 2+r) }

func (a *asm) tile(rows int) {
	label := func(what string) string { return fmt.Sprintf("%s%d", what, rows) }
	a.label(label("rows"))
	a.op("MOVD %s, R1", field(unsafe.Offsetof(t.bias)))
	for r := range rows {
		a.load("R1", 0, 4*r, 4)
	}
	a.op("MOVD $0, R11")

	a.label(label("segment"))
	a.op("ADD R0, R11, R14")
	a.op("MOVD %s, R2", field(unsafe.Offsetof(t.a)))
	a.op("MOVD %d(R14), R1", unsafe.Offsetof(t.aOffset))
	a.op("ADD R1, R2")
	a.op("MOVD %s, R12", field(unsafe.Offsetof(t.lda)))
	for r := 1; r < rows; r++ {
		a.op("ADD R12, %s, %s", rowPointer(r-1), rowPointer(r))
	}
	a.op("MOVD %s, R8", field(unsafe.Offsetof(t.b)))
	a.op("MOVD %d(R14), R1", unsafe.Offsetof(t.bOffset))
	a.op("ADD R1, R8")
	a.op("MOVD %s, R9", field(unsafe.Offsetof(t.k)))
	// weights emits the products with steps of k, of which each row has the elements.
	weights := func(steps int) {
		a.op("FMOVQ (R8), F30")
		for i := range 4 * steps {
			if i < 4*steps-1 {
				a.op("FMOVQ %d(R8), F%d", 16*(i+1), 30+(i+1)%2)
			}
			for r := range rows {
				a.arm("fmla v%d.4s, v%d.4s, v%d.s[%d]", 4*r+i%4, 30+i%2, 24+r, i/4)
			}
		}
		a.op("ADD $%d, R8", 64*steps)
	}
	a.op("CMP $4, R10")
	a.op("BNE %s", label("strided"))
	a.op("SUBS $4, R9")
	a.op("BLT %s", label("rest"))
	a.label(label("four"))
	for r := range rows {
		a.op("FMOVQ.P 16(%s), F%d", rowPointer(r), 24+r)
	}
	weights(4)
	a.op("SUBS $4, R9")
	a.op("BGE %s", label("four"))
	a.label(label("rest"))
	a.op("ADD $4, R9")
	a.label(label("strided"))
	a.op("CBZ R9, %s", label("done"))
	a.label(label("one"))
	for r := range rows {
		a.op("FMOVS (%s), F%d", rowPointer(r), 24+r)
		a.op("ADD R10, %s", rowPointer(r))
	}
	weights(1)
	a.op("SUBS $1, R9")
	a.op("BNE %s", label("one"))
	a.label(label("done"))
	a.op("ADD $8, R11")
	a.op("MOVD %s, R1", field(unsafe.Offsetof(t.segments)))
	a.op("LSL $3, R1")
	a.op("CMP R1, R11")
	a.op("BLT %s", label("segment"))

	a.op("MOVD %s, R1", field(unsafe.Offsetof(t.act)))
	a.op("CMP $%d, R1", actGELU)
	a.op("BLT %s", label("activated"))
	a.op("BNE %s", label("relu"))
	a.op("MOVD %s, R1", field(unsafe.Offsetof(t.table)))
	a.op("MOVD $frame-%d(SP), R2", 64*tileRows)
	a.store("R2", 0, 0, 4*rows)
	a.op("MOVD $%d, R3", rows)
	a.label(label("gelu"))
	a.load("R2", 0, 0, 4)
	a.gelu("R1", 0, 16)
	a.store("R2", 0, 0, 4)
	a.op("ADD $64, R2")
	a.op("SUBS $1, R3")
	a.op("BNE %s", label("gelu"))
	a.op("MOVD $frame-%d(SP), R2", 64*tileRows)
	a.load("R2", 0, 0, 4*rows)
	a.op("B %s", label("activated"))
	a.label(label("relu"))
	a.arm("movi v24.2d, #0")
	for i := range 4 * rows {
		a.arm("fmax v%d.4s, v%d.4s, v24.4s", i, i)
	}
	a.label(label("activated"))
	a.op("MOVD %s, R2", field(unsafe.Offsetof(t.out)))
	a.op("MOVD %s, R3", field(unsafe.Offsetof(t.ldo)))
	a.op("MOVD %s, R4", field(unsafe.Offsetof(t.residual)))
	a.op("MOVD %s, R5", field(unsafe.Offsetof(t.ldr)))
	a.op("CBZ R4, %s", label("store"))
	for r := range rows {
		a.load("R4", 0, 24, 4)
		for c := range 4 {
			a.arm("fadd v%d.4s, v%d.4s, v%d.4s", 4*r+c, 4*r+c, 24+c)
		}
		a.op("ADD R5, R4")
	}
	a.op("MOVD R4, %s", field(unsafe.Offsetof(t.residual)))
	a.label(label("store"))
	for r := range rows {
		a.store("R2", 0, 4*r, 4)
		a.op("ADD R3, R2")
	}
	a.op("MOVD R2, %s", field(unsafe.Offsetof(t.out)))
	a.op("MOVD %s, R1", field(unsafe.Offsetof(t.a)))
	a.op("MOVD $%d, R2", rows)
	a.op("MADD R2, R1, R12, R1")
	a.op("MOVD R1, %s", field(unsafe.Offsetof(t.a)))
	a.op("MOVD %s, R1", field(unsafe.Offsetof(t.tiles)))
	a.op("SUBS $1, R1")
	a.op("MOVD R1, %s", field(unsafe.Offsetof(t.tiles)))
	a.op("BNE %s", label("rows"))
	a.op("RET")
}

// peak emits a loop of independent multiplications, to measure what the machine can do.
func (a *asm) peak() {
	a.doc("func peakNEON(rounds int)")
	a.text("peakNEON", 8)
	a.op("MOVD rounds+0(FP), R1")
	for i := range 26 {
		a.arm("movi v%d.2d, #0", i)
	}
	a.label("round")
	for i := range 24 {
		a.arm("fmla v%d.4s, v24.4s, v25.s[0]", i)
	}
	a.op("SUBS $1, R1")
	a.op("BNE round")
	a.op("RET")
}

// transpose emits the transposition of eight rows, in blocks of eight by four elements: what
// packing of weights consists of.
//
// Registers: R0 output, R2 distance of its rows, R3 and R4 rows 0 and 4, R5 distance of rows,
// R6 blocks left; R1, R7 and R8 temporary. V0 to V3 and V4 to V7 rows, V16 to V23 temporary.
func (a *asm) transpose() {
	a.doc("func transposeNEON(dst, src *float32, ldd, lds, blocks int)")
	a.text("transposeNEON", 40)
	a.op("MOVD dst+0(FP), R0")
	a.op("MOVD src+8(FP), R3")
	a.op("MOVD ldd+16(FP), R2")
	a.op("MOVD lds+24(FP), R5")
	a.op("MOVD blocks+32(FP), R6")
	a.op("ADD R5<<2, R3, R4")
	a.op("LSL $1, R6") // four elements at a time
	a.label("block")
	for half, base := range []string{"R3", "R4"} {
		v, w := 4*half, 16+4*half
		a.op("MOVD %s, R1", base)
		for i := range 4 {
			a.op("FMOVQ (R1), F%d", v+i)
			a.op("ADD R5, R1")
		}
		for i := 0; i < 4; i += 2 {
			a.arm("trn1 v%d.4s, v%d.4s, v%d.4s", w+i, v+i, v+i+1)
			a.arm("trn2 v%d.4s, v%d.4s, v%d.4s", w+i+1, v+i, v+i+1)
		}
		for i := range 2 {
			a.arm("trn1 v%d.2d, v%d.2d, v%d.2d", v+i, w+i, w+i+2)
			a.arm("trn2 v%d.2d, v%d.2d, v%d.2d", v+i+2, w+i, w+i+2)
		}
		a.op("ADD $16, %s", base)
	}
	for i := range 4 {
		a.op("FSTPQ (F%d, F%d), (R0)", i, 4+i)
		a.op("ADD R2, R0")
	}
	a.op("SUBS $1, R6")
	a.op("BNE block")
	a.op("RET")
}

// taps mirrors package kernel's type of that name.
type taps struct {
	in, out, taps, bias                                     uintptr
	inRow, inPixel, outRow, outPixel, tap, vectors, columns int
	missing, odd                                            int
}

var tp taps

// depthwise emits the depthwise 3×3 convolutions: stride 1, one and two rows of output at a
// time, and stride 2. The plan is that of amd64, with two registers of channels at a time and
// their 18 taps in registers; sums rotate by their names, in as many copies of the loop.
//
// Registers: R0 description, R3 to R6 rows of input from the one above on, R7 output, R8
// distance of output's rows, R11 and R12 input and output pixel, R13 taps, R14 bias, R15
// distance of taps, R9 columns left, R10 pairs of registers left, R1 and R2 temporary. V0 to
// V11 sums, V12 and V13 input, V14 to V31 taps.
func (a *asm) depthwise(stride, rows int) {
	name := fmt.Sprintf("depthwise%dx%dNEON", stride, rows)
	a.doc(fmt.Sprintf("func %s(t *byte)", name))
	a.text(name, 8)
	a.op("MOVD t+0(FP), R0")
	for _, l := range []struct {
		offset uintptr
		r      int
	}{
		{unsafe.Offsetof(tp.outRow), 8}, {unsafe.Offsetof(tp.vectors), 10},
		{unsafe.Offsetof(tp.inPixel), 11}, {unsafe.Offsetof(tp.outPixel), 12},
		{unsafe.Offsetof(tp.taps), 13}, {unsafe.Offsetof(tp.bias), 14}, {unsafe.Offsetof(tp.tap), 15},
		{unsafe.Offsetof(tp.missing), 1},
	} {
		a.op("MOVD %s, R%d", field(l.offset), l.r)
	}
	a.op("LSL $1, R10")
	for missing := 3; missing > 0; missing-- {
		a.op("CMP $%d, R1", missing)
		a.op("BEQ pair%d", missing)
	}
	for missing := range 4 {
		d := depthwiseLoop{a, stride, rows, missing&1 != 0, missing&2 != 0, fmt.Sprint(missing)}
		d.begin()
		if stride == 1 {
			d.stride1()
		} else {
			d.stride2()
		}
		d.end()
	}
}

// depthwiseLoop is the loop over the pairs of registers with some input rows missing.
type depthwiseLoop struct {
	*asm
	stride, rows int // rows of output
	top, bottom  bool
	suffix       string
}

// acc is the first register of a sum: which of the three columns, which row.
func (d depthwiseLoop) acc(column, row int) int { return 2 * (column*d.rows + row) }

// inputs are the rows of input that there are: −1 is above the centre row.
func (d depthwiseLoop) inputs() []int {
	var rows []int
	for row := -1; row <= d.rows; row++ {
		if row == -1 && d.top || row == d.rows && d.bottom {
			continue
		}
		rows = append(rows, row)
	}
	return rows
}

// column adds the next column of input to the sums, acc[kx] being those that it is the column
// kx of; −1 for none.
func (d depthwiseLoop) column(acc [3]int) {
	for _, row := range d.inputs() {
		d.op("FLDPQ (R%d), (F12, F13)", 4+row)
		d.op("ADD R11, R%d", 4+row)
		for kx := 2; kx >= 0; kx-- {
			if acc[kx] < 0 {
				continue
			}
			for r := range d.rows {
				if ky := row - r + 1; ky >= 0 && ky < 3 {
					for i := range 2 {
						d.arm("fmla v%d.4s, v%d.4s, v%d.4s", d.acc(acc[kx], r)+i, 12+i, 14+2*(3*ky+kx)+i)
					}
				}
			}
		}
	}
}

// start sets a column's sums to the bias.
func (d depthwiseLoop) start(column int) {
	for r := range d.rows {
		d.load("R14", 0, d.acc(column, r), 2)
	}
}

// finish writes a column's sums and moves on.
func (d depthwiseLoop) finish(column int) {
	for r := range d.rows {
		base := "R7"
		if r == 1 {
			base = "R2"
			d.op("ADD R8, R7, R2")
		}
		d.store(base, 0, d.acc(column, r), 2)
	}
	d.op("ADD R12, R7")
}

// begin starts a pair of registers.
func (d depthwiseLoop) begin() {
	d.label("pair" + d.suffix)
	d.op("MOVD R13, R1")
	for i := range 9 {
		d.load("R1", 0, 14+2*i, 2)
		d.op("ADD R15, R1")
	}
	d.op("MOVD %s, R4", field(unsafe.Offsetof(tp.in)))
	d.op("MOVD %s, R1", field(unsafe.Offsetof(tp.inRow)))
	d.op("SUB R1, R4, R3")
	d.op("ADD R1, R4, R5")
	d.op("ADD R1, R5, R6")
	d.op("MOVD %s, R7", field(unsafe.Offsetof(tp.out)))
	d.op("MOVD %s, R9", field(unsafe.Offsetof(tp.columns)))
}

// end goes to the next pair of registers, or returns.
func (d depthwiseLoop) end() {
	for _, offset := range []uintptr{unsafe.Offsetof(tp.in), unsafe.Offsetof(tp.out)} {
		d.op("MOVD %s, R1", field(offset))
		d.op("ADD $32, R1")
		d.op("MOVD R1, %s", field(offset))
	}
	d.op("ADD $32, R13")
	d.op("ADD $32, R14")
	d.op("SUBS $1, R10")
	d.op("BNE pair%s", d.suffix)
	d.op("RET")
}

// stride1 is the loop for stride 1: column i of the input completes output i−1.
func (d depthwiseLoop) stride1() {
	label := func(what string, i int) string { return fmt.Sprintf("%s%s_%d", what, d.suffix, i%3) }
	d.start(0)
	d.start(1)
	d.column([3]int{1, 0, -1})
	d.op("SUBS $1, R9")
	d.op("BEQ %s", label("last", 0))
	for i := range 3 {
		d.label(label("column", i))
		d.start((i + 2) % 3)
		d.column([3]int{(i + 2) % 3, (i + 1) % 3, i})
		d.finish(i)
		d.op("SUBS $1, R9")
		d.op("BEQ %s", label("last", i+1))
	}
	d.op("B %s", label("column", 0))
	for i := range 3 {
		d.label(label("last", i))
		d.finish(i)
		if i < 2 {
			d.op("B next%s", d.suffix)
		}
	}
	d.label("next" + d.suffix)
}

// stride2 is the loop for stride 2: columns 2i and 2i+1 complete output i, and the latter
// begins output i+1. An image of odd width lacks the last of these columns.
func (d depthwiseLoop) stride2() {
	label := func(what string, i int) string { return fmt.Sprintf("%s%s_%d", what, d.suffix, i%2) }
	d.start(0)
	d.op("CBZ R9, %s", label("last", 0))
	for i := range 2 {
		d.label(label("column", i))
		d.column([3]int{-1, i, -1})
		d.start(1 - i)
		d.column([3]int{1 - i, -1, i})
		d.finish(i)
		d.op("SUBS $1, R9")
		d.op("BEQ %s", label("last", i+1))
	}
	d.op("B %s", label("column", 0))
	for i := range 2 {
		d.label(label("last", i))
		d.op("MOVD %s, R1", field(unsafe.Offsetof(tp.odd)))
		d.op("CBZ R1, next%s", d.suffix)
		d.column([3]int{-1, i, -1})
		d.finish(i)
		if i == 0 {
			d.op("B next%s", d.suffix)
		}
	}
	d.label("next" + d.suffix)
}

// window mirrors package kernel's type of that name.
type window struct {
	in, out, taps, bias uintptr
	pixel, tap          int
	step, outStep       int
	vectors, pixels     int
	rows, columns       int
	aOffset, bOffset    [16]int
}

var w window

// window emits a depthwise convolution with a kernel of any size, for a run of pixels. 32
// channels, then 16, go along all pixels, so that their taps stay in the first-level cache.
//
// Registers: R0 description, R2 input, R3 output, R4 bias, R5 taps, R6 vectors left; R7 and
// R8 input and output of the pixel, R9 pixels left, R10 eight times the row, R11 and R12
// input and tap, R13 columns left, R14 to R17 and R1 temporary. V0 to V7 sums, V8 to V15
// input, V16 to V23 taps.
func (a *asm) window() {
	a.doc("func windowNEON(t *byte)")
	a.text("windowNEON", 8)
	a.op("MOVD t+0(FP), R0")
	for _, l := range []struct {
		offset uintptr
		r      int
	}{
		{unsafe.Offsetof(w.in), 2}, {unsafe.Offsetof(w.out), 3}, {unsafe.Offsetof(w.bias), 4},
		{unsafe.Offsetof(w.taps), 5}, {unsafe.Offsetof(w.vectors), 6},
		{unsafe.Offsetof(w.pixel), 14}, {unsafe.Offsetof(w.tap), 15},
		{unsafe.Offsetof(w.step), 16}, {unsafe.Offsetof(w.outStep), 17},
	} {
		a.op("MOVD %s, R%d", field(l.offset), l.r)
	}
	const wide = 2
	for _, vectors := range []int{wide, 1} {
		label := func(what string) string { return fmt.Sprintf("%s%d", what, vectors) }
		registers := 4 * vectors
		a.label(label("block"))
		a.op("SUBS $%d, R6", vectors)
		a.op("BLT %s", label("end"))
		a.op("MOVD R2, R7")
		a.op("MOVD R3, R8")
		a.op("MOVD %s, R9", field(unsafe.Offsetof(w.pixels)))
		a.label(label("pixel"))
		a.load("R4", 0, 0, registers)
		a.op("MOVD %s, R10", field(unsafe.Offsetof(w.rows)))
		a.op("CBZ R10, %s", label("store"))
		a.op("MOVD R0, R19") // moves with the rows' offsets
		a.label(label("row"))
		a.op("MOVD %d(R19), R11", unsafe.Offsetof(w.aOffset))
		a.op("MOVD %d(R19), R12", unsafe.Offsetof(w.bOffset))
		a.op("ADD $8, R19")
		a.op("ADD R7, R11")
		a.op("ADD R5, R12")
		a.op("MOVD %s, R13", field(unsafe.Offsetof(w.columns)))
		a.label(label("tap"))
		a.load("R11", 0, 8, registers)
		a.load("R12", 0, 16, registers)
		a.op("ADD R14, R11")
		a.op("ADD R15, R12")
		for i := range registers {
			a.arm("fmla v%d.4s, v%d.4s, v%d.4s", i, 8+i, 16+i)
		}
		a.op("SUBS $1, R13")
		a.op("BNE %s", label("tap"))
		a.op("SUBS $1, R10")
		a.op("BNE %s", label("row"))
		a.label(label("store"))
		a.store("R8", 0, 0, registers)
		a.op("ADD R16, R7")
		a.op("ADD R17, R8")
		a.op("SUBS $1, R9")
		a.op("BNE %s", label("pixel"))
		for r := 2; r <= 5; r++ {
			a.op("ADD $%d, R%d", 16*registers, r)
		}
		a.op("B %s", label("block"))
		a.label(label("end"))
		if vectors == wide {
			a.op("ADD $%d, R6", wide)
		}
	}
	a.op("RET")
}

// sum emits the sum of a matrix's rows, for 16 columns at a time. Row r is added to
// accumulator r mod 4, and the four are added in the end, whatever the number of columns.
//
// Registers: R0 output, R2 input, R3 rows, R4 ld, R5 vectors left, R6 row, R7 rows left. V0 to
// V15 accumulators, V16 to V19 input.
func (a *asm) sum() {
	a.doc("func sumNEON(dst, x *float32, rows, ld, vectors int)")
	a.text("sumNEON", 40)
	a.op("MOVD dst+0(FP), R0")
	a.op("MOVD x+8(FP), R2")
	a.op("MOVD rows+16(FP), R3")
	a.op("MOVD ld+24(FP), R4")
	a.op("MOVD vectors+32(FP), R5")
	add := func(row int) {
		a.load("R6", 0, 16, 4)
		a.op("ADD R4, R6")
		for i := range 4 {
			a.arm("fadd v%d.4s, v%d.4s, v%d.4s", 4*row+i, 4*row+i, 16+i)
		}
	}
	a.label("column")
	for i := range 16 {
		a.arm("movi v%d.2d, #0", i)
	}
	a.op("MOVD R2, R6")
	a.op("SUBS $4, R3, R7")
	a.op("BLT few")
	a.label("four")
	for row := range 4 {
		add(row)
	}
	a.op("SUBS $4, R7")
	a.op("BGE four")
	a.label("few")
	a.op("ADDS $4, R7")
	for row := range 3 {
		a.op("BEQ done")
		add(row)
		a.op("SUBS $1, R7")
	}
	a.label("done")
	for i := range 4 {
		a.arm("fadd v%d.4s, v%d.4s, v%d.4s", i, i, 4+i)
		a.arm("fadd v%d.4s, v%d.4s, v%d.4s", 8+i, 8+i, 12+i)
		a.arm("fadd v%d.4s, v%d.4s, v%d.4s", i, i, 8+i)
	}
	a.store("R0", 0, 0, 4)
	a.op("ADD $64, R0")
	a.op("ADD $64, R2")
	a.op("SUBS $1, R5")
	a.op("BNE column")
	a.op("RET")
}

// scale emits the product of every row with one row.
//
// Registers: R0 row, R2 gate, R3 rows left, R4 ld, R5 vectors, R6 and R7 elements, R8 vectors
// left.
func (a *asm) scale() {
	a.doc("func scaleNEON(x, gate *float32, rows, ld, vectors int)")
	a.text("scaleNEON", 40)
	a.op("MOVD x+0(FP), R0")
	a.op("MOVD gate+8(FP), R2")
	a.op("MOVD rows+16(FP), R3")
	a.op("MOVD ld+24(FP), R4")
	a.op("MOVD vectors+32(FP), R5")
	a.label("row")
	a.op("MOVD R0, R6")
	a.op("MOVD R2, R7")
	a.op("MOVD R5, R8")
	a.label("vector")
	a.load("R6", 0, 0, 4)
	a.load("R7", 0, 4, 4)
	for i := range 4 {
		a.arm("fmul v%d.4s, v%d.4s, v%d.4s", i, i, 4+i)
	}
	a.store("R6", 0, 0, 4)
	a.op("ADD $64, R6")
	a.op("ADD $64, R7")
	a.op("SUBS $1, R8")
	a.op("BNE vector")
	a.op("ADD R4, R0")
	a.op("SUBS $1, R3")
	a.op("BNE row")
	a.op("RET")
}

// pairwise emits a function that combines two arrays, some registers at a time, element by
// element in the first.
//
// Registers: R0 and R2 arrays, R3 vectors left; V0 to V3 and V4 to V7 their elements, V8 to
// V11 temporary, V12 the scale where there is one.
func (a *asm) pairwise(name string, registers int, scaled bool, combine func(x, y, temporary int)) {
	if scaled {
		a.doc(fmt.Sprintf("func %s(dst, src *float32, scale float32, vectors int)", name))
		a.text(name, 32)
		a.op("FMOVS scale+16(FP), F12")
		a.arm("dup v12.4s, v12.s[0]")
		a.op("MOVD vectors+24(FP), R3")
	} else {
		a.doc(fmt.Sprintf("func %s(dst, src *float32, vectors int)", name))
		a.text(name, 24)
		a.op("MOVD vectors+16(FP), R3")
	}
	a.op("MOVD dst+0(FP), R0")
	a.op("MOVD src+8(FP), R2")
	a.label("vector")
	a.load("R0", 0, 0, registers)
	a.load("R2", 0, 4, registers)
	for i := range registers {
		combine(i, 4+i, 8+i)
	}
	a.store("R0", 0, 0, registers)
	a.op("ADD $%d, R0", 16*registers)
	a.op("ADD $%d, R2", 16*registers)
	a.op("SUBS $1, R3")
	a.op("BNE vector")
	a.op("RET")
}

func (a *asm) add() {
	a.pairwise("addNEON", 4, false, func(x, y, _ int) { a.arm("fadd v%d.4s, v%d.4s, v%d.4s", x, x, y) })
}

// max emits the maximum, which is NaN where one of two elements is.
func (a *asm) max() {
	a.pairwise("maxNEON", 2, false, func(x, y, _ int) { a.arm("fmax v%d.4s, v%d.4s, v%d.4s", x, x, y) })
}

// addScaled rounds product and sum, as in plain Go.
func (a *asm) addScaled() {
	a.pairwise("addScaledNEON", 2, true, func(x, y, product int) {
		a.arm("fmul v%d.4s, v%d.4s, v12.4s", product, y)
		a.arm("fadd v%d.4s, v%d.4s, v%d.4s", x, x, product)
	})
}
