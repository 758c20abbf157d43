// Package coreml writes networks as Apple's Core ML packages, and reads the packages that it wrote.
//
// # Format
//
// A package is a folder, X.mlpackage, with Manifest.json, which says what the other files are, the
// network as an ML Program in model.mlmodel (a protocol buffer; apple/coremltools, mlmodel/format/Model.proto
// and MIL.proto), and its weights in weight.bin (mlmodel/src/MILBlob/Blob/StorageFormat.hpp). Constants of
// fewer than ten elements are in the program. Manifest.json's identifiers are made from the content: the
// same graph gives the same bytes.
//
// The specification's version is the lowest that the operators need: 6 (iOS 15, macOS 12), 7 (iOS 16, macOS 13) for
// weights of int8, and 8 (iOS 17, macOS 14) for operators on int8.
//
//   - The program computes in the graph's types. Package quant's Half makes a graph of float16, which is what
//     the Neural Engine needs; inputs and outputs stay float32.
//   - Of networks that package quant made int8, weights are int8 (constexpr_affine_dequantize), operands pass
//     quantize and dequantize as in the graph; biases are floats again.
//   - With [Options.Mean] the input is an image, RGB, 0 … 255, which is normalised by a product and a sum for each channel,
//     exactly: (x/255 − mean)/std = x·1/(255·std) − mean/std.
//   - With [Options.Labels] the network is a classifier: its one output, which must be probabilities, becomes
//     classLabel, the most probable class, and classLabel_probs, a dictionary.
//
// Names are the graph's, with other characters than letters, digits and _ replaced; the metadata says what they were.
//
// # What is written
//
// Networks with one input, whose shapes are known, of Conv, Gemm, Gelu, Relu, Sigmoid, Tanh, Exp, Sqrt, Erf, Abs, Floor,
// HardSwish (as a sum, a clipping and two products, which are one operator again when the file is read), HardSigmoid,
// Clip, Add, Sub, Mul, Div, Max and Min of two values, GlobalAveragePool, MaxPool ([graph.MaxPool.Plain]), LayerNorm,
// ArgMax, whose indices are int32 in the file (of equal values Core ML may take any), Flatten, Reshape, Transpose,
// Concat, Softmax, Cast, Resize ([graph.Resize.Plain]), QuantizeLinear and DequantizeLinear. What the format has no form
// for is refused before anything is written.
//
// # Reading
//
// [Decode] reads those operators in those forms; other packages are refused. The graph of a file
// that takes images takes normalised pixels: that the file's numbers are those of its metadata is checked. Time and memory are
// proportional to the files' size.
//
// # Stability
//
// The package is young: names may change with a minor version. Files that a version wrote stay readable.
package coreml
