package onnx

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/repvit-go/repvit/graph"
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
	if err := checkOpset(int64(o.Opset), MinOpset, MaxOpset); err != nil {
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
	f := e.frame(o)
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

// frame encodes everything except the elements. Messages are divided where the weights
// stand, in the order of the field numbers: the parts of a message, one after the other,
// are the message.
func (e *encoder) frame(o Options) *frame {
	name := e.g.Name
	if name == "" {
		name = "graph" // the specification wants one
	}
	model := appendInteger(nil, modelIRVersion, irVersions[o.Opset-MinOpset])
	model = appendString(model, modelProducerName, Producer)
	model = appendString(model, modelProducerVersion, o.ProducerVersion)

	nodes := appendString(e.nodes, graphName, name)

	opset := appendString(nil, opsetDomain, "")
	opset = appendInteger(opset, opsetVersion, int64(o.Opset))
	last := appendMessage(nil, modelOpsetImport, opset)
	metadata := e.metadata()
	for _, k := range slices.Sorted(maps.Keys(metadata)) {
		property := appendString(nil, propertyKey, k)
		property = appendString(property, propertyValue, metadata[k])
		last = appendMessage(last, modelMetadataProps, property)
	}

	f := &frame{weights: e.weights}
	size := len(nodes) + len(e.inputs) + len(e.outputs) + len(e.infos) // of the graph
	for _, v := range e.weights {
		t := tensorHead(v)
		f.tensors = append(f.tensors, t)
		size += len(t) + v.Const.Size()
	}
	model = protowire.AppendTag(model, modelGraph, protowire.BytesType)
	model = protowire.AppendVarint(model, uint64(size))
	f.head, f.tail = [][]byte{model, nodes}, [][]byte{e.inputs, e.outputs, e.infos, last}
	f.size = int64(len(model) + size + len(last))
	return f
}

// metadata is that of the graph, and what the decoder needs to read spelled operators.
func (e *encoder) metadata() map[string]string {
	if len(e.spelled) == 0 {
		return e.g.Metadata
	}
	m := maps.Clone(e.g.Metadata)
	if m == nil {
		m = map[string]string{}
	}
	text, err := json.Marshal(e.spelled)
	if err != nil {
		panic(err) // it consists of texts, and of JSON
	}
	m[metaSpelled] = string(text)
	return m
}

// tensorHead encodes a weight up to its elements, as a field of the graph.
func tensorHead(v *graph.Value) []byte {
	var b []byte
	for _, d := range v.Const.Shape {
		b = appendInteger(b, tensorDims, int64(d))
	}
	b = appendInteger(b, tensorDataType, int64(dataTypes[v.Const.DType]))
	b = appendString(b, tensorName, v.Name)
	b = protowire.AppendTag(b, tensorRawData, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(v.Const.Size()))

	head := protowire.AppendTag(nil, graphInitializer, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(len(b)+v.Const.Size()))
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
		out.Write(v.Const.Bytes())
	}
	for _, b := range f.tail {
		out.Write(b)
	}
	return out.Flush()
}

// checkText refuses a string that other readers of the file would.
func checkText(what, s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: %s %q is not UTF-8", ErrUnsupported, what, s)
	}
	return nil
}
