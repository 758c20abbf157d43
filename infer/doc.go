// Package infer runs a network: a graph goes in once, logits come out for every input,
// without cgo.
//
// # Use
//
// [New] prepares a graph and returns a [Session]; [Session.Run] computes the logits of a
// batch of images. A session serves any batch size and any resolution that the graph's
// input declares, from any number of goroutines at once. [Session.RunInto] does the same
// without allocating, [Session.RunAll] returns all outputs of a backbone, [Session.Top]
// turns logits into the most probable classes with their names.
//
// Runs use as many cores as [Options] says, all by default, and divide each operator
// between them, so that the latency of a single image falls with their number. Helper
// goroutines are lent to one run at a time: when several runs are going on, those that find
// no helper work alone. [Session.Close] ends them; so does the garbage collector for a
// session that nobody refers to. [Session.Clone] makes a session with other threads that
// shares the packed weights.
//
// # How it works
//
// The graph is translated once. Nodes that depend on constants alone are evaluated.
// Operators become matrix products and depthwise convolutions over activations in
// channels-last order; bias, activation function and residual addition are computed where
// the product's results are still in registers, and a channel mixer (two 1×1 convolutions
// with GELU between them) is one operator whose hidden activations never leave the cache. Dense
// 3×3 convolutions of many channels take four ninths of the multiplications, in Winograd's form
// F(2×2, 3×3), and round less than sums over patches; their packed weights are 1.8 times as large.
// Where only the largest channel of an enlarged map is asked for, the map is never there as a
// whole.
// Weights are packed in the order in which the kernels read them, on all cores, and kept
// only so.
//
// For each input shape the session makes a plan: the steps with their geometry, and one
// arena that holds all intermediate values, whose places are reused as soon as nothing
// reads them any more; [Session.Stats] says how large it is. The last eight shapes are
// remembered. The input is read in place by the first convolution.
//
// # Numbers
//
// Values are float32, whatever the graph says: float64 weights are rounded, float16
// weights are widened, and a Cast to float16 rounds each element to what float16 holds.
// Integers and truth values are float32 as well, the latter 1 and 0, and outputs of such types
// have them; integers beyond 2²⁴ are refused, as is arithmetic that can overflow.
// Sums over axes are accumulated in float64. Every result has the same bits for any number
// of threads, and an image has the same logits in any batch. Instruction sets differ from
// each other by rounding.
//
// Infinities and NaN in an input are computed with like other numbers; they reach the
// logits of their own image and no other.
//
// # Quantized networks
//
// In graphs with QuantizeLinear and DequantizeLinear the engine computes with integers where
// both operands of a node come from DequantizeLinear: convolutions (1×1, other dense ones,
// depthwise 3×3), Gemm and MatMul of uint8 activations with one scale and int8 weights with
// a scale for each output channel and zero point 0, with int32 or float32 bias; Add, Mul by
// a factor for each channel, GlobalAveragePool and activation functions of uint8 whose
// result is quantized again. Activations in int8 that only DequantizeLinear reads are taken as
// uint8 of 128 more, which stand for the same numbers. Activations are uint8 in memory then, sums are exact in 32
// bits, an activation function between two quantizations is a table of 256 bytes, and a
// channel mixer is one operator from its float32 or uint8 input to the residual addition.
// Everything else is computed in float32 by definition, the weights of float32 operators
// being dequantized when the session is made.
//
// Sums become quantized numbers as round(sum·m) + zero point, with ties to even and
// saturation, where m, a float32, is input scale · weight scale / output scale; numbers are
// quantized as round(x·(1/scale)) + zero point; a float32 bias is rounded to a multiple of
// input scale · weight scale. A result can differ from the definition by one step where that
// is close to a tie. It has the same bits on every instruction set. NaN is quantized to the
// zero point.
//
// # Looking inside
//
// [Session.Observe] delivers every intermediate value that the graph names, computed
// without fusion. [Session.Profile] times each operator and says how many multiplications
// it needs.
//
// # Errors
//
// Errors wrap [graph.ErrShape], [graph.ErrGraph], [ErrUnsupported], [ErrClosed] or the
// context's error, or [graph.ErrTooLarge] where a network or an input needs more memory or
// work than [Options] allow. A panic would be a defect of this package; it costs the call
// an error that wraps [ErrPanic], and the session goes on.
//
// # Stability
//
// Within a major version, programs that use this package go on to compile and mean the same.
package infer
