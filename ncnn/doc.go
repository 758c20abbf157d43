// Package ncnn writes networks as models of Tencent's ncnn, and reads the files that it wrote.
//
// # Format
//
// A model is two files (Tencent/ncnn, docs/developer-guide/param-and-model-file-structure.md). X.param is
// text: the number 7767517, the numbers of layers and blobs, and a line for each layer with its type, its
// name, the numbers and names of the blobs that it reads and gives, and parameters "key=value". A blob has
// one reader: Split layers copy it for others. X.bin has the weights in the layers' order: a tag (0 for
// float32, 0x01306B47 for float16, 0x000D4B38 for int8), the elements, and zeros up to a multiple of 4;
// biases and scales are float32 without a tag. Weights go from where they are to the file.
//
// The input is in0, C×H×W, normalised as [Normalization] says, which the files do not; outputs are out0, out1, …. Other blobs and all layers have the
// graph's names. What stands behind GlobalAveragePool is a vector: 1×1 convolutions of it are
// InnerProduct. LayerNorm of a map's channels stands between two Permute. A Relu or Sigmoid behind a layer with weights is a part of it. GELU is the exact one; ncnn's
// Vulkan shader computes the approximation by tanh whatever the file says.
//
//   - float32 as it is;
//   - with [Options.Half] weights are float16; ncnn computes in float32 on x86, by default in float16 on ARM;
//   - of networks that package quant made int8, convolutions and fully connected layers whose operand is
//     quantized have int8 weights and a symmetric scale of the operand; everything between is float32. Where a
//     Relu was left to a quantizer that saturates at zero, it is one again.
//
// # What is written
//
// Networks with one input, whose shapes are known, with batch 1, of Conv (of one group, or depthwise), Gemm,
// Gelu, Relu, HardSwish, HardSigmoid, Sigmoid, Add, Mul, GlobalAveragePool, MaxPool ([graph.MaxPool.Plain]), LayerNorm of channels, Flatten of one pixel, Softmax of vectors, Resize ([graph.Resize.Plain]),
// QuantizeLinear and DequantizeLinear. The same graph gives the same bytes.
//
// # Reading
//
// [Decode] reads those layers in those forms; other models are refused. Time and memory are proportional to
// the files' size.
//
// # Stability
//
// The package is young: names may change with a minor version. Files that a version wrote stay readable.
package ncnn
