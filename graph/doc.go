// Package graph is the one vocabulary of the project: a neural network as
// values, nodes and weights.
//
// A [Graph] is a list of [Node] in topological order. A node applies an [Op],
// whose fields are the operator's attributes, to its input values and produces
// exactly one output value; the node carries that value's name. A [Value] is a
// graph input, a node's output or a weight, and a weight is a [Tensor] of raw
// little-endian elements that may lie in a memory-mapped file.
//
// The operators are those of the ONNX operator set that convolutional
// classifiers need, with ONNX's meaning, so that a graph can be written to any
// opset without a change of structure. Where ONNX spells an operator as several
// in older opsets (GELU before opset 20), this package has the one operator.
//
// Shapes are not stored: [Graph.Infer] derives the [Type] of every value from the
// inputs' types, symbolic axes included, so a graph serves any batch size and any
// resolution. [Graph.Parameters] and [Graph.MACs] count.
//
// The package knows no file format and no particular network. A graph that other
// packages rewrite is copied first ([Graph.Clone]); tensors are immutable once they
// are in a graph, so copies share them.
//
// # Stability
//
// Operators and fields are added with minor versions. What changes beyond that, the changelog says.
package graph
