package main

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/mmcloughlin/avo/ir"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
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

var (
	offLow, offHigh       = unsafe.Offsetof(t8.low), unsafe.Offsetof(t8.high)
	offStep, offZero      = unsafe.Offsetof(t8.step), unsafe.Offsetof(t8.zero)
	offFloor              = unsafe.Offsetof(t8.floor)
	offResZero, offResMul = unsafe.Offsetof(t8.residualZero), unsafe.Offsetof(t8.residualStep)
)

// Modes of the epilogue, as in package kernel.
const (
	modeFloat = iota
	modeRound
	modeBytes
	modeTable
	modeSum
)

// gemm emits the integer product's inner loops, one function for each width of a panel of
// weights.
//
// A tile is some rows by one panel. Its sums stay in registers over all of k; they start
// from the bias. For each group of four k (two without VNNI) the panel's vectors are loaded
// once and each row's four bytes are broadcast: 6 rows by 4 vectors of AVX-512 need 10 loads
// for 24 VPDPBUSD, so the two multipliers are busy and the two load ports are not quite.
// Rows are addressed as a + {1, 3, 5, 7}·lda·{1, 2, 4}.
//
// k is walked in segments, one for a product of rows and several for patches of an image:
// one for each row of the image that a patch covers.
//
// Registers: DI description, SI input, BX weights, CX groups left, R8 to R11 odd multiples
// of lda, R14 segments left, R15 distance of segments. In the epilogue AX output, SI residual, DX scales, R12 and R13 distances of
// output's and residual's rows, BX table. Sums come first, then the panel's vectors and
// what is broadcast, which the epilogue uses for constants.
func (s *isa) gemm() {
	for _, p := range s.panels {
		most := p.rows[len(p.rows)-1]
		s.text(fmt.Sprintf("gemm8x%d", p.vectors), fmt.Sprintf("multiplies t.tiles tiles of t.rows rows, one of %v, by a panel of %d vectors.", p.rows, p.vectors))
		MOVQ(field(unsafe.Offsetof(t8.lda)), R8)
		for i, r := range oddMultiples[1:] {
			if 2*i+3 < most {
				LEAQ(Mem{Base: oddMultiples[i], Index: R8, Scale: 2}, r)
			}
		}
		MOVQ(field(unsafe.Offsetof(t8.ldo)), R12)
		MOVQ(field(unsafe.Offsetof(t8.ldr)), R13)
		MOVQ(field(unsafe.Offsetof(t8.jump)), R15)
		MOVQ(field(unsafe.Offsetof(t8.rows)), RAX)
		for _, rows := range slices.Backward(p.rows[1:]) {
			CMPQ(RAX, imm(rows))
			JEQ(LabelRef(fmt.Sprintf("rows%d", rows)))
		}
		for _, rows := range p.rows {
			s.tile(rows, p.vectors)
		}
	}
}

var oddMultiples = []GPPhysical{R8, R9, R10, R11}

// rowAddress is the memory of a tile's row, behind the current k.
func rowAddress(row, disp int) Mem {
	if row == 0 {
		return at(RSI, disp)
	}
	scale := uint8(1)
	for row%2 == 0 {
		row, scale = row/2, scale*2
	}
	return Mem{Base: RSI, Index: oddMultiples[row/2], Scale: scale, Disp: disp}
}

func (s *isa) tile(rows, vectors int) {
	label := func(what string) string { return fmt.Sprintf("%s%d", what, rows) }
	acc := func(r, c int) VecPhysical { return s.v[r*vectors+c] }
	free := s.v[rows*vectors:]
	weights, spread := free[:vectors], free[vectors:]

	Label(label("rows"))
	MOVQ(field(unsafe.Offsetof(t8.a)), RSI)
	MOVQ(field(unsafe.Offsetof(t8.b)), RBX)
	MOVQ(field(unsafe.Offsetof(t8.bias)), RAX)
	MOVQ(field(unsafe.Offsetof(t8.segments)), R14)
	for c := range vectors {
		s.load(at(RAX, c*s.bytes), acc(0, c))
	}
	for r := 1; r < rows; r++ {
		for c := range vectors {
			s.move(acc(0, c), acc(r, c))
		}
	}
	depth := s.depth // bytes of an input row that a step takes
	step := func(i int) {
		for c, v := range weights {
			s.load(at(RBX, (i*vectors+c)*s.bytes), v)
		}
		for r := range rows {
			x := spread[0]
			spare := spread[1:]
			if s == avx512vnni || s == avxvnni && len(spread) > 1 {
				x = spread[r%2]
			}
			if s.depth == 2 {
				VPBROADCASTW(rowAddress(r, i*depth), x.AsX())
				VPMOVZXBW(x.AsX(), x)
			} else {
				VPBROADCASTD(rowAddress(r, i*depth), x)
			}
			for c, v := range weights {
				s.dot(v, x, acc(r, c), spare)
			}
		}
	}
	const unroll = 4
	Label(label("segment"))
	MOVQ(field(unsafe.Offsetof(t8.groups)), RCX)
	SUBQ(imm(unroll), RCX)
	JLT(LabelRef(label("rest")))
	Label(label("groups"))
	for i := range unroll {
		step(i)
	}
	ADDQ(imm(unroll*depth), RSI)
	ADDQ(imm(unroll*vectors*s.bytes), RBX)
	SUBQ(imm(unroll), RCX)
	JGE(LabelRef(label("groups")))
	Label(label("rest"))
	ADDQ(imm(unroll), RCX)
	JZ(LabelRef(label("sums")))
	Label(label("group"))
	step(0)
	ADDQ(imm(depth), RSI)
	ADDQ(imm(vectors*s.bytes), RBX)
	DECQ(RCX)
	JNZ(LabelRef(label("group")))

	Label(label("sums"))
	ADDQ(R15, RSI)
	DECQ(R14)
	JNZ(LabelRef(label("segment")))
	s.epilogue(rows, vectors, acc, label)
}

// epilogue turns sums into results, moves on to the next tile and ends after the last.
func (s *isa) epilogue(rows, vectors int, acc func(r, c int) VecPhysical, label func(string) string) {
	MOVQ(field(unsafe.Offsetof(t8.out)), RAX)
	MOVQ(field(unsafe.Offsetof(t8.residual)), RSI)
	MOVQ(field(unsafe.Offsetof(t8.scale)), RDX)
	for r := range rows {
		for c := range vectors {
			VCVTDQ2PS(acc(r, c), acc(r, c))
			VMULPS(at(RDX, c*s.bytes), acc(r, c), acc(r, c))
		}
	}
	MOVQ(field(unsafe.Offsetof(t8.mode)), RCX)
	for _, m := range []int{modeRound, modeBytes, modeTable, modeSum} {
		if m == modeTable && !s.wide() {
			continue
		}
		CMPQ(RCX, imm(m))
		JEQ(LabelRef(label(modes[m])))
	}
	free := s.v[rows*vectors:]
	// nextRow moves output and residual on to the row below.
	nextRow := func() {
		ADDQ(R12, RAX)
		ADDQ(R13, RSI)
	}
	for m := range modes {
		if m == modeTable && !s.wide() {
			continue
		}
		Label(label(modes[m]))
		e := &epilogue{isa: s, free: free, constants: map[constant]VecPhysical{}}
		switch m {
		case modeFloat, modeRound:
			if m == modeRound {
				e.keep(constant{offLow, 4}, constant{offHigh, 4}, constant{offStep, 4})
			}
			for r := range rows {
				for c := range vectors {
					v := acc(r, c)
					if m == modeRound {
						e.round(v)
					}
					VADDPS(at(RSI, c*s.bytes), v, v)
					VMOVUPS(v, at(RAX, c*s.bytes))
				}
				nextRow()
			}
		case modeBytes, modeTable:
			e.order()
			e.keep(constant{offZero, 2}, constant{offFloor, 1})
			if m == modeTable {
				e.tables()
			}
			e.mask(vectors)
			for r := range rows {
				var row []VecPhysical
				for c := range vectors {
					VCVTPS2DQ(acc(r, c), acc(r, c))
					row = append(row, acc(r, c))
				}
				q := e.pack(row)
				VPMAXUB(e.constant(constant{offFloor, 1}), q, q)
				if m == modeTable {
					e.lookup(q)
				}
				e.store(q, vectors)
				nextRow()
			}
		case modeSum:
			e.order()
			e.keep(constant{offZero, 2}, constant{offLow, 4}, constant{offHigh, 4}, constant{offStep, 4}, constant{offResZero, 4}, constant{offResMul, 4})
			e.mask(vectors)
			for r := range rows {
				var row []VecPhysical
				for c := range vectors {
					v := acc(r, c)
					e.round(v)
					x := e.temporary()
					VPMOVZXBD(at(RSI, c*s.bytes/4), x)
					VPSUBD(e.constant(constant{offResZero, 4}, x), x, x)
					VCVTDQ2PS(x, x)
					VMULPS(e.constant(constant{offResMul, 4}, x), x, x)
					VADDPS(x, v, v)
					VCVTPS2DQ(v, v)
					row = append(row, v)
				}
				e.store(e.pack(row), vectors)
				nextRow()
			}
		}
		if m != len(modes)-1 {
			JMP(LabelRef(label("next")))
		}
	}
	Label(label("next"))
	MOVQ(RAX, field(unsafe.Offsetof(t8.out)))
	MOVQ(RSI, field(unsafe.Offsetof(t8.residual)))
	IMUL3Q(imm(rows), R8, RAX)
	ADDQ(RAX, field(unsafe.Offsetof(t8.a)))
	DECQ(field(unsafe.Offsetof(t8.tiles)))
	JNZ(LabelRef(label("rows")))
	s.end()
}

var modes = []string{"float", "round", "bytes", "table", "sum"}

// epilogue is the state of the generator for one mode.
type epilogue struct {
	*isa
	free      []VecPhysical // registers that hold nothing
	constants map[constant]VecPhysical
	orderReg  VecPhysical
	table     []VecPhysical
}

// constant is a field of the description that is broadcast to elements of some bytes.
type constant struct {
	offset uintptr
	size   int
}

// take returns a free register.
func (e *epilogue) take() VecPhysical {
	v := e.free[len(e.free)-1]
	e.free = e.free[:len(e.free)-1]
	return v
}

// spareRegisters is how many free registers the AVX2 sets need for temporary values.
const spareRegisters = 2

// keep loads constants to registers, as far as there are enough.
func (e *epilogue) keep(cs ...constant) {
	for _, c := range cs {
		need := spareRegisters
		if e.wide() {
			need = 1
		}
		if len(e.free) <= need {
			return
		}
		v := e.take()
		e.broadcast(c, v)
		e.constants[c] = v
	}
}

func (e *epilogue) broadcast(c constant, v VecPhysical) {
	switch c.size {
	case 1:
		VPBROADCASTB(field(c.offset), v)
	case 2:
		VPBROADCASTW(field(c.offset), v)
	default:
		VPBROADCASTD(field(c.offset), v)
	}
}

// constant returns a register that holds a constant, other than those given.
func (e *epilogue) constant(c constant, not ...VecPhysical) VecPhysical {
	if v, ok := e.constants[c]; ok {
		return v
	}
	for _, v := range e.free {
		if !slices.Contains(not, v) {
			e.broadcast(c, v)
			return v
		}
	}
	panic("no register is free")
}

// temporary returns a register for a value that is used at once.
func (e *epilogue) temporary() VecPhysical { return e.free[0] }

// round rounds v to an integer between low and high and multiplies it by step.
func (e *epilogue) round(v VecPhysical) {
	VCVTPS2DQ(v, v)
	VPMAXSD(e.constant(constant{offLow, 4}), v, v)
	VPMINSD(e.constant(constant{offHigh, 4}), v, v)
	VCVTDQ2PS(v, v)
	VMULPS(e.constant(constant{offStep, 4}), v, v)
}

// order loads the permutation that packed rows need: VPACKSSDW and VPACKUSWB work on each
// 128 bits by themselves.
func (e *epilogue) order() {
	e.orderReg = e.take()
	if e.wide() {
		VMOVDQU32(orderTable(), e.orderReg)
	} else {
		VMOVDQU(orderTable2(), e.orderReg)
	}
}

// orders are the constants in memory that have been emitted.
var orders [3]Mem

// ones are numbers of 16 bits.
func ones() Mem {
	if orders[2].Symbol.Name == "" {
		orders[2] = GLOBL("ones16", RODATA|NOPTR)
		for i := range 8 {
			DATA(4*i, U32(1<<16|1))
		}
	}
	return orders[2]
}

// orderTable is, for doublewords, the transposition of a 4×4 matrix.
func orderTable() Mem {
	if orders[0].Symbol.Name == "" {
		orders[0] = GLOBL("order8x16", RODATA|NOPTR)
		for i := range 16 {
			DATA(4*i, U32(i%4*4+i/4))
		}
	}
	return orders[0]
}

// orderTable2 takes the halves of two vectors of int32 apart, packed to bytes.
func orderTable2() Mem {
	if orders[1].Symbol.Name == "" {
		orders[1] = GLOBL("order8x8", RODATA|NOPTR)
		for i, x := range []int{0, 4, 1, 5, 0, 4, 1, 5} {
			DATA(4*i, U32(x))
		}
	}
	return orders[1]
}

// tables loads the 256 bytes of a table.
func (e *epilogue) tables() {
	MOVQ(field(unsafe.Offsetof(t8.table)), RBX)
	for i := range 4 {
		v := e.take()
		VMOVDQU32(at(RBX, 64*i), v)
		e.table = append(e.table, v)
	}
}

// lookup maps the bytes of q through the table.
func (e *epilogue) lookup(q VecPhysical) {
	upper := e.temporary()
	VPMOVB2M(q, K2)
	VMOVDQA64(q, upper)
	VPERMI2B(e.table[1], e.table[0], q)
	VPERMI2B(e.table[3], e.table[2], upper)
	VMOVDQU8(upper, K2, q)
}

// mask prepares the store of rows of three vectors.
func (e *epilogue) mask(vectors int) {
	if vectors == 3 {
		MOVL(U32(0xfff), ECX)
		KMOVW(ECX, K1)
	}
}

// pack packs a row's int32, adds the zero point and returns the register with the bytes.
func (e *epilogue) pack(row []VecPhysical) VecPhysical {
	zero := constant{offZero, 2}
	first, last := row[0], row[len(row)-1]
	switch {
	case !e.wide():
		VPACKSSDW(row[1], row[0], first)
		VPADDSW(e.constant(zero), first, first)
		VPACKUSWB(first, first, first)
	case len(row) == 1:
		VPACKSSDW(first, first, first)
		VPADDSW(e.constant(zero), first, first)
		VPACKUSWB(first, first, first)
	default:
		third := row[2]
		VPACKSSDW(row[1], row[0], first)
		VPACKSSDW(last, third, third)
		VPADDSW(e.constant(zero), first, first)
		VPADDSW(e.constant(zero), third, third)
		VPACKUSWB(third, first, first)
	}
	VPERMD(first, e.orderReg, first)
	return first
}

// store stores a row of bytes.
func (e *epilogue) store(q VecPhysical, vectors int) {
	switch {
	case vectors == 4:
		VMOVDQU32(q, at(RAX, 0))
	case vectors == 3:
		VMOVDQU32(q, K1, at(RAX, 0))
	default:
		VMOVDQU(q.AsX(), at(RAX, 0))
	}
}

func (s *isa) load(m Mem, v VecPhysical) {
	if s.wide() {
		VMOVDQU32(m, v)
		return
	}
	VMOVDQU(m, v)
}

func (s *isa) move(from, to VecPhysical) {
	if s.wide() {
		VMOVDQA32(from, to)
		return
	}
	VMOVDQA(from, to)
}

// vexDPBUSD emits VPDPBUSD of AVX-VNNI in its VEX encoding, of which the assembler knows
// only the EVEX one: acc += inputs (uint8) · weights (int8).
func vexDPBUSD(weights, inputs, acc VecPhysical) {
	w, x, a := slices.Index(ymm, weights), slices.Index(ymm, inputs), slices.Index(ymm, acc)
	prefix := 0xc4 |
		((1-a>>3)<<7|1<<6|(1-w>>3)<<5|2)<<8 | // opcode map 0F38
		((15-x)<<3|1<<2|1)<<16 | // 256 bits, prefix 66
		0x50<<24
	Instruction(&ir.Instruction{Opcode: "LONG", Operands: []Op{U32(prefix)}})
	Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []Op{U8(0xc0 | a&7<<3 | w&7)}})
}
