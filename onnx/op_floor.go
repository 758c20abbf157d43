package onnx

import "github.com/repvit-go/repvit/graph"

var floorOperator = operator{
	encode: encodes(plainFloats[graph.Floor]),
	decode: decoders{"Floor": simple(graph.Floor{}, 1)},
}
