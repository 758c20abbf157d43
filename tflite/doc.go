// Package tflite writes networks as TensorFlow Lite (LiteRT) models, and reads the files that it wrote.
//
// # Format
//
// A file is a flatbuffer with the identifier TFL3, of schema version 3 (google-ai-edge/LiteRT,
// tflite/converter/schema/schema.fbs): one subgraph, one signature "serving_default" with the
// graph's names of input and outputs, and every constant in a buffer at a multiple of 16. Offsets
// point forwards, and buffers stand last: weights go from where they are to the file. Weights of one
// pixel are not copied at all, others have their axes permuted.
//
// Activations are channels last, 1×H×W×C; the weight of a convolution is M×H×W×C, of a depthwise
// one 1×H×W×C, of a fully connected layer M×K. Padding that SAME does not compute is a PAD, which
// runtimes fold into the convolution. GELU is the exact one, an operator since TensorFlow 2.9.
//
//   - float32 as it is;
//   - with [Options.Half] weights and biases are float16 constants behind DEQUANTIZE, TensorFlow's own
//     scheme: the computation is float32 on a CPU, float16 on a GPU;
//   - QuantizeLinear and DequantizeLinear, as package quant writes them, become int8 operators where all
//     operands and the result are quantized, weights symmetric per channel, activations with their
//     zero point less 128; QUANTIZE and DEQUANTIZE stand between them and float32 operators. A layer
//     without quantized result, as that of logits, is float32. Sigmoid is of int8 only with the
//     scale 1/256 that the runtime prescribes.
//
// With [Options.Integers] the input and the outputs are int8 as well, with their scale and zero point, and a network that has a float
// anywhere between is refused. In the graph that is read they are float32 still, with QuantizeLinear behind the input and
// DequantizeLinear before the outputs.
//
// Operators that TensorFlow Lite does not have are spelled as several, which are one again when the file is read:
// HardSigmoid as Keras has it, min(max(x + 3, 0), 6)·1/6, in float32, or in integers where its result has the scale 1/255; LayerNorm of channels, in float32. The indices of ArgMax
// are int32, and their axis is not there: 1×H×W.
//
// The metadata entry "repvit" holds the graph's name and metadata as JSON; TFLITE_METADATA says what task
// libraries (MediaPipe's, Android's) read: normalisation of pixels 0 … 255, and the names of classes in
// labels.txt, in a zip archive behind the model.
//
// # What is written
//
// Networks with one input, whose shapes are known, with batch 1, of Conv (of one group, or depthwise), Gemm,
// Gelu, Relu, HardSwish, HardSigmoid, Sigmoid, Add, Mul, GlobalAveragePool, MaxPool ([graph.MaxPool.Plain], without padding or with that of
// SAME), LayerNorm and ArgMax of channels, Cast of ArgMax, Flatten of one pixel, Softmax of vectors, Resize ([graph.Resize.Plain]), QuantizeLinear and DequantizeLinear. The same graph gives the same bytes.
//
// # Reading
//
// [Decode] reads those operators in those forms; other models are refused. It checks every offset and size
// before use; time and memory are proportional to the file's size.
//
// # Stability
//
// The package is young: names may change with a minor version. Files that a version wrote stay readable.
package tflite
