package main

import (
	"fmt"
	"unsafe"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// taps mirrors package kernel's type of that name.
type taps struct {
	in, out, taps, bias                                     uintptr
	inRow, inPixel, outRow, outPixel, tap, vectors, columns int
	missing, odd                                            int
}

var tapsField taps

// depthwise emits the depthwise 3×3 convolutions: stride 1, one and two rows of output at a
// time, and stride 2.
//
// One vector of channels goes along a whole row of the image with its nine taps in
// registers. The input is read column by column, each element once for all outputs that it
// contributes to: up to three columns of one or two rows, whose sums rotate through
// registers. A sum takes its taps in the order of columns, then rows, always; at the left
// and right border the first and last column are simply not there, and at the top and the
// bottom another copy of the loop does without the row that is missing, so no loop has a
// branch but its own.
//
// Two rows at a time need four loads and two stores for 18 multiplications. The four input
// rows that a step works on stay in the first-level cache while the channels go by, and the
// row pair below finds two of them in the second-level cache.
//
// Registers: DI description, SI input (centre row), DX output, R8 input row, R9 −R8, R10
// output row, R11 and R12 input and output pixel, R13 taps, R14 bias, CX columns left, BX
// vectors left, AX temporary.
func (s *isa) depthwise() {
	s.depthwiseFunction(1, 1)
	s.depthwiseFunction(1, 2)
	s.depthwiseFunction(2, 1)
}

func (s *isa) depthwiseFunction(stride, rows int) {
	s.text(fmt.Sprintf("depthwise%dx%d", stride, rows), "func(t *byte)",
		fmt.Sprintf("computes %d output row(s) of a depthwise 3×3 convolution of stride %d.", rows, stride))
	Load(Param("t"), RDI)
	for _, l := range []struct {
		offset uintptr
		r      GPPhysical
	}{
		{unsafe.Offsetof(tapsField.in), RSI}, {unsafe.Offsetof(tapsField.out), RDX},
		{unsafe.Offsetof(tapsField.inRow), R8}, {unsafe.Offsetof(tapsField.outRow), R10},
		{unsafe.Offsetof(tapsField.inPixel), R11}, {unsafe.Offsetof(tapsField.outPixel), R12},
		{unsafe.Offsetof(tapsField.taps), R13}, {unsafe.Offsetof(tapsField.bias), R14},
		{unsafe.Offsetof(tapsField.vectors), RBX}, {unsafe.Offsetof(tapsField.missing), RAX},
	} {
		MOVQ(field(l.offset), l.r)
	}
	MOVQ(R8, R9)
	NEGQ(R9)
	for missing := 3; missing > 0; missing-- {
		CMPQ(RAX, imm(missing))
		JEQ(LabelRef(fmt.Sprintf("vector%d", missing)))
	}
	for missing := range 4 {
		d := depthwiseLoop{s, rows, missing&1 != 0, missing&2 != 0, fmt.Sprint(missing)}
		if stride == 1 {
			d.stride1()
		} else {
			d.stride2()
		}
	}
}

// depthwiseLoop is the loop over the vectors of channels with some input rows missing.
type depthwiseLoop struct {
	*isa
	rows        int // of output
	top, bottom bool
	suffix      string
}

// acc is the register of a sum: which of the three columns, which row.
func (d depthwiseLoop) acc(column, row int) VecPhysical { return d.v[column*d.rows+row] }

// tap is the register of a tap.
func (d depthwiseLoop) tap(ky, kx int) VecPhysical { return d.v[7+ky*3+kx] }

// input is a row of input at the current column: −1 is above the centre row.
func (d depthwiseLoop) input(row int) Mem {
	switch row {
	case -1:
		return Mem{Base: RSI, Index: R9, Scale: 1}
	case 0:
		return at(RSI, 0)
	}
	return Mem{Base: RSI, Index: R8, Scale: uint8(row)}
}

// column adds the current column of input to the sums, acc[kx] being those that it is the
// column kx of; -1 for none.
func (d depthwiseLoop) column(acc [3]int) {
	x := d.v[6]
	for row := -1; row <= d.rows; row++ {
		if row == -1 && d.top || row == d.rows && d.bottom {
			continue
		}
		VMOVUPS(d.input(row), x)
		for kx := 2; kx >= 0; kx-- {
			if acc[kx] < 0 {
				continue
			}
			for r := range d.rows {
				if ky := row - r + 1; ky >= 0 && ky < 3 {
					VFMADD231PS(d.tap(ky, kx), x, d.acc(acc[kx], r))
				}
			}
		}
	}
}

// start sets a column's sums to the bias.
func (d depthwiseLoop) start(column int) {
	for r := range d.rows {
		VMOVUPS(at(R14, 0), d.acc(column, r))
	}
}

// store writes a column's sums and moves on.
func (d depthwiseLoop) store(column int) {
	for r := range d.rows {
		if r == 0 {
			VMOVUPS(d.acc(column, r), at(RDX, 0))
		} else {
			VMOVUPS(d.acc(column, r), Mem{Base: RDX, Index: R10, Scale: 1})
		}
	}
	ADDQ(R12, RDX)
}

// move copies a column's sums to another.
func (d depthwiseLoop) move(from, to int) {
	for r := range d.rows {
		VMOVAPS(d.acc(from, r), d.acc(to, r))
	}
}

// begin starts a vector of channels.
func (d depthwiseLoop) begin() {
	Label("vector" + d.suffix)
	MOVQ(R13, RAX)
	for i := range 9 {
		VMOVUPS(at(RAX, 0), d.tap(i/3, i%3))
		if i < 8 {
			ADDQ(field(unsafe.Offsetof(tapsField.tap)), RAX)
		}
	}
	MOVQ(field(unsafe.Offsetof(tapsField.columns)), RCX)
}

// end goes to the next vector of channels, or returns.
func (d depthwiseLoop) end() {
	for _, f := range []struct {
		offset uintptr
		r      GPPhysical
	}{{unsafe.Offsetof(tapsField.in), RSI}, {unsafe.Offsetof(tapsField.out), RDX}} {
		ADDQ(imm(d.bytes), field(f.offset))
		MOVQ(field(f.offset), f.r)
	}
	ADDQ(imm(d.bytes), R13)
	ADDQ(imm(d.bytes), R14)
	DECQ(RBX)
	JNE(LabelRef("vector" + d.suffix))
	VZEROUPPER()
	RET()
}

// stride1 is the loop for stride 1: column i of the input completes output i−1.
func (d depthwiseLoop) stride1() {
	d.begin()
	d.start(0)
	d.start(1)
	d.column([3]int{1, 0, -1})
	ADDQ(R11, RSI)
	DECQ(RCX)
	JEQ(LabelRef("last" + d.suffix))
	Label("column" + d.suffix)
	d.start(2)
	d.column([3]int{2, 1, 0})
	d.store(0)
	d.move(1, 0)
	d.move(2, 1)
	ADDQ(R11, RSI)
	DECQ(RCX)
	JNE(LabelRef("column" + d.suffix))
	Label("last" + d.suffix)
	d.store(0)
	d.end()
}

// stride2 is the loop for stride 2: columns 2i and 2i+1 complete output i, and the latter
// begins output i+1. An image of odd width lacks the last of these columns.
func (d depthwiseLoop) stride2() {
	d.begin()
	d.start(0)
	TESTQ(RCX, RCX)
	JEQ(LabelRef("last" + d.suffix))
	Label("column" + d.suffix)
	d.column([3]int{-1, 0, -1})
	ADDQ(R11, RSI)
	d.start(1)
	d.column([3]int{1, -1, 0})
	ADDQ(R11, RSI)
	d.store(0)
	d.move(1, 0)
	DECQ(RCX)
	JNE(LabelRef("column" + d.suffix))
	Label("last" + d.suffix)
	CMPQ(field(unsafe.Offsetof(tapsField.odd)), imm(0))
	JEQ(LabelRef("even" + d.suffix))
	d.column([3]int{-1, 0, -1})
	d.store(0)
	Label("even" + d.suffix)
	d.end()
}
