// Package reference executes a graph by the book: it is the oracle that faster engines
// and rewritten graphs are measured against.
//
// Every value is held in float64 and every operator is the plain loop that its
// definition reads like. The package shares no arithmetic with the engine of package
// infer. Nothing is fused, folded or reordered, so the training form of a network, with
// its branches and BatchNorm nodes, and its deploy form are both run as they stand.
//
// # What is rounded
//
// Nothing, except where the graph says so:
//
//   - Cast to float32 or float16 rounds to nearest even, once, from float64; beyond the
//     type's range lies infinity. Cast to an integer type truncates and saturates.
//   - QuantizeLinear rounds half to even and saturates to the zero point's type, by the
//     ONNX definition. Quantized values are numbers like all others: int8 −3 is held as −3.
//   - Integers and truth values are numbers too, the latter 1 and 0, and outputs of such types have
//     them. Integers beyond 2⁵³ are refused, as is arithmetic that can overflow.
//
// A float32 or float16 graph is thus computed as if its weights, which are taken as
// they are, were the only rounded numbers in it.
//
// # Numbers that are not finite
//
// NaN and infinities follow IEEE 754 through every formula. A NaN stays a NaN through
// Relu, Cast and QuantizeLinear, where ONNX leaves the result open; in an output
// of integers it is 0. Max, Min, ReduceMax and ReduceMin are NaN where an operand is, and for ArgMax
// it is the largest number; every comparison with it is false.
//
// # Threads, memory, errors
//
// Work is divided by output channels or rows, each of which one goroutine computes from
// start to end: the results have the same bits for any number of threads. Values are
// released after their last use. Errors wrap [graph.ErrGraph], [graph.ErrShape] or the
// package's own; a panic below the package's functions comes out as [ErrPanic].
//
// # Stability
//
// Operators and fields are added with minor versions. What changes beyond that, the changelog says.
package reference
