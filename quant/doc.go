// Package quant makes networks smaller and faster by giving up precision: [Quantize] to
// 8-bit integers, [Half] to float16.
//
// # Int8
//
// Quantize turns a float32 graph whose BatchNorms have been folded into one whose
// convolutions and other operators stand between QuantizeLinear and DequantizeLinear (QDQ),
// the form that ONNX Runtime and package infer fuse into integer kernels:
//
//   - weights are symmetric int8, −127 … 127, with a scale for each output channel;
//   - activations are uint8 with one scale and zero point for each value;
//   - biases are int32 in units of input scale · weight scale;
//   - logits leave the integer sums of the last layer as float32.
//
// A Relu behind a quantized convolution is left to the quantizer, which saturates at zero.
// Flatten shares its operand's scale.
//
// Value names: a value that a float32 operator produces keeps its name, and integer
// operators read "name.dequantized". One that an integer operator produces bears its name
// after QuantizeLinear and DequantizeLinear; before them it is "name.raw". The integers are
// "name.int8" in either case. A value whose channels were equalized is "name.equalized". The
// same name is the same activation in both graphs.
//
// # Scopes
//
// A RepViT that has been fused has no skip connection around its token mixer: what is
// rounded on the way from block to block stays rounded. [Pointwise] therefore keeps the
// residual stream, depthwise convolutions and squeeze-and-excitation in float32, and runs
// the 1×1 convolutions in int8, which are 96 % of the work. [All] is for targets that have
// integers only. In between, [Options].KeepFloat leaves the layers in float32 that cost the
// most, as the sensitivity table finds them.
//
// # How accuracy is kept
//
//   - Channels are equalized: in each block, everything between the token mixer's
//     convolution and the next one's is linear in each channel, so that channels can be
//     scaled to have ranges closer to each other, exactly. Scales do not pass GELU.
//   - Ranges come from histograms of all calibration values ([Method]).
//   - Scales of weights make each output channel's error least, input channels weighted by
//     their power.
//   - Weights of 1×1 convolutions and fully connected layers are rounded one input channel
//     after the other, the rest making up for the error (GPTQ, arXiv 2210.17323), against
//     the layer's quantized input.
//   - Biases are corrected for what rounding the weights adds to the mean of each output.
//
// Without calibration inputs, images with the spectrum of natural ones are made up, and the
// training form's BatchNorms tell what they should cause: its statistics are replaced,
// layer by layer, by those of the made-up images, so that every normalised activation has
// the mean and deviation that it had in training; the ranges are those of that network. A
// checkpoint without BatchNorms is calibrated on the made-up images as they are, which
// costs more ([FromNoise]).
//
// Measured on a RepViT-M0.9 for 100 classes of 64×64 images, 256 images for calibration and
// 1000 others for the comparison with the float32 network (top-1 90.4 %):
//
//	scope      estimator   same top-1  SQNR
//	pointwise  mse             99.2 %  27.9 dB
//	           minmax          99.6 %  27.2 dB
//	           percentile      99.5 %  25.1 dB
//	           entropy         98.4 %  12.7 dB
//	           mse, no images  99.6 %  24.6 dB
//	all        mse             98.7 %  20.5 dB
//	           minmax          98.9 %  20.0 dB
//	           percentile      99.1 %  19.7 dB
//	           entropy         97.9 %  10.9 dB
//	           mse, no images  98.8 %  18.2 dB
//
// # Processors
//
// The weights use all of int8. Instructions for uint8 × int8 without VNNI add pairs of
// products in 16 bits and can saturate there. Package infer never does: its AVX2 kernels
// widen first. ONNX Runtime on x86 processors without VNNI is exact with the session option
// session.x64quantprecision = 1. Seven-bit weights would be safe everywhere but cost 6 dB
// of the weights' precision on all processors, and uint8 weights run 1.5 times slower in
// ONNX Runtime with VNNI (measured), so neither is used.
//
// # Reproducibility, limits and errors
//
// The same graph and inputs give the same bytes for any number of threads. Calibration
// data is streamed in batches; what is kept are histograms and some rows of each layer's
// input, about 100 MB for RepViT-M0.9. Errors wrap [ErrNothing], [ErrCalibration],
// [ErrOption] or an error of package graph or infer, or are that of the context.
package quant
