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
//   - activations are uint8 with one scale and zero point for each value, or with
//     [Options].Symmetric int8 with the zero point 0;
//   - biases are int32 in units of input scale · weight scale;
//   - logits leave the integer sums of the last layer as float32.
//
// A Relu behind a quantized convolution is left to the quantizer, which saturates at zero unless
// it is symmetric.
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
// most, as the sensitivity table finds them, and [Options].Keep those that are named.
//
// # Networks that decide
//
// Of a detector ([graph.RoiAlign]) only what computes the feature maps is quantized, backbone and
// neck, because which boxes are proposed and kept follows from smaller differences than integers
// have; the loss is that of the maps. Of other networks that decide, such as those that give the
// class of each pixel, it is the loss of what they decide about, before it is enlarged.
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
// # What it costs
//
// [Report].Loss is measured on images held out of calibration: a quarter of those given, one
// of every four in a row. They are held out of the ranges and rounding of the network that is
// measured, and come back for those of the network that is returned, so that nothing is lost
// by measuring. Figures from the images that a network was calibrated with grow as they get
// fewer, while the network gets worse. On a RepViT-M0.9 for 100 classes of 64×64 images, with
// the default options (SQNR; 1000 other images are the truth):
//
//	images  on those calibrated with  held out   truth
//	    16                   33.0 dB   17.7 dB  18.8 dB
//	    32                   31.5 dB   27.1 dB  23.5 dB
//	    64                   30.0 dB   22.8 dB  25.2 dB
//	   128                   29.5 dB   29.3 dB  27.1 dB
//	   256                   29.5 dB   29.2 dB  27.9 dB
//
// [Report].Verdict puts it in a word ([Loss.Verdict]): [Good] from 20 dB on, [Noticeable] from
// 10 dB on, [Unusable] below. The levels are where that network's answers go: all scopes and
// estimators above 20 dB keep 98.7 % of its answers and more, those from 9 to 16 dB keep 96.6
// to 98.8 %, and those from −1 dB down keep 27 % and less. A network with random weights, which
// is sure of nothing, keeps 75 to 100 % of its answers between 10 and 30 dB.
//
// Without images there are two estimates, of which the better counts: made-up images other
// than those calibrated with, in the network itself, and in the network matched to the
// statistics of training. On the same network they say 19.2 dB (truth 24.6 dB), in the scope
// All 15.3 dB (18.2 dB), and with the estimator that ruins it −1.1 dB (−4.0 dB). What both call
// unusable is ruined; made-up images alone never make a network [Good].
//
// # Measurements
//
// On the same network, 256 images for calibration and 1000 others for the comparison with the
// float32 network (top-1 90.4 %):
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
//	           entropy, none    7.9 %  −4.0 dB
//
// Symmetric activations with the default estimator have 26.9 dB for 28.1 (pointwise) and 19.4 for 20.6
// (all), where the files were made and measured by the commands; the engine takes the same time for them.
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
//
// # Stability
//
// Operators and fields are added with minor versions. What changes beyond that, the changelog says.
package quant
