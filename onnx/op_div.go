package onnx

import "github.com/repvit-go/repvit/graph"

var divOperator = operator{
	encode: encodes(arithmetic[graph.Div]),
	decode: decoders{"Div": broadcasting(graph.Div{})},
}
