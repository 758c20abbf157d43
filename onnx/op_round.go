package onnx

import "github.com/repvit-go/repvit/graph"

var roundOperator = operator{
	encode: encodes(plainFloats[graph.Round]),
	decode: decoders{"Round": simple(graph.Round{}, 1)},
}
