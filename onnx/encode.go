package onnx

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/onnx/internal/onnxpb"
)

// Options say how a graph is written.
type Options struct {
	// Opset is the version of the operator set, MinOpset to MaxOpset; 0 is DefaultOpset.
	Opset int
	// ProducerVersion is stored beside the producer's name. Where it is empty it is the
	// version of this module in the running binary.
	ProducerVersion string
}

// maxModel is the size that a protocol buffer message can have.
const maxModel = math.MaxInt32

// Encode writes g as an ONNX model. The weights go from the graph's tensors to w directly,
// so the memory needed does not depend on their size. Same graph and options, same bytes.
//
// Small writes are collected: w need not be buffered, and where it is a *bufio.Writer it is
// flushed at the end.
//
// The error wraps [graph.ErrGraph] or [graph.ErrShape] where g is not valid,
// [ErrUnsupported] where the opset cannot express it, or is one of w's. Nothing is written
// before the whole graph has been translated.
func Encode(w io.Writer, g *graph.Graph, o Options) error {
	if o.Opset == 0 {
		o.Opset = DefaultOpset
	}
	if err := checkOpset(int64(o.Opset)); err != nil {
		return err
	}
	if o.ProducerVersion == "" {
		o.ProducerVersion = producerVersion()
	}
	types, err := g.Types()
	if err != nil {
		return err
	}
	e, err := translate(g, types, o.Opset)
	if err != nil {
		return err
	}
	f, err := e.frame(o)
	if err != nil {
		return err
	}
	if f.size > maxModel {
		return fmt.Errorf("%w: a model of %d bytes, ONNX files hold at most %d", ErrUnsupported, f.size, maxModel)
	}
	return f.write(w)
}

// frame is an encoded model without the elements of its weights.
type frame struct {
	head    [][]byte // of the model, up to and with the nodes of its graph
	tensors [][]byte // what stands before each weight's elements
	weights []*graph.Value
	tail    [][]byte // of the graph, then of the model
	size    int64
}

// Field numbers of the messages that are written by hand.
const (
	modelGraph       = 7
	graphInitializer = 5
	tensorDims       = 1
	tensorDataType   = 2
	tensorName       = 8
	tensorRawData    = 9
)

// frame encodes everything except the elements. Messages are divided where the weights
// stand, in the order of the field numbers: the parts of a message, one after the other,
// are the message.
func (e *encoder) frame(o Options) (*frame, error) {
	name := e.g.Name
	if name == "" {
		name = "graph" // the specification wants one
	}
	parts := []proto.Message{
		&onnxpb.ModelProto{
			IrVersion:       proto.Int64(irVersions[o.Opset-MinOpset]),
			ProducerName:    proto.String(Producer),
			ProducerVersion: proto.String(o.ProducerVersion),
		},
		&onnxpb.GraphProto{Node: e.nodes, Name: proto.String(name)},
		&onnxpb.GraphProto{Input: e.inputs, Output: e.outputs, ValueInfo: e.infos},
		&onnxpb.ModelProto{
			OpsetImport:   []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(int64(o.Opset))}},
			MetadataProps: properties(e.g.Metadata),
		},
	}
	var b [4][]byte
	for i, m := range parts {
		var err error
		if b[i], err = (proto.MarshalOptions{Deterministic: true}).Marshal(m); err != nil {
			return nil, err
		}
	}
	f := &frame{weights: e.weights}
	size := int64(len(b[1]) + len(b[2])) // of the graph
	for _, v := range e.weights {
		t := tensorHead(v)
		f.tensors = append(f.tensors, t)
		size += int64(len(t)) + int64(v.Const.Size())
	}
	b[0] = protowire.AppendTag(b[0], modelGraph, protowire.BytesType)
	b[0] = protowire.AppendVarint(b[0], uint64(size))
	size += int64(len(b[0]) + len(b[3]))
	f.head, f.tail = b[:2], b[2:]
	f.size = size
	return f, nil
}

// tensorHead encodes a weight up to its elements, as a field of the graph.
func tensorHead(v *graph.Value) []byte {
	var b []byte
	for _, d := range v.Const.Shape {
		b = protowire.AppendTag(b, tensorDims, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(d))
	}
	b = protowire.AppendTag(b, tensorDataType, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(dataTypes[v.Const.DType]))
	b = protowire.AppendTag(b, tensorName, protowire.BytesType)
	b = protowire.AppendString(b, v.Name)
	b = protowire.AppendTag(b, tensorRawData, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(v.Const.Size()))

	head := protowire.AppendTag(nil, graphInitializer, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(len(b))+uint64(v.Const.Size()))
	return append(head, b...)
}

func (f *frame) write(w io.Writer) error {
	out := bufio.NewWriter(w)
	// A bufio.Writer keeps its first error and returns it from Flush.
	for _, b := range f.head {
		out.Write(b)
	}
	for i, v := range f.weights {
		out.Write(f.tensors[i])
		v.Const.WriteTo(out)
	}
	for _, b := range f.tail {
		out.Write(b)
	}
	return out.Flush()
}

// properties returns metadata in the order of its keys.
func properties(m map[string]string) []*onnxpb.StringStringEntryProto {
	var r []*onnxpb.StringStringEntryProto
	for _, k := range slices.Sorted(maps.Keys(m)) {
		r = append(r, &onnxpb.StringStringEntryProto{Key: proto.String(k), Value: proto.String(m[k])})
	}
	return r
}

// checkText refuses a string that other readers of the file would.
func checkText(what, s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: %s %q is not UTF-8", ErrUnsupported, what, s)
	}
	return nil
}
