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
// with GELU between them) is one operator whose hidden activations never leave the cache.
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
// Global means are accumulated in float64. Every result has the same bits for any number
// of threads, and an image has the same logits in any batch. Instruction sets differ from
// each other by rounding.
//
// Infinities and NaN in an input are computed with like other numbers; they reach the
// logits of their own image and no other.
//
// Graphs with QuantizeLinear and DequantizeLinear are computed by their definition, with
// quantized values held as float32. A weight behind DequantizeLinear is dequantized when
// the session is made.
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
// context's error. A panic in a kernel would be a defect of this package; it costs the run
// an error that wraps [ErrPanic], and the session goes on.
package infer
