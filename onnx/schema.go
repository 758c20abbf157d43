package onnx

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The schema is internal/onnxpb/onnx.proto. Its generated types are what the tests hold this
// package's reading and writing against; the package itself does without them. Programs are
// 2.4 MB smaller for it, and nothing is prepared for messages of any kind before the first
// is written.

// Field numbers of the messages that are written.
const (
	modelIRVersion       = 1
	modelProducerName    = 2
	modelProducerVersion = 3
	modelGraph           = 7
	modelOpsetImport     = 8
	modelMetadataProps   = 14

	opsetDomain  = 1
	opsetVersion = 2

	propertyKey   = 1
	propertyValue = 2

	graphNode        = 1
	graphName        = 2
	graphInitializer = 5
	graphInput       = 11
	graphOutput      = 12
	graphValueInfo   = 13

	nodeInput     = 1
	nodeOutput    = 2
	nodeName      = 3
	nodeOpType    = 4
	nodeAttribute = 5

	attributeName   = 1
	attributeFloat  = 2
	attributeInt    = 3
	attributeString = 4
	attributeInts   = 8
	attributeType   = 20

	tensorDims     = 1
	tensorDataType = 2
	tensorName     = 8
	tensorRawData  = 9

	infoName = 1
	infoType = 2

	typeTensor = 1

	tensorTypeElem  = 1
	tensorTypeShape = 2

	shapeDim = 1

	dimValue = 1
	dimParam = 2
)

// attributeKind is AttributeProto.AttributeType.
type attributeKind int64

const (
	kindFloat  attributeKind = 1
	kindInt    attributeKind = 2
	kindString attributeKind = 3
	kindTensor attributeKind = 4
	kindFloats attributeKind = 6
	kindInts   attributeKind = 7
)

// String returns the schema's name.
func (k attributeKind) String() string {
	switch k {
	case kindFloat:
		return "FLOAT"
	case kindInt:
		return "INT"
	case kindString:
		return "STRING"
	case kindTensor:
		return "TENSOR"
	case kindFloats:
		return "FLOATS"
	case kindInts:
		return "INTS"
	}
	return fmt.Sprint(int64(k))
}

// dataType is TensorProto.DataType.
type dataType int64

// dataTypeNames are the schema's, in the order of their numbers.
var dataTypeNames = []string{"UNDEFINED", "FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "STRING", "BOOL", "FLOAT16", "DOUBLE",
	"UINT32", "UINT64", "COMPLEX64", "COMPLEX128", "BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "UINT4", "INT4"}

// String returns the schema's name.
func (d dataType) String() string {
	if d < 0 || int(d) >= len(dataTypeNames) {
		return fmt.Sprint(int64(d))
	}
	return dataTypeNames[d]
}

// locationDefault is TensorProto.DEFAULT: the elements are in the message.
const locationDefault = 0

func appendString(b []byte, number protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), s)
}

// appendMessage appends an encoded message as a field.
func appendMessage(b []byte, number protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), m)
}

func appendInteger(b []byte, number protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), uint64(v))
}

func appendFloat(b []byte, number protowire.Number, v float32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(b, number, protowire.Fixed32Type), math.Float32bits(v))
}
