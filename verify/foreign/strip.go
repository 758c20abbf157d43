package foreign

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of the messages in onnx.proto3.
const (
	modelGraph     = 7
	graphNode      = 1
	graphInput     = 11
	graphOutput    = 12
	graphValueInfo = 13
	nodeAttribute  = 5
	attributeGraph = 6
	attributeMany  = 11 // graphs
	valueName      = 1
)

// strip returns a model without the types of its values, and checks that no attribute
// holds a graph.
func strip(model []byte) ([]byte, error) {
	out := make([]byte, 0, len(model))
	err := fields(model, "model", func(number protowire.Number, raw, body []byte) error {
		if number != modelGraph {
			out = append(out, raw...)
			return nil
		}
		g, err := stripGraph(body)
		out = protowire.AppendTag(out, modelGraph, protowire.BytesType)
		out = protowire.AppendBytes(out, g)
		return err
	})
	return out, err
}

func stripGraph(g []byte) ([]byte, error) {
	out := make([]byte, 0, len(g))
	err := fields(g, "graph", func(number protowire.Number, raw, body []byte) error {
		switch number {
		case graphValueInfo:
			return nil
		case graphInput, graphOutput:
			v, err := stripValue(body)
			out = protowire.AppendTag(out, number, protowire.BytesType)
			out = protowire.AppendBytes(out, v)
			return err
		case graphNode:
			if err := flat(body); err != nil {
				return err
			}
		}
		out = append(out, raw...)
		return nil
	})
	return out, err
}

func stripValue(v []byte) ([]byte, error) {
	var out []byte
	err := fields(v, "value", func(number protowire.Number, raw, _ []byte) error {
		if number == valueName {
			out = append(out, raw...)
		}
		return nil
	})
	return out, err
}

// flat checks that no attribute of a node holds a graph.
func flat(node []byte) error {
	return fields(node, "node", func(number protowire.Number, _, body []byte) error {
		if number != nodeAttribute {
			return nil
		}
		return fields(body, "attribute", func(number protowire.Number, _, _ []byte) error {
			if number == attributeGraph || number == attributeMany {
				return fmt.Errorf("%w: a node with a graph as its attribute", ErrUnsupported)
			}
			return nil
		})
	})
}

// fields calls f with every field of a message: its number, its bytes with their tag, and
// for fields that have a length their content.
func fields(message []byte, what string, f func(number protowire.Number, raw, body []byte) error) error {
	for rest := message; len(rest) > 0; {
		number, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return fmt.Errorf("%w: %s, byte %d: %w", ErrDecode, what, len(message)-len(rest), protowire.ParseError(n))
		}
		size := protowire.ConsumeFieldValue(number, kind, rest[n:])
		if size < 0 {
			return fmt.Errorf("%w: %s, byte %d: %w", ErrDecode, what, len(message)-len(rest), protowire.ParseError(size))
		}
		var body []byte
		if kind == protowire.BytesType {
			body, _ = protowire.ConsumeBytes(rest[n:])
		}
		if err := f(number, rest[:n+size], body); err != nil {
			return err
		}
		rest = rest[n+size:]
	}
	return nil
}
