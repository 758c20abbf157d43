package tflite

// Numbers of TensorFlow Lite's schema (google-ai-edge/LiteRT, tflite/converter/schema/schema.fbs): the
// slots of tables, and the codes.
const (
	modelVersion, modelCodes, modelSubgraphs, modelDescription, modelBuffers, modelMetadata, modelSignatures = 0, 1, 2, 3, 4, 6, 7

	codeOld, codeVersion, codeNew = 0, 2, 3

	graphTensors, graphInputs, graphOutputs, graphOperators, graphName = 0, 1, 2, 3, 4

	tensorShape, tensorType, tensorBuffer, tensorName, tensorQuantization, tensorVariable, tensorSparsity, tensorHasRank, tensorVariants = 0, 1, 2, 3, 4, 5, 6, 8, 9

	quantScale, quantZero, quantDetails, quantAxis = 2, 3, 4, 6

	opCode, opInputs, opOutputs, opOptionsType, opOptions, opCustom = 0, 1, 2, 3, 4, 5

	bufferData, bufferOffset, bufferSize = 0, 1, 2

	metadataName, metadataBuffer = 0, 1

	signatureInputs, signatureOutputs, signatureKey = 0, 1, 2

	mapName, mapTensor = 0, 1
)

const identifier = "TFL3"

const version = 3 // of the schema

// Types of tensors.
const (
	typeFloat32 = 0
	typeFloat16 = 1
	typeInt32   = 2
	typeInt64   = 4
	typeInt8    = 9
)

// Activation functions that options name.
const (
	activationNone  = 0
	activationRelu6 = 3
)

// Padding of windows.
const (
	paddingSame  = 0
	paddingValid = 1
)

// operator is one of TensorFlow Lite's.
type operator struct {
	name    string
	code    int32
	options uint8 // type of its options, 0 where it has none here
	// Versions of the operator where its operands are float32, and int8: the lowest that have it.
	float, int8 int32
}

var (
	opAdd        = &operator{"ADD", 0, 11, 1, 2}
	opConv       = &operator{"CONV_2D", 3, 1, 1, 3}
	opDepthwise  = &operator{"DEPTHWISE_CONV_2D", 4, 2, 1, 3}
	opDequantize = &operator{"DEQUANTIZE", 6, 38, 3, 2} // of float16 and of int8
	opConnected  = &operator{"FULLY_CONNECTED", 9, 8, 1, 4}
	opLogistic   = &operator{"LOGISTIC", 14, 0, 1, 2}
	opMaxPool    = &operator{"MAX_POOL_2D", 17, 5, 1, 2}
	opMul        = &operator{"MUL", 18, 21, 1, 2}
	opRelu       = &operator{"RELU", 19, 0, 1, 2}
	opReshape    = &operator{"RESHAPE", 22, 17, 1, 1}
	opBilinear   = &operator{"RESIZE_BILINEAR", 23, 15, 1, 2}
	opSoftmax    = &operator{"SOFTMAX", 25, 9, 1, 2}
	opPad        = &operator{"PAD", 34, 22, 1, 2}
	opMean       = &operator{"MEAN", 40, 27, 1, 2}
	opSub        = &operator{"SUB", 41, 28, 1, 2}
	opCast       = &operator{"CAST", 53, 37, 1, 1}
	opArgMax     = &operator{"ARG_MAX", 56, 40, 1, 2}
	opRsqrt      = &operator{"RSQRT", 76, 0, 1, 2}
	opNearest    = &operator{"RESIZE_NEAREST_NEIGHBOR", 97, 74, 1, 2}
	opSquared    = &operator{"SQUARED_DIFFERENCE", 99, 0, 1, 2}
	opQuantize   = &operator{"QUANTIZE", 114, 89, 1, 1}
	opHardSwish  = &operator{"HARD_SWISH", 117, 0, 1, 1}
	opGelu       = &operator{"GELU", 150, 116, 1, 2}
)

// centresVersion is the version of the resizes that know pixels' centres.
const centresVersion = 3

// operators are those that files of this package have.
var operators = []*operator{opAdd, opConv, opDepthwise, opDequantize, opConnected, opLogistic, opMaxPool, opMul, opRelu, opReshape, opBilinear, opSoftmax, opPad, opMean, opSub, opCast, opArgMax, opRsqrt, opNearest, opSquared, opQuantize, opHardSwish, opGelu}

// Slots of options.
const (
	convPadding, convStrideW, convStrideH, convActivation, convDilationW, convDilationH                               = 0, 1, 2, 3, 4, 5
	depthwisePadding, depthwiseStrideW, depthwiseStrideH, depthwiseMultiplier, depthwiseDilationW, depthwiseDilationH = 0, 1, 2, 3, 5, 6

	bilinearCorners, bilinearCentres = 2, 3
	nearestCorners, nearestCentres   = 0, 1

	poolPadding, poolStrideW, poolStrideH, poolW, poolH, poolActivation = 0, 1, 2, 3, 4, 5

	castFrom, castTo = 0, 1

	softmaxBeta  = 0
	argMaxType   = 0
	activation   = 0 // of ADD, SUB and MUL
	reshapeShape = 0
	keepDims     = 0
	approximate  = 0
)

// metadataEntry names this project's own metadata in a file: JSON of the graph's name and metadata.
const metadataEntry = "repvit"
