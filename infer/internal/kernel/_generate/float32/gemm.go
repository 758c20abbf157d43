package main

import (
	"fmt"
	"unsafe"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// tile mirrors package kernel's type of that name.
type tile struct {
	a, b, bias, out, residual, table uintptr
	lda, ldo, ldr                    int
	step, k, segments                int
	rows, tiles, act, ahead          int
	aOffset, bOffset                 [9]int
}

var tileField tile

// gemm emits the matrix product's inner loops, one function for each width of a panel of
// weights.
//
// A tile is some rows by one panel. Its accumulators stay in registers over all of k; they
// start from the bias, and activation function and residual are applied before they are
// stored. For each k the panel's vectors are loaded once and each row's element is
// broadcast: 14 rows by 2 vectors of AVX-512 need 16 loads for 28 multiplications, so the
// two multipliers are busy and the two load ports are not quite. Rows are addressed as
// a + {1, 3, 5, …}·lda·{1, 2, 4, 8}, which needs one register for each odd number. The
// panel (K·32 elements) stays in the first-level cache from tile to tile where K is below
// some 200, else in the second-level one, from which it is read in order.
//
// Each pass over a panel prefetches the panel after it to the second-level cache: a network's
// weights are ten times what that holds, so every panel comes from farther away once in each
// run, and hardware that follows streams starts too late for panels of some 20 KiB.
//
// k is walked in segments with an offset of their own into both operands, one segment for a
// product and up to nine for a 3×3 convolution: one for each tap that is inside the image.
//
// Registers: DI description, SI input, BX weights, CX k left, DX distance of inputs in k,
// R8 to R14 odd multiples of lda, R15 segment, AX distance to the weights to prefetch. In
// the epilogue AX output, SI residual, CX table. Accumulators come first, then the panel's vectors and what is
// broadcast, which the epilogue uses as temporary registers.
func (s *isa) gemm() {
	for _, p := range s.panels {
		s.text(fmt.Sprintf("gemm%d", p.vectors), "func(t *byte)",
			fmt.Sprintf("multiplies t.tiles tiles of t.rows rows, 1 to %d, by a panel of %d vectors.", p.rows, p.vectors))
		Load(Param("t"), RDI)
		MOVQ(field(unsafe.Offsetof(tileField.lda)), R8)
		for i, r := range oddMultiples[1:] {
			if 2*i+3 < p.rows {
				if i == 0 {
					LEAQ(Mem{Base: R8, Index: R8, Scale: 2}, r)
				} else {
					LEAQ(Mem{Base: oddMultiples[i], Index: R8, Scale: 2}, r)
				}
			}
		}
		MOVQ(field(unsafe.Offsetof(tileField.step)), RDX)
		MOVQ(field(unsafe.Offsetof(tileField.rows)), RAX)
		for rows := p.rows; rows > 1; rows-- {
			CMPQ(RAX, imm(rows))
			JEQ(LabelRef(fmt.Sprintf("rows%d", rows)))
		}
		for rows := 1; rows <= p.rows; rows++ {
			s.tile(rows, p.vectors)
		}
	}
}

var oddMultiples = []GPPhysical{R8, R9, R10, R11, R12, R13, R14}

// rowAddress is the memory of a tile's row at the current k.
func rowAddress(row int) Mem {
	if row == 0 {
		return at(RSI, 0)
	}
	scale := uint8(1)
	for row%2 == 0 {
		row, scale = row/2, scale*2
	}
	return Mem{Base: RSI, Index: oddMultiples[row/2], Scale: scale}
}

func (s *isa) tile(rows, vectors int) {
	label := func(what string) string { return fmt.Sprintf("%s%d", what, rows) }
	acc := func(r, c int) VecPhysical { return s.v[r*vectors+c] }
	free := s.v[rows*vectors:]
	panel, spread := free[:vectors], free[vectors:]

	Label(label("rows"))
	MOVQ(field(unsafe.Offsetof(tileField.bias)), RAX)
	for c := range vectors {
		VMOVUPS(at(RAX, c*s.bytes), acc(0, c))
	}
	for r := 1; r < rows; r++ {
		for c := range vectors {
			VMOVAPS(acc(0, c), acc(r, c))
		}
	}
	XORQ(R15, R15)

	Label(label("segment"))
	MOVQ(field(unsafe.Offsetof(tileField.a)), RSI)
	ADDQ(Mem{Base: RDI, Index: R15, Scale: 8, Disp: int(unsafe.Offsetof(tileField.aOffset))}, RSI)
	MOVQ(field(unsafe.Offsetof(tileField.b)), RBX)
	ADDQ(Mem{Base: RDI, Index: R15, Scale: 8, Disp: int(unsafe.Offsetof(tileField.bOffset))}, RBX)
	MOVQ(field(unsafe.Offsetof(tileField.k)), RCX)
	MOVQ(field(unsafe.Offsetof(tileField.ahead)), RAX)
	step := func(i int) {
		for c, v := range panel {
			VMOVUPS(at(RBX, (i*vectors+c)*s.bytes), v)
			if c*s.bytes%64 == 0 {
				PREFETCHT1(Mem{Base: RBX, Index: RAX, Scale: 1, Disp: (i*vectors + c) * s.bytes})
			}
		}
		for r := range rows {
			x := spread[r%min(len(spread), 2)]
			VBROADCASTSS(rowAddress(r), x)
			for c, v := range panel {
				VFMADD231PS(v, x, acc(r, c))
			}
		}
		ADDQ(RDX, RSI)
	}
	SUBQ(imm(2), RCX)
	JLT(LabelRef(label("rest")))
	Label(label("pair"))
	step(0)
	step(1)
	ADDQ(imm(2*vectors*s.bytes), RBX)
	SUBQ(imm(2), RCX)
	JGE(LabelRef(label("pair")))
	Label(label("rest"))
	CMPQ(RCX, I8(-1))
	JNE(LabelRef(label("done")))
	step(0)
	Label(label("done"))
	INCQ(R15)
	CMPQ(R15, field(unsafe.Offsetof(tileField.segments)))
	JLT(LabelRef(label("segment")))

	s.epilogue(rows, vectors)
	// On to the next tile.
	for _, f := range [][2]uintptr{
		{unsafe.Offsetof(tileField.a), unsafe.Offsetof(tileField.lda)},
		{unsafe.Offsetof(tileField.out), unsafe.Offsetof(tileField.ldo)},
		{unsafe.Offsetof(tileField.residual), unsafe.Offsetof(tileField.ldr)},
	} {
		IMUL3Q(imm(rows), field(f[1]), RAX)
		ADDQ(RAX, field(f[0]))
	}
	DECQ(field(unsafe.Offsetof(tileField.tiles)))
	JNE(LabelRef(label("rows")))
	VZEROUPPER()
	RET()
}

// epilogue applies activation and residual to a tile and stores it.
func (s *isa) epilogue(rows, vectors int) {
	label := func(what string) string { return fmt.Sprintf("%s%d", what, rows) }
	free := s.v[rows*vectors:]
	CMPQ(field(unsafe.Offsetof(tileField.act)), imm(actGELU))
	JLT(LabelRef(label("activated")))
	JNE(LabelRef(label("relu")))
	MOVQ(field(unsafe.Offsetof(tileField.table)), RCX)
	for i := range rows * vectors {
		s.emitGELU(s.v[i], RCX, [4]VecPhysical(free))
	}
	JMP(LabelRef(label("activated")))
	Label(label("relu"))
	s.zero(free[0])
	for i := range rows * vectors {
		VMAXPS(s.v[i], free[0], s.v[i])
	}
	Label(label("activated"))
	MOVQ(field(unsafe.Offsetof(tileField.residual)), RSI)
	TESTQ(RSI, RSI)
	JEQ(LabelRef(label("store")))
	for r := range rows {
		for c := range vectors {
			VADDPS(at(RSI, c*s.bytes), s.v[r*vectors+c], s.v[r*vectors+c])
		}
		if r < rows-1 {
			ADDQ(field(unsafe.Offsetof(tileField.ldr)), RSI)
		}
	}
	Label(label("store"))
	MOVQ(field(unsafe.Offsetof(tileField.out)), RAX)
	for r := range rows {
		for c := range vectors {
			VMOVUPS(s.v[r*vectors+c], at(RAX, c*s.bytes))
		}
		if r < rows-1 {
			ADDQ(field(unsafe.Offsetof(tileField.ldo)), RAX)
		}
	}
}

// peak emits a loop of independent multiplications, to measure what the machine can do.
//
// Registers: CX rounds left; twelve accumulators, enough to hide a latency of four or five
// cycles on two multipliers, and two factors.
func (s *isa) peak() {
	s.text("peak", "func(rounds int)", fmt.Sprintf("runs rounds of 12 independent multiply-adds of %d elements.", s.bytes/4))
	Load(Param("rounds"), RCX)
	for i := range 14 {
		s.zero(s.v[i])
	}
	Label("round")
	for i := range 12 {
		VFMADD231PS(s.v[12], s.v[13], s.v[i])
	}
	DECQ(RCX)
	JNE(LabelRef("round"))
	VZEROUPPER()
	RET()
}
