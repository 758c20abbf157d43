// Package onnx writes a graph as an ONNX model and reads one back.
//
// ONNX (https://onnx.ai) is the exchange format that ONNX Runtime, OpenCV, TensorRT and
// others read: one protocol buffer message with the operators, the weights and what is
// known of the shapes.
//
// # Writing
//
// [Encode] writes the standard operator set of versions 13 to 21, with the version of the
// file format that came with each. Nodes and values are named like the graph's values, so
// that a tensor of a file can be traced to the module that computes it, and every value is
// described by name, element type and shape. Sizes that are known only when the network
// runs are named: "batch", or "ceil(height/4)" for what is left of them behind strided
// convolutions. Weights are stored as raw bytes in the order of their use; they go from the
// graph's tensors to the writer without another copy. The graph's metadata is stored sorted
// by key.
//
// Operators are written one to one, with three exceptions. GELU, an operator since opset 20,
// is x·(erf(x/√2) + 1)·½ in older ones, as five nodes in the form that runtimes recognise
// and fuse again; HardSwish, an operator since opset 14, is x·HardSigmoid(x) in opset 13;
// LayerNormalization, an operator since opset 17 and never one over channels, is
// (x − mean)/√(variance + ε)·scale + bias, as PyTorch writes it; the sizes that Resize has from
// another value, or beside those of a batch, are computed by Shape, Slice and Concat. Proposals,
// Detections and PostprocessMasks, for which ONNX has no operators, and RoiAlign of a pyramid are many
// nodes, since opset 16 for the last; metadata says which, and they are read as the operator if they are exactly those. The
// intermediate values are named after the node ("features.0.act.erf"); constants are shared
// ("gelu.sqrt2"), the bounds of Clip too ("clip.6"). QuantizeLinear and DequantizeLinear have scales
// of float32, or of float16 from opset 19 on.
//
// The same graph gives the same bytes. They are those that a protocol buffer library writes
// for the same message.
//
// # Reading
//
// [Decode] reads what Encode writes into an equal graph, and models that PyTorch's exporter
// makes of networks of this kind, in opsets 6 to 24. It understands
//
//   - Abs, Add, And, ArgMax, AveragePool, BatchNormalization, Cast, Ceil, Clip, Concat, Conv,
//     ConvTranspose, Cos, DequantizeLinear, Div, Elu, Equal, Erf, Exp, Floor, Gather, GatherND of one
//     index, Gelu, Gemm, GlobalAveragePool, Greater, HardSigmoid, HardSwish, LayerNormalization,
//     LeakyRelu, Less, Log, MatMul, Max, MaxPool, Mean, Min, Mul, Neg, Not, Or, Pad, Pow,
//     QuantizeLinear, ReduceMax, ReduceMean, ReduceMin, ReduceProd, ReduceSum, Relu, Reshape, Resize,
//     Round, Sigmoid, Sign, Sin, Slice, Softmax, Sqrt, Sub, Tanh, TopK, Transpose, Where; padding, parts
//     and the number of TopK must be constants;
//   - as several nodes: ArgMin, CastLike, Celu, ConstantOfShape, Expand, GreaterOrEqual, IsInf, IsNaN, LessOrEqual, LogSoftmax, Mish,
//     PRelu, Reciprocal, ReduceL1, ReduceL2, ReduceLogSum, ReduceLogSumExp, ReduceSumSquare, Selu, Shrink,
//     Softplus, Softsign, Sum, Tan, ThresholdedRelu, Xor; Max and Min of more than two; Clip with bounds
//     that are computed or integers; LayerNormalization with more than one output;
//   - Flatten, Squeeze and Unsqueeze, which are Reshape; Reshape to N×(C·H·W), which is Flatten,
//     or to the shape that is there, which is nothing;
//   - Resize of N×C×H×W by scales, to constant sizes, or to the height and width of another
//     value; Upsample; interpolation since opset 11, which said where pixels lie;
//   - Shape, and what computes sizes of it: Gather, Slice, Split, Concat, Unsqueeze, Squeeze, Reshape, Transpose,
//     Cast, ConstantOfShape, Expand, Equal, Where, Add, Sub, Mul and Div; a size that is not known, where a
//     value is computed with it, is counted;
//   - Expand and ConstantOfShape of sizes that are constant or those of values, Range of constants, all
//     together of up to 1048576 elements that the file does not hold; Gather at one index that is computed;
//   - the end of segment_anything's decoder, which resizes masks to the size that an input says, as
//     PostprocessMasks; the square has a side that is a power of two where 1/longest is computed first;
//   - padding to be computed (auto_pad), where sizes are known;
//   - Pad that adds nothing; Split, as several Slice;
//   - ReduceMean over both axes of feature maps, as GlobalAveragePool;
//   - GELU spelled with Erf, HardSwish spelled with HardSigmoid and layer normalisation spelled with
//     means, in opsets with and without the operators, and the mean of two values spelled as a sum
//     divided by two;
//   - Constant and Identity nodes, and Dropout outside training, which leave no trace.
//
// Another output of a node behind its first must be read by nothing: the mask of Dropout, the
// indices of MaxPool. Operator sets of other domains may be imported, if no node is of them.
//
// A Gemm weight that is not stored transposed is transposed; where Gemm scales, or multiplies
// values or adds something else than a vector, it becomes several nodes. The epsilon of a
// BatchNormalization, a float32 in the file, becomes the float64 with the same shortest
// decimal form: 1e-5. A graph without a name comes back as "graph"; the axis of a scalar
// scale, which means nothing, as 0. Values that nodes and outputs declare are checked
// against what the network gives; intermediate descriptions are not read.
//
// Of the ONNX project's 1030 conformance tests with tensors that NumPy has, 471 are computed
// as they say, in package infer and in verify/reference; the others are refused as unsupported:
// operators, types and opsets beside these, and weights or axes that are inputs.
//
// # Limits
//
// Whatever else a model may contain is an error that wraps [ErrUnsupported] and names the
// node: other operators, attribute values and element types, operator sets of other
// domains, control flow, functions, sparse tensors, tensors in other files, values that are
// not tensors. Models above 2 GiB are refused, because protocol buffers end there.
//
// Files may come from anyone. Every length is checked against the data before it is used,
// nothing recurses, and the numbers of nodes (65536), values (131072), outputs (1024),
// operands of a node (1024), attributes of a node (64) and axes (8) are bounded, so that memory and time are
// proportional to the file's size. Elements stored as bytes are not copied. More than that,
// and a network that exceeds what package graph allows, is an error that wraps
// [graph.ErrTooLarge]; an error that wraps [ErrFormat] says that the file breaks ONNX's own rules.
//
// # Stability
//
// Operators and fields are added with minor versions. What changes beyond that, the changelog says.
package onnx
