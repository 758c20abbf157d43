// Package kernel holds the inner loops of the engine: matrix products, convolutions,
// pooling and activation functions over channels-last activations.
//
// # Layout
//
// An activation is a row-major matrix: one row for each pixel (n, y, x), in that order,
// and one column for each channel, so a 1×1 convolution is a plain matrix product and a
// depthwise one works on vectors of channels. Rows are LD elements apart. For float32, LD
// is the number of channels rounded up to [Lanes], and the padding columns hold zeros;
// kernels keep them zero, because weights and biases are padded with zeros, unless an
// activation function maps 0 to something else: such padding is never read back
// unmultiplied. For uint8, LD is the number of channels rounded up to [Lanes8], and
// the padding columns hold anything: weights are zero there.
//
// # Instruction sets
//
// Every kernel exists in plain Go and, unless the purego build tag is set, in assembly: on
// amd64 for AVX2+FMA and AVX-512 (VNNI for int8), on arm64 for NEON (for int8 with matrix
// products, dot products or neither). [Best] returns the set that the machine runs best, [All] every set that
// it can run, for tests and benchmarks. The layout is the same for all; only packed weights
// belong to the set that packed them.
//
// # Determinism
//
// The result of every kernel depends on its operands alone: each output element is
// accumulated in one fixed order, however the caller splits rows, images or channels
// between threads.
package kernel

import "unsafe"

//go:generate go -C _generate run ./arm64

// Lanes is the multiple to which float32 rows are padded.
const Lanes = 16

// Lanes8 is the multiple to which uint8 rows are padded.
const Lanes8 = 64

// Pad rounds n up to a multiple of m.
func Pad(n, m int) int { return (n + m - 1) / m * m }

// Activation is a function applied to each output of a kernel. NaN gives NaN.
type Activation struct {
	Function Function
	// Parameters of [Clamp] and [GatedClamp].
	Scale, Shift, Low, High float32
}

// Function is a kind of activation function.
type Function uint8

// The functions. Generated code knows their numbers.
const (
	identity Function = iota
	gelu
	relu
	sigmoid
	clamp
	gatedClamp
	exp
)

// The activation functions without parameters; Identity is the zero value. GELU is x·Φ(x),
// the exact one with erf, not its tanh approximation. Of GELU and Sigmoid the absolute error
// is below 1.5e-7·max(1, |x|) in every set, over all of float32.
var (
	Identity = Activation{}
	GELU     = Activation{Function: gelu}
	ReLU     = Activation{Function: relu}
	Sigmoid  = Activation{Function: sigmoid}
	// Exp is eˣ from −87 to 87; what is beyond is taken for that. Its relative error is below 4e-7.
	Exp = Activation{Function: exp}
)

// Clamp is min(max(scale·x + shift, low), high).
func Clamp(scale, shift, low, high float32) Activation {
	return Activation{clamp, scale, shift, low, high}
}

// GatedClamp is x·min(max(scale·x + shift, low), high).
func GatedClamp(scale, shift, low, high float32) Activation {
	return Activation{gatedClamp, scale, shift, low, high}
}

// Matrix is a float32 activation, or a part of one: Rows rows of LD elements.
type Matrix struct {
	Data []float32
	Rows int
	LD   int
}

// Gemm describes Out = Act(In·W + Bias) + Residual over rows [From, To) of In, which has
// K = W.K columns that count. Out has W.N padded columns. Residual's Data is nil for none;
// it may be Out itself.
type Gemm struct {
	In, Out, Residual Matrix
	W                 *Packed
	Act               Activation
	From, To          int
}

// Packed is a weight matrix K×N with its bias, laid out for one instruction set.
type Packed struct {
	K, N int       // unpadded sizes
	B    []float32 // panels, private to the set
	Bias []float32 // Pad(N, Lanes) elements
}

// Image describes the geometry of a 3×3 convolution over N images: H×W input pixels,
// HO×WO output pixels, padding 1 (top and left; bottom and right as the output size needs).
type Image struct {
	N, H, W, HO, WO, Stride int
}

// Depthwise describes a depthwise 3×3 convolution: Out = Act(sum of taps + Bias) over rows
// of output pixels [From, To), counted over all images: row n·HO + y.
type Depthwise struct {
	Image
	In, Out  Matrix
	Taps     []float32 // 9 rows (ky·3+kx) of LD elements
	Bias     []float32 // LD elements
	Act      Activation
	From, To int
}

// DepthwiseN describes a depthwise convolution with a kernel, strides, dilations and padding
// of any size, like Depthwise. The image's own stride means nothing.
type DepthwiseN struct {
	Image
	Kernel, Strides [2]int // rows, columns
	Dilations       [2]int // likewise, 1 at least
	Pads            [2]int // top, left
	In, Out         Matrix
	Taps            []float32 // rows (ky·columns+kx) of LD elements
	Bias            []float32 // LD elements
	Act             Activation
	From, To        int
}

// Conv3x3 describes a dense 3×3 convolution as a matrix product over patches: W.K is
// 9·Cin, ordered (ky, kx, channel). Rows of output pixels [From, To) as in Depthwise. The
// input is channels-last with Cin channels and rows of In.LD elements or, where Planar is
// not nil, N×Cin×H×W float32 as callers hand it in (the stem reads it in place). No set
// gathers patches, so there is no scratch memory to bring.
type Conv3x3 struct {
	Image
	Cin      int
	In, Out  Matrix
	Planar   []float32
	W        *Packed
	Act      Activation
	From, To int
}

// Mixer describes a channel mixer, two matrix products whose intermediate rows never leave
// the cache: Out = Project(Act(Expand(In))) + Residual over rows [From, To), where
// Expand.N = Project.K. Residual's Data is nil for none. Out, Residual and In may be one
// matrix: the rows of a tile are read before they are written. The result has the bits of
// the two Gemms.
type Mixer struct {
	In, Out, Residual Matrix
	Expand, Project   *Packed
	Act               Activation
	From, To          int
	Scratch           []float32 // at least MixerScratch(Expand.N) elements, one for each concurrent call
}

// MixerScratch returns the scratch memory, in elements, that a [Mixer] with the given
// number of hidden channels needs.
func MixerScratch(hidden int) int { return mixerRows(hidden) * Pad(hidden, Lanes) }

// mixerRows returns how many rows a Mixer takes at a time at most: enough to reuse each
// panel of weights often, few enough for the hidden activations to stay in a second-level
// cache (192 KiB, or 84 rows if that is more). It is a multiple of 84, so that rows divide
// well into tiles of 14, 12, 7 or 6.
func mixerRows(hidden int) int { return max(1, (48<<10/Pad(max(hidden, 1), Lanes))/84) * 84 }

// Float32 is one instruction set's float32 kernels. All of them may be called concurrently
// on disjoint ranges of one output.
type Float32 struct {
	Name string // "avx512", "avx2", "neon" or "generic"

	// Pack lays out a weight matrix given as rows of output channels (N×K, as in PyTorch and
	// ONNX), with a bias of N elements or nil.
	Pack func(weight []float32, n, k int, bias []float32) *Packed

	// PackRows lays out a weight matrix that was computed, given as K rows of N columns and
	// their padding, in p, whose B has K·Pad(N, Lanes) elements.
	PackRows func(p *Packed, w Matrix)

	Gemm       func(*Gemm)
	Mixer      func(*Mixer)
	Depthwise  func(*Depthwise)
	DepthwiseN func(*DepthwiseN)
	Conv3x3    func(*Conv3x3)
	Winograd   func(*Winograd)

	// SumColumns adds columns [from, to) of all rows of in into dst[from:to], which it first
	// zeroes; from is a multiple of Lanes and to too, or LD.
	SumColumns func(dst []float32, in Matrix, from, to int)
	// ScaleColumns multiplies rows [from, to) of x, in place, by gate, column by column. Gate
	// has x.LD elements.
	ScaleColumns func(x Matrix, gate []float32, from, to int)
	// ToPlanar writes rows [from, to) of a channels-last matrix, whose rows are the pixels of
	// images of the given number, to dst, which is N×channels×pixels.
	ToPlanar func(dst []float32, src Matrix, channels, pixels, from, to int)
	// Apply applies an activation in place.
	Apply func(x []float32, act Activation)
	// AddInto adds src to dst, elementwise, over len(dst) elements.
	AddInto func(dst, src []float32)
	// AddScaled adds scale·src to dst, elementwise, over len(dst) elements.
	AddScaled func(dst, src []float32, scale float32)
	// MaxInto sets dst to the maximum of dst and src, elementwise, over len(dst) elements. NaN
	// is larger than all numbers.
	MaxInto func(dst, src []float32)
}

// All returns the float32 kernels that this machine can run, the best first; the last is
// "generic", in plain Go. Treat the sets as read-only.
func All() []*Float32 { return float32Sets }

// Best returns the float32 kernels that this machine runs best.
func Best() *Float32 { return float32Sets[0] }

// Named returns the float32 kernels of that name, or nil if this machine cannot run them.
func Named(name string) *Float32 {
	for _, s := range float32Sets {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Floats returns n zeroed elements that start on a 64-byte boundary, so that no vector of
// an activation or a panel of weights straddles two cache lines. Kernels take any alignment;
// this one is the fastest.
func Floats(n int) []float32 {
	b := make([]float32, n+Lanes-1)
	off := 0
	if n > 0 {
		off = int(-(uintptr(unsafe.Pointer(&b[0])) / 4) % Lanes)
	}
	return b[off : off+n : off+n]
}

// planarBlock is how many pixels are written to each plane at a time: their rows stay in the
// first-level cache.
const planarBlock = 16

// FromPlanar reads the rows of a channels-last matrix from the planes of an image, which are
// pixels apart, and zeroes the padding columns.
func FromPlanar(dst Matrix, src []float32, channels, pixels int) {
	for p := 0; p < dst.Rows; p += planarBlock {
		n := min(planarBlock, dst.Rows-p)
		rows := dst.Data[p*dst.LD:]
		for c := range channels {
			for i, v := range src[c*pixels+p:][:n] {
				rows[i*dst.LD+c] = v
			}
		}
		for i := range n {
			clear(rows[i*dst.LD:][channels:dst.LD])
		}
	}
}
