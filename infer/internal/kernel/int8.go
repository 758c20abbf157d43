package kernel

import (
	"math"
	"unsafe"
)

// Matrix8 is a uint8 activation, or a part of one: Rows rows of LD elements.
type Matrix8 struct {
	Data []uint8
	Rows int
	LD   int
}

// Packed8 is an int8 weight matrix K×N with an int32 bias, laid out for one instruction
// set. The bias contains the correction for the zero point of the product's input: a sum
// of (x−z)·w is one of x·w less z·Σw.
type Packed8 struct {
	K, N int       // unpadded sizes
	B    []int8    // panels, private to the set
	Bias []int32   // Pad(N, Lanes) elements
	wide []int16   // panels of sets that multiply 16-bit numbers
	none []float32 // zeros: what is added where there is no residual
}

// Gemm8 describes an integer product over rows [From, To) of In, which has K = W.K columns
// that count, and what becomes of its sums. With acc the exact 32-bit sum of a row's
// products and the bias, c its column, round to the nearest integer with ties to even, and
// every operation rounded to float32 by itself:
//
//	v = acc · Scale[c]
//	v = min(max(round(v), Low), High) · Step       where Round is set
//	v = v + Residual                               where Residual.Data is not nil
//	v = v + (Residual8 − Residual8Zero)·Residual8Step   where Residual8.Data is not nil
//
// The result is v, in Out, or where Out8.Data is not nil the quantized
// max(saturate(round(v) + Zero), Floor), passed through Table where that is not nil.
// Residual goes with a float32 result only; Residual8 goes with Round and a uint8 result
// without Table and Floor. Residuals may be the output itself; In may not, unless
// W.N <= 16. Scales must be such that |v| stays below 2³¹.
//
// For a convolution, rows are patches of an image with a border: with Segments above 1 a row
// is that many runs of W.K/Segments elements, a multiple of 4, that are Below apart, and
// In.LD is the distance of neighbouring patches.
type Gemm8 struct {
	In              Matrix8
	Segments, Below int
	W               *Packed8
	From, To        int

	Scale           []float32 // Pad(N, Lanes) elements
	Round           bool
	Low, High, Step float32

	Residual      Matrix
	Residual8     Matrix8
	Residual8Zero uint8
	Residual8Step float32

	Out         Matrix
	Out8        Matrix8
	Zero, Floor uint8
	Table       *[256]uint8
}

// Depthwise8 describes a depthwise 3×3 convolution of uint8 activations, over rows of
// output pixels [From, To) as in [Depthwise]: each sum, with the bias, becomes
// max(saturate(round(acc·Scale[c]) + Zero), Floor), passed through Table where that is not
// nil. Pixels outside the image are InZero.
type Depthwise8 struct {
	Image
	In, Out     Matrix8
	W           *Taps8
	Border      []uint8   // Image.W·In.LD elements of the input's zero point
	Scale       []float32 // LD elements
	Zero, Floor uint8
	Table       *[256]uint8
	From, To    int
}

// Taps8 holds the weights of a depthwise 3×3 convolution for one instruction set.
type Taps8 struct {
	C    int
	B    []int8
	wide []int16
	Bias []int32 // Pad(C, Lanes8) elements, with the zero point's correction as in Packed8
}

// Quantization8 maps a float32 x to saturate(round(x·Inverse) + Zero); NaN to Zero.
type Quantization8 struct {
	Inverse float32 // 1/scale
	Zero    uint8
}

// Sum8 describes the elementwise quantized sum of two activations of the same geometry:
// Out = saturate(round((A−AZero)·AStep + (B−BZero)·BStep) + Zero). Out may be A or B.
type Sum8 struct {
	Out, A, B    []uint8
	AZero, BZero uint8
	AStep, BStep float32
	Zero         uint8
}

// Int8 is one instruction set's integer kernels. All of them may be called concurrently on
// disjoint ranges of one output. Every set gives the same bits.
type Int8 struct {
	Name       string // "avx512vnni", "avxvnni", "avx2", "neon-i8mm", "neon-dot", "neon" or "generic"
	WeightSize int    // bytes of a packed weight, at most

	// Pack lays out a weight matrix given as rows of output channels (N×K), with a bias of N
	// elements.
	Pack func(weight []int8, n, k int, bias []int32) *Packed8
	Gemm func(*Gemm8)

	// PackTaps lays out depthwise weights given as C×9 (ky·3+kx), with a bias of C elements.
	PackTaps  func(weight []int8, c int, bias []int32) *Taps8
	Depthwise func(*Depthwise8)

	// Quantize quantizes rows [from, to) of src into dst.
	Quantize func(dst Matrix8, src Matrix, q Quantization8, from, to int)
	// Dequantize writes (src − zero)·scale for the first columns of rows [from, to) of src to
	// dst and zeroes the padding.
	Dequantize func(dst Matrix, src Matrix8, columns int, scale float32, zero uint8, from, to int)
	// Lookup maps src through table to dst, which may be src.
	Lookup func(dst, src []uint8, table *[256]uint8)
	// Sum is the quantized addition.
	Sum func(*Sum8)
	// Scale writes saturate(round((src−srcZero)·gate[c]·unit) + zero) for rows [from, to) of
	// src to dst. Gate has src.LD elements, integers below 256 in magnitude.
	Scale func(dst, src Matrix8, gate []float32, unit float32, srcZero, zero uint8, from, to int)
	// SumColumns adds all rows of src, of which there are less than 2²³, column by column into
	// dst, which has src.LD elements.
	SumColumns func(dst []int32, src Matrix8)
}

// All8 returns the integer kernels that this machine can run, the best first; the last is
// "generic", in plain Go. Treat the sets as read-only.
func All8() []*Int8 { return int8Sets }

// Best8 returns the integer kernels that this machine runs best.
func Best8() *Int8 { return int8Sets[0] }

// Named8 returns the integer kernels of that name, or nil if this machine cannot run them.
func Named8(name string) *Int8 {
	for _, s := range int8Sets {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Mixer8 describes two integer products whose intermediate rows never leave the cache. Row
// by row it is: where Float.Data is not nil, quantize Float to Expand.In; then Expand, then
// Project, whose In is Expand's Out8. A product without Project ends after Expand. Where
// Act is not Identity, Expand gives float32, to which Act is applied and which is then
// quantized by Hidden.
type Mixer8 struct {
	Float    Matrix
	Quantize Quantization8
	Expand   Gemm8
	Act      Activation
	Hidden   Quantization8
	Project  Gemm8
	From, To int
	// Scratch has Mixer8Scratch elements, one for each concurrent call.
	Scratch []float32
	// Apply applies Act.
	Apply func(x []float32, act Activation)
}

// mixer8Rows returns how many rows a Mixer8 takes at a time: a multiple of every set's
// rows, enough to reuse each panel of weights often, few enough for a tile's activations
// to stay in a second-level cache.
func mixer8Rows(k, hidden int, act Activation) int {
	row := Pad(k, Lanes8) + Pad(hidden, Lanes8)
	if act != Identity {
		row += 4 * Pad(hidden, Lanes)
	}
	return min(max(48, 96<<10/row/48*48), 192)
}

// scratch returns how many rows are taken at a time and the elements of scratch memory for
// their quantized inputs, hidden activations and hidden float32 activations.
func (m *Mixer8) scratch() (rows, a, h, f int) {
	k, hidden := m.Expand.W.K, m.Expand.W.N
	rows = mixer8Rows(k, hidden, m.Act)
	if m.Float.Data != nil {
		a = rows * Pad(k, Lanes8) / 4
	}
	if m.Project.W != nil {
		h = rows * Pad(hidden, Lanes8) / 4
	}
	if m.Act != Identity {
		f = rows * Pad(hidden, Lanes)
	}
	return rows, a, h, f
}

// Mixer8Scratch returns the scratch memory, in elements of a float32, that a [Mixer8] for
// weights of these sizes needs at most.
func Mixer8Scratch(k, hidden int, act Activation) int {
	n := Pad(k, Lanes8)/4 + Pad(hidden, Lanes8)/4
	if act != Identity {
		n += Pad(hidden, Lanes)
	}
	return mixer8Rows(k, hidden, act)*n + Lanes
}

// Mix computes a Mixer8, or a single product with a quantized input.
func (s *Int8) Mix(m *Mixer8) {
	rows, a, h, f := m.scratch()
	in := Matrix8{Data: Bytes(m.Scratch[:a]), LD: Pad(m.Expand.W.K, Lanes8)}
	hidden := Matrix8{Data: Bytes(m.Scratch[a:][:h]), LD: Pad(m.Expand.W.N, Lanes8)}
	real := Matrix{Data: m.Scratch[a+h:][:f], LD: Pad(m.Expand.W.N, Lanes)}
	expand, project := m.Expand, m.Project
	for from := m.From; from < m.To; from += rows {
		n := min(rows, m.To-from)
		g := &m.Expand
		*g = expand
		g.From, g.To = 0, n
		if m.Float.Data != nil {
			s.Quantize(in, m.Float.from(from, n), m.Quantize, 0, n)
			g.In = in
		} else {
			g.In = expand.In.from(from, n)
		}
		g.Residual, g.Residual8 = expand.Residual.from(from, n), expand.Residual8.from(from, n)
		g.Out, g.Out8 = expand.Out.from(from, n), expand.Out8.from(from, n)
		if m.Project.W != nil {
			g.Out8 = hidden
		}
		if m.Act != Identity {
			out8 := g.Out8
			g.Out, g.Out8 = real, Matrix8{}
			s.Gemm(g)
			m.Apply(real.Data[:n*real.LD], m.Act)
			s.Quantize(out8, real, m.Hidden, 0, n)
		} else {
			s.Gemm(g)
		}
		if m.Project.W == nil {
			continue
		}
		g = &m.Project
		*g = project
		g.From, g.To = 0, n
		g.In = hidden
		g.Residual, g.Residual8 = project.Residual.from(from, n), project.Residual8.from(from, n)
		g.Out, g.Out8 = project.Out.from(from, n), project.Out8.from(from, n)
		s.Gemm(g)
	}
	m.Expand, m.Project = expand, project
}

// from returns rows [row, row+rows) of m; no matrix stays no matrix.
func (m Matrix8) from(row, rows int) Matrix8 {
	if m.Data == nil {
		return m
	}
	return Matrix8{Data: m.Data[row*m.LD:], Rows: rows, LD: m.LD}
}

// Bytes returns the memory of float32 elements as uint8.
func Bytes(f []float32) []uint8 {
	return unsafe.Slice((*uint8)(unsafe.Pointer(unsafe.SliceData(f))), 4*len(f))
}

// NewBytes returns n zeroed elements that start on a 64-byte boundary.
func NewBytes(n int) []uint8 { return Bytes(Floats((n + 3) / 4))[:n:n] }

// round32 rounds to the nearest integer, ties to even. |v| is below 2³¹.
func round32(v float32) int32 { return int32(math.RoundToEven(float64(v))) }

// saturate returns q limited to the range of a uint8.
func saturate(q int32) uint8 { return uint8(min(max(q, 0), 255)) }

// Quantize8 quantizes one number.
func Quantize8(x float32, q Quantization8) uint8 {
	v := x * q.Inverse
	if v != v {
		return q.Zero
	}
	return uint8(round32(min(max(v, -float32(q.Zero)), 255-float32(q.Zero))) + int32(q.Zero))
}
