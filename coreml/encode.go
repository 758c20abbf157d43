package coreml

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/repvit-go/repvit/graph"
)

// Errors that the package's functions wrap, beside those of package graph.
var (
	ErrFormat      = errors.New("malformed Core ML package")
	ErrUnsupported = graph.ErrUnsupported
)

// Options say how a graph is written.
type Options struct {
	// The input is an image, RGB, 0 … 255, of which the program takes mean and divides by std, per channel,
	// in units of 1. Without them the input is N×C×H×W, as the graph has it.
	Mean, Std []float64
	// The network is a classifier of these classes, which must differ from each other.
	Labels []string
}

// Files are the names of a package's files: the manifest, the program, the weights.
func Files(path string) []string {
	data := filepath.Join(path, "Data", author)
	return []string{filepath.Join(path, "Manifest.json"), filepath.Join(data, modelFile), filepath.Join(data, weightsFolder, "weight.bin")}
}

const (
	author        = "com.apple.CoreML"
	modelFile     = "model.mlmodel"
	weightsFolder = "weights"
	weightsPath   = "@model_path/weights/weight.bin"
)

// Keys of the metadata.
const (
	metaNames = "repvit.coreml.names" // what names were, as JSON, where they had to change
	metaName  = "repvit.coreml.graph" // the graph's name
	// By what an image is normalised, as JSON of a normalization.
	metaNormalization = "repvit.coreml.normalization"
)

type normalization struct {
	Mean []float64 `json:"mean"`
	Std  []float64 `json:"std"`
}

// Outputs of classifiers.
const (
	classLabel         = "classLabel"
	classProbabilities = "classLabel_probs"
)

// dataTypes are the codes of types in programs.
var dataTypes = map[graph.DType]int{graph.Bool: 1, graph.Float16: 10, graph.Float32: 11, graph.Int8: 21, graph.Int32: 23, graph.Uint8: 31}

// stored is the type that values of a type have in the file: indices, which are int64 in graphs, are int32.
func stored(d graph.DType) graph.DType {
	if d == graph.Int64 {
		return graph.Int32
	}
	return d
}

const (
	typeText    = 2
	typeFloat64 = 12
)

// typeNames are what types are called as values.
var typeNames = map[graph.DType]string{graph.Float16: "fp16", graph.Float32: "fp32", graph.Int8: "int8", graph.Uint8: "uint8", graph.Int32: "int32"}

// blobTypes are the codes of types in the file of weights.
var blobTypes = map[graph.DType]uint32{graph.Float16: 1, graph.Float32: 2, graph.Uint8: 3, graph.Int8: 4}

// arrayTypes are the codes of types of inputs and outputs.
var arrayTypes = map[graph.DType]int{graph.Float32: 65568, graph.Float16: 65552, graph.Int32: 131104}

// Encode writes g, whose shapes must all be known: the manifest, the program and the weights to the files of
// [Files]. The error wraps [ErrUnsupported] where the format has no form for g or for the options,
// [graph.ErrGraph] or [graph.ErrShape] where g is not valid, or is one of the writers'. Nothing is written
// before the whole graph has been translated.
func Encode(manifest, model, weights io.Writer, g *graph.Graph, o Options) error {
	types, err := g.Types()
	if err != nil {
		return err
	}
	e := &encoder{g: g, options: o, types: types, producers: g.Producers(), names: map[*graph.Value]string{}, used: map[string]bool{classLabel: true, classProbabilities: true}, were: map[string]string{}, version: 6, at: 64}
	program, err := e.model()
	if err != nil {
		return err
	}
	sum := sha256.New()
	sum.Write(program)
	if _, err := model.Write(program); err != nil {
		return err
	}
	if err := e.writeWeights(io.MultiWriter(weights, sum)); err != nil {
		return err
	}
	_, err = manifest.Write(manifestOf(sum.Sum(nil)))
	return err
}

// manifestOf is Manifest.json of a package whose content has a hash.
func manifestOf(sum []byte) []byte {
	item := func(name, description string) map[string]string {
		return map[string]string{"author": author, "name": name, "path": author + "/" + name, "description": description}
	}
	// Version 8 is for numbers that are made in a way of one's own (RFC 9562, section 5.8).
	id := func(part byte) string {
		b := sha256.Sum256(append(slices.Clone(sum), part))
		b[6], b[8] = b[6]&0x0F|0x80, b[8]&0x3F|0x80
		s := strings.ToUpper(hex.EncodeToString(b[:16]))
		return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
	}
	root := id('m')
	b, _ := json.MarshalIndent(map[string]any{
		"fileFormatVersion": "1.0.0", "rootModelIdentifier": root,
		"itemInfoEntries": map[string]any{root: item(modelFile, "CoreML Model Specification"), id('w'): item(weightsFolder, "CoreML Model Weights")},
	}, "", "    ") // strings are always JSON
	return append(b, '\n')
}

// blob is a constant of the file of weights.
type blob struct {
	kind uint32
	data []byte
}

type encoder struct {
	g         *graph.Graph
	options   Options
	types     map[*graph.Value]graph.Type
	producers map[*graph.Value]*graph.Node

	operations []message
	blobs      []blob
	at         int // where in the file of weights the next blob begins
	version    int
	names      map[*graph.Value]string
	used       map[string]bool
	were       map[string]string // names, by what became of them
}

// reserved are words that are no names (coremltools, converters/mil/mil/passes/helper.py and the language's types).
var reserved = map[string]bool{}

func init() {
	for _, w := range strings.Fields("any bool program func tensor list dict tuple true false string bf16 fp16 fp32 fp64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 state") {
		reserved[w] = true
	}
}

// identifier makes a name that nothing has yet.
func (e *encoder) identifier(name string) string {
	b := []byte(name)
	for i, c := range b {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			b[i] = '_'
		}
	}
	s := string(b)
	if s == "" || s[0] >= '0' && s[0] <= '9' || reserved[s] {
		s = "_" + s
	}
	free := s
	for i := 1; e.used[free]; i++ {
		free = fmt.Sprintf("%s_%d", s, i)
	}
	e.used[free] = true
	if free != name {
		e.were[free] = name
	}
	return free
}

// name is the identifier of a value that is computed or given.
func (e *encoder) name(v *graph.Value) string {
	n, ok := e.names[v]
	if !ok {
		n = e.identifier(v.Name)
		e.names[v] = n
	}
	return n
}

// padded is where the next blob can begin.
func padded(n int) int { return (n + 63) / 64 * 64 }

func (e *encoder) writeWeights(w io.Writer) error {
	head := make([]byte, 64)
	binary.LittleEndian.PutUint32(head, uint32(len(e.blobs)))
	binary.LittleEndian.PutUint32(head[4:], blobsVersion)
	at := 64
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, b := range e.blobs {
		meta := binary.LittleEndian.AppendUint32(nil, blobSentinel)
		meta = binary.LittleEndian.AppendUint32(meta, b.kind)
		meta = binary.LittleEndian.AppendUint64(meta, uint64(len(b.data)))
		meta = binary.LittleEndian.AppendUint64(meta, uint64(at+64))
		at += 64 + padded(len(b.data))
		for _, part := range [][]byte{meta, make([]byte, 64-len(meta)), b.data, make([]byte, padded(len(b.data))-len(b.data))} {
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	blobSentinel = 0xDEADBEEF
	blobsVersion = 2
)

// tensorType is the type of a tensor.
func tensorType(code int, shape []int) message {
	t := message(nil).number(tensorTypeData, code)
	if len(shape) > 0 {
		t = t.number(tensorTypeRank, len(shape))
	}
	for _, n := range shape {
		t = t.bytes(tensorTypeDimensions, message(nil).bytes(1, message(nil).number(1, n)))
	}
	return message(nil).bytes(typeTensor, t)
}

func named(name string, t message) message {
	return message(nil).text(namedName, name).bytes(namedType, t)
}

// textValue is a value that is text.
func textValue(s string) message {
	tensor := message(nil).bytes(tensorStrings, message(nil).text(1, s))
	return message(nil).bytes(valueType, tensorType(typeText, nil)).bytes(valueImmediate, message(nil).bytes(immediateTensor, tensor))
}

// inline is how many elements a constant in the program has at most.
const inline = 9

// value is a constant's.
func (e *encoder) value(t *graph.Tensor) (message, error) {
	code, ok := dataTypes[t.DType]
	if !ok {
		return nil, fmt.Errorf("%w: a constant of %v", ErrUnsupported, t.DType)
	}
	m := message(nil).bytes(valueType, tensorType(code, t.Shape))
	kind, large := blobTypes[t.DType]
	if large && t.Len() > inline {
		m = m.bytes(valueBlob, message(nil).text(blobFile, weightsPath).number(blobOffset, e.at))
		e.blobs = append(e.blobs, blob{kind, t.Bytes()})
		e.at += 64 + padded(t.Size())
		return m, nil
	}
	var tensor message
	switch t.DType {
	case graph.Float32:
		tensor = tensor.bytes(tensorFloats, message(nil).bytes(1, t.Bytes()))
	case graph.Int32, graph.Bool:
		var values []int
		for _, v := range t.Float64s() {
			values = append(values, int(v))
		}
		n := protowire.Number(tensorInts)
		if t.DType == graph.Bool {
			n = tensorBools
		}
		tensor = tensor.bytes(n, message(nil).packed(1, values))
	default:
		tensor = tensor.bytes(tensorBytes, message(nil).bytes(1, t.Bytes()))
	}
	return m.bytes(valueImmediate, message(nil).bytes(immediateTensor, tensor)), nil
}

// argument is a parameter of an operation.
type argument struct {
	key    string
	values []string // of computed values and constants
	list   []string // text that is given where it is used
}

// emit adds an operation.
func (e *encoder) emit(kind string, arguments []argument, attributes []attribute, outputs ...message) {
	op := message(nil).text(operationType, kind)
	for _, a := range arguments {
		var m message
		for _, name := range a.values {
			m = m.bytes(argumentBindings, message(nil).text(bindingName, name))
		}
		if a.list != nil {
			var values message
			for _, s := range a.list {
				values = values.bytes(1, textValue(s))
			}
			length := message(nil).bytes(1, message(nil).number(1, len(a.list)))
			t := message(nil).bytes(typeList, message(nil).bytes(listType, tensorType(typeText, nil)).bytes(listLength, length))
			m = m.bytes(argumentBindings, message(nil).bytes(bindingItem, message(nil).bytes(valueType, t).bytes(valueImmediate, message(nil).bytes(immediateList, values))))
		}
		op = op.entry(operationInputs, a.key, m)
	}
	for _, o := range outputs {
		op = op.bytes(operationOutputs, o)
	}
	for _, a := range attributes {
		op = op.entry(operationAttributes, a.key, a.value)
	}
	e.operations = append(e.operations, op)
}

type attribute struct {
	key   string
	value message
}

// constant adds a constant and returns its name.
func (e *encoder) constant(name string, t *graph.Tensor) (string, error) {
	v, err := e.value(t)
	if err != nil {
		return "", err
	}
	return e.constantOf(name, v, tensorType(dataTypes[t.DType], t.Shape)), nil
}

func (e *encoder) constantOf(name string, v, t message) string {
	name = e.identifier(name)
	delete(e.were, name) // of parameters, which have no names in the graph
	e.emit("const", nil, []attribute{{"name", textValue(name)}, {"val", v}}, named(name, t))
	return name
}

// operation collects the parameters of one that gives a value.
type operation struct {
	e         *encoder
	kind      string
	base      string // of the parameters' names
	arguments []argument
	err       error
}

func (e *encoder) operation(kind string, out *graph.Value) *operation {
	return &operation{e: e, kind: kind, base: e.name(out)}
}

// of adds operands that are values.
func (o *operation) of(key string, values ...*graph.Value) *operation {
	var names []string
	for _, v := range values {
		name, err := o.e.operand(v)
		if err != nil && o.err == nil {
			o.err = err
		}
		names = append(names, name)
	}
	o.arguments = append(o.arguments, argument{key: key, values: names})
	return o
}

// operand is the name of a value, which is a constant of the program if it is one of the graph.
func (e *encoder) operand(v *graph.Value) (string, error) {
	if n, ok := e.names[v]; ok {
		return n, nil
	}
	if v.Const == nil {
		return e.name(v), nil
	}
	t := v.Const
	if t.DType.IsFloat() && slices.ContainsFunc(t.Float64s(), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
		return "", fmt.Errorf("%w: constant %q has numbers that are not finite", ErrUnsupported, v.Name)
	}
	m, err := e.value(t)
	if err != nil {
		return "", fmt.Errorf("%q: %w", v.Name, err)
	}
	n := e.name(v)
	e.emit("const", nil, []attribute{{"name", textValue(n)}, {"val", m}}, named(n, tensorType(dataTypes[t.DType], t.Shape)))
	return n, nil
}

// with adds a parameter.
func (o *operation) with(key string, t *graph.Tensor) *operation {
	name, err := o.e.constant(o.base+"_"+key, t)
	if err != nil && o.err == nil {
		o.err = err
	}
	o.arguments = append(o.arguments, argument{key: key, values: []string{name}})
	return o
}

func (o *operation) ints(key string, values ...int) *operation {
	out := make([]int32, len(values))
	for i, v := range values {
		out[i] = int32(v)
	}
	return o.with(key, graph.Int32Tensor([]int{len(out)}, out))
}

func (o *operation) int(key string, v int) *operation {
	return o.with(key, graph.Int32Tensor([]int{}, []int32{int32(v)}))
}

func (o *operation) bool(key string, v bool) *operation {
	return o.with(key, graph.BoolTensor([]int{}, []bool{v}))
}

func (o *operation) text(key, v string) *operation {
	name := o.e.constantOf(o.base+"_"+key, textValue(v), tensorType(typeText, nil))
	o.arguments = append(o.arguments, argument{key: key, values: []string{name}})
	return o
}

// number adds a parameter in a type of floats.
func (o *operation) number(key string, d graph.DType, v float64) *operation {
	t := graph.Float32Tensor([]int{}, []float32{float32(v)})
	if d == graph.Float16 {
		t = t.Half()
	}
	return o.with(key, t)
}

// gives ends the operation, whose result is a value of the graph.
func (o *operation) gives(v *graph.Value) error {
	t := o.e.types[v]
	dims, ok := t.Shape.Ints()
	if code, known := dataTypes[stored(t.DType)]; o.err == nil && (!ok || !known) {
		o.err = fmt.Errorf("%w: %q is of %v and has the shape %v, expected sizes that are known", ErrUnsupported, v.Name, t.DType, t.Shape)
	} else if o.err == nil {
		n := o.e.name(v)
		o.e.emit(o.kind, o.arguments, []attribute{{"name", textValue(n)}}, named(n, tensorType(code, dims)))
	}
	return o.err
}

// between ends an operation whose result is of a shape and type, and no value of the graph, and returns its name.
func (o *operation) between(d graph.DType, dims []int, suffix string) (string, error) {
	n := o.e.identifier(o.base + suffix)
	delete(o.e.were, n)
	o.e.emit(o.kind, o.arguments, []attribute{{"name", textValue(n)}}, named(n, tensorType(dataTypes[d], dims)))
	return n, o.err
}

// named adds an operand by its name in the program.
func (o *operation) named(key, name string) *operation {
	o.arguments = append(o.arguments, argument{key: key, values: []string{name}})
	return o
}

// model is the whole program.
func (e *encoder) model() (message, error) {
	if len(e.g.Inputs) != 1 {
		return nil, fmt.Errorf("%w: a network with %d inputs, expected one", ErrUnsupported, len(e.g.Inputs))
	}
	in := e.g.Inputs[0]
	input, inputFeature, err := e.input(in)
	if err != nil {
		return nil, err
	}
	for _, n := range e.g.Nodes {
		f := writers[n.Op.Kind()]
		if f == nil {
			err = fmt.Errorf("%w operator in Core ML", ErrUnsupported)
		} else {
			err = f(e, n)
		}
		if err != nil {
			return nil, fmt.Errorf("node %q (%s): %w", n.Name(), n.Op.Kind(), err)
		}
	}
	description := message(nil).bytes(descriptionInput, inputFeature)
	outputs, err := e.outputs()
	if err != nil {
		return nil, err
	}
	var block message
	for _, o := range outputs {
		description = description.bytes(descriptionOutput, message(nil).text(featureName, o.name).bytes(featureType, o.feature))
		block = block.text(blockOutputs, o.name)
	}
	if e.options.Labels != nil {
		description = description.text(descriptionLabel, classLabel).text(descriptionProbabilities, classProbabilities)
	}
	metadata, err := e.metadata()
	if err != nil {
		return nil, err
	}
	description = description.bytes(descriptionMetadata, metadata)
	for _, o := range e.operations {
		block = block.bytes(blockOperations, o)
	}
	opset := fmt.Sprintf("CoreML%d", e.version-1)
	function := message(nil).bytes(functionInputs, input).text(functionOpset, opset).entry(functionBlocks, opset, block)
	program := message(nil).number(programVersion, 1).entry(programFunctions, "main", function)
	m := message(nil).number(modelVersion, e.version).bytes(modelDescription, description).bytes(modelProgram, program)
	if len(m) > maxModel {
		return nil, fmt.Errorf("%w: a program of %d bytes, expected at most %d", graph.ErrTooLarge, len(m), maxModel)
	}
	return m, nil
}

// maxModel bounds programs, in bytes.
const maxModel = 16 << 20

// input says what the program takes, in its own words and as a feature.
func (e *encoder) input(in *graph.Value) (program, feature message, err error) {
	dims, ok := in.Type.Shape.Ints()
	if !ok || in.Type.DType != graph.Float32 {
		return nil, nil, fmt.Errorf("%w: an input of %v of shape %v, expected float32 and sizes that are known", ErrUnsupported, in.Type.DType, in.Type.Shape)
	}
	name := e.name(in)
	program = named(name, tensorType(dataTypes[graph.Float32], dims))
	t := message(nil).bytes(featureArray, array(graph.Float32, dims))
	if e.options.Mean != nil {
		scale, bias, err := factors(e.options.Mean, e.options.Std)
		if err != nil {
			return nil, nil, err
		}
		if len(dims) != 4 || dims[0] != 1 || dims[1] != 3 {
			return nil, nil, fmt.Errorf("%w: an image as the input of shape %v, expected 1×3×H×W", ErrUnsupported, dims)
		}
		t = message(nil).bytes(featureImage, message(nil).number(imageWidth, dims[3]).number(imageHeight, dims[2]).number(imageColors, colorsRGB))
		mul := &operation{e: e, kind: "mul", base: name + "_scaled"}
		scaled, err := mul.named("x", name).with("y", scale).between(graph.Float32, dims, "")
		if err != nil {
			return nil, nil, err
		}
		add := &operation{e: e, kind: "add", base: name + "_normalized"}
		if e.names[in], err = add.named("x", scaled).with("y", bias).between(graph.Float32, dims, ""); err != nil {
			return nil, nil, err
		}
	}
	return program, message(nil).text(featureName, name).bytes(featureType, t), nil
}

// factors are by what pixels of 0 … 255 are multiplied, and what is added.
func factors(mean, std []float64) (scale, bias *graph.Tensor, err error) {
	if len(mean) != 3 || len(std) != 3 {
		return nil, nil, fmt.Errorf("%w: means %v and deviations %v, expected three of each", ErrUnsupported, mean, std)
	}
	s, b := make([]float32, 3), make([]float32, 3)
	for i := range s {
		s[i], b[i] = float32(1/(255*std[i])), float32(-mean[i]/std[i])
	}
	shape := []int{1, 3, 1, 1}
	return graph.Float32Tensor(shape, s), graph.Float32Tensor(shape, b), nil
}

func array(d graph.DType, dims []int) message {
	if len(dims) == 0 {
		dims = []int{1}
	}
	return message(nil).packed(arrayShape, dims).number(arrayType, arrayTypes[d])
}

type output struct {
	name    string
	feature message
}

func (e *encoder) outputs() (all []output, err error) {
	if e.options.Labels != nil {
		return e.classify()
	}
	for _, v := range e.g.Outputs {
		t := e.types[v]
		dims, ok := t.Shape.Ints()
		if e.producers[v] == nil || !ok || arrayTypes[stored(t.DType)] == 0 {
			return nil, fmt.Errorf("%w: output %q of %v and of shape %v, expected a computed one of float32 or indices, and sizes that are known", ErrUnsupported, v.Name, t.DType, t.Shape)
		}
		if t.DType == graph.Float16 {
			e.version = max(e.version, 7)
		}
		all = append(all, output{e.names[v], message(nil).bytes(featureArray, array(stored(t.DType), dims))})
	}
	return all, nil
}

// classify adds the operation that names the most probable class.
func (e *encoder) classify() ([]output, error) {
	labels := e.options.Labels
	if i, j := twice(labels); j > 0 {
		return nil, fmt.Errorf("%w: classes %d and %d are both called %q, and a classifier tells them by their names", ErrUnsupported, i, j, labels[i])
	}
	v := e.g.Outputs[0]
	t := e.types[v]
	if dims, ok := t.Shape.Ints(); len(e.g.Outputs) != 1 || !e.g.Probabilities(v) || t.DType != graph.Float32 || !ok || len(dims) != 2 || dims[1] != len(labels) {
		return nil, fmt.Errorf("%w: a classifier of %d classes whose output has the shape %v, expected one output of probabilities of those classes", ErrUnsupported, len(labels), t.Shape)
	}
	label := tensorType(typeText, nil)
	dictionary := message(nil).bytes(typeDictionary, message(nil).bytes(dictionaryKey, label).bytes(dictionaryValue, tensorType(typeFloat64, nil)))
	e.emit("classify", []argument{{key: "probabilities", values: []string{e.names[v]}}, {key: "classes", list: labels}}, []attribute{{"name", textValue("classify")}}, named(classLabel, label), named(classProbabilities, dictionary))
	return []output{
		{classLabel, message(nil).bytes(featureString, nil)},
		{classProbabilities, message(nil).bytes(featureDictionary, message(nil).bytes(dictionaryString, nil))},
	}, nil
}

// twice finds a word that is there twice, or 0, 0.
func twice(words []string) (int, int) {
	at := map[string]int{}
	for j, w := range words {
		if i, ok := at[w]; ok {
			return i, j
		}
		at[w] = j
	}
	return 0, 0
}

// metadata is the graph's, and what is needed to read the file back.
func (e *encoder) metadata() (message, error) {
	m := message(nil).text(metadataShort, strings.ToValidUTF8(e.g.Name, "�"))
	all := map[string]string{metaName: e.g.Name}
	for k, v := range e.g.Metadata {
		all[k] = v
	}
	if len(e.were) > 0 {
		b, err := json.Marshal(e.were)
		if err != nil {
			return nil, err
		}
		all[metaNames] = string(b)
	}
	if e.options.Mean != nil {
		b, err := json.Marshal(normalization{e.options.Mean, e.options.Std})
		if err != nil {
			return nil, err
		}
		all[metaNormalization] = string(b)
	}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		m = m.bytes(metadataUser, message(nil).text(mapKey, k).text(mapValue, all[k]))
	}
	return m, nil
}

// Is reports whether data begins like the manifest of a package.
func Is(data []byte) bool {
	data = data[:min(len(data), 4096)]
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) && bytes.Contains(data, []byte(`"fileFormatVersion"`))
}
