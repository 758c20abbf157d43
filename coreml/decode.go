package coreml

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/repvit-go/repvit/graph"
)

// Decode reads a package that [Encode] wrote, of its three files. Weights are views of weights where they
// are aligned, which must not change while the graph is in use. The error wraps
// [ErrFormat] where the files break the format, [ErrUnsupported] where they are a model of another kind, and [graph.ErrTooLarge].
func Decode(manifest, model, weights []byte) (*graph.Graph, error) {
	if err := checkManifest(manifest); err != nil {
		return nil, err
	}
	if len(model) > maxModel {
		return nil, fmt.Errorf("%w: a program of %d bytes, expected at most %d", graph.ErrTooLarge, len(model), maxModel)
	}
	d := &decoder{weights: weights, blobs: map[int]blob{}, g: &graph.Graph{}, values: map[string]*graph.Value{}, texts: map[string]string{}, dims: map[*graph.Value]int{}, declared: map[*graph.Value]declared{}, names: map[string]string{}}
	err := d.index()
	if err == nil {
		err = d.model(model)
	}
	if err == nil {
		err = d.finish()
	}
	if errors.Is(err, graph.ErrGraph) || errors.Is(err, graph.ErrShape) {
		err = fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err != nil {
		return nil, err
	}
	return d.g, nil
}

func checkManifest(b []byte) error {
	if len(b) > 1<<16 {
		return fmt.Errorf("%w: a manifest of %d bytes", graph.ErrTooLarge, len(b))
	}
	var m struct {
		Version string                           `json:"fileFormatVersion"`
		Root    string                           `json:"rootModelIdentifier"`
		Items   map[string]struct{ Path string } `json:"itemInfoEntries"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("%w: Manifest.json: %w", ErrFormat, err)
	}
	if m.Version != "1.0.0" {
		return fmt.Errorf("%w: Manifest.json: version %q, expected 1.0.0", ErrUnsupported, clip(m.Version))
	}
	if got := m.Items[m.Root].Path; got != author+"/"+modelFile {
		return fmt.Errorf("%w: Manifest.json: the program is %q, expected %s/%s", ErrUnsupported, clip(got), author, modelFile)
	}
	return nil
}

func clip(s string) string { return s[:min(len(s), 60)] }

// declared is the type that the file says of a value.
type declared struct {
	dtype graph.DType
	dims  []int
}

type decoder struct {
	weights []byte
	blobs   map[int]blob // by where their description begins
	g       *graph.Graph
	values  map[string]*graph.Value
	texts   map[string]string // constants that are text
	dims    map[*graph.Value]int
	names   map[string]string // what names were

	declared      map[*graph.Value]declared
	order         []*graph.Value // those that have been declared
	outputs       []string
	features      []feature // outputs, as the description has them
	image         bool
	normalization normalization
	input         feature
}

// index finds the constants of the file of weights.
func (d *decoder) index() error {
	b := d.weights
	if len(b) < 64 || binary.LittleEndian.Uint32(b[4:]) != blobsVersion {
		return fmt.Errorf("%w: weights of %d bytes without a header of version %d", ErrFormat, len(b), blobsVersion)
	}
	count := int(binary.LittleEndian.Uint32(b))
	at := 64
	for i := range count {
		if at > len(b)-64 {
			return fmt.Errorf("%w: weights: %d constants are announced, the file of %d bytes ends after %d", ErrFormat, count, len(b), i)
		}
		m := b[at:][:64]
		size, offset := binary.LittleEndian.Uint64(m[8:]), binary.LittleEndian.Uint64(m[16:])
		if binary.LittleEndian.Uint32(m) != blobSentinel || offset != uint64(at+64) || size > uint64(len(b)-at-64) {
			return fmt.Errorf("%w: weights: the description at %d says %d bytes at %d, in a file of %d", ErrFormat, at, size, offset, len(b))
		}
		d.blobs[at] = blob{binary.LittleEndian.Uint32(m[4:]), b[at+64:][:size]}
		at += 64 + padded(int(size))
	}
	if at-len(b) >= 64 || at < len(b) {
		return fmt.Errorf("%w: weights: %d bytes, expected %d", ErrFormat, len(b), at)
	}
	return nil
}

// feature is an input or output as the description has it.
type feature struct {
	name  string
	kind  protowire.Number
	dims  []int
	dtype int
}

func (d *decoder) model(b []byte) error {
	var version int
	var program []byte
	err := each(b, "model", func(f field) (err error) {
		switch f.number {
		case modelVersion:
			version, err = f.int("model")
		case modelDescription:
			var m []byte
			if m, err = f.message("model"); err == nil {
				err = d.description(m)
			}
		case modelProgram:
			program, err = f.message("model")
		default:
			err = unknown("model", f)
		}
		return err
	})
	if err != nil {
		return err
	}
	if version < 6 || version > versionInt8 || program == nil {
		return fmt.Errorf("%w: specification version %d, expected an ML Program of 6 to %d", ErrUnsupported, version, versionInt8)
	}
	return each(program, "program", func(f field) error {
		switch f.number {
		case programVersion:
			return nil
		case programFunctions:
			name, function, err := f.entry("program")
			if err != nil {
				return err
			}
			if name != "main" || len(d.g.Inputs) > 0 {
				return fmt.Errorf("%w: function %q, expected main alone", ErrUnsupported, clip(name))
			}
			return d.function(function)
		}
		return unknown("program", f)
	})
}

func (d *decoder) description(b []byte) error {
	return each(b, "description", func(f field) error {
		switch f.number {
		case descriptionInput, descriptionOutput:
			m, err := f.message("description")
			if err != nil {
				return err
			}
			v, err := readFeature(m)
			if err != nil {
				return err
			}
			if f.number == descriptionOutput {
				if len(d.features) == 64 {
					return fmt.Errorf("%w: more than 64 outputs", graph.ErrTooLarge)
				}
				d.features = append(d.features, v)
				return nil
			}
			if d.input.name != "" {
				return fmt.Errorf("%w: a second input", ErrUnsupported)
			}
			d.input, d.image = v, v.kind == featureImage
			return nil
		case descriptionLabel, descriptionProbabilities:
			return nil
		case descriptionMetadata:
			m, err := f.message("description")
			if err != nil {
				return err
			}
			return d.metadata(m)
		}
		return unknown("description", f)
	})
}

func readFeature(b []byte) (v feature, err error) {
	err = each(b, "feature", func(f field) (err error) {
		switch f.number {
		case featureName:
			v.name, err = f.text("feature")
		case featureType:
			var m []byte
			if m, err = f.message("feature"); err != nil {
				return err
			}
			return each(m, "feature", func(f field) error {
				v.kind = f.number
				m, err := f.message("feature")
				if err != nil {
					return err
				}
				switch f.number {
				case featureString, featureDictionary:
					return nil
				case featureArray:
					return each(m, "array", func(f field) (err error) {
						switch f.number {
						case arrayShape:
							v.dims, err = f.ints("array", v.dims)
						case arrayType:
							v.dtype, err = f.int("array")
						default:
							err = unknown("array", f)
						}
						return err
					})
				case featureImage:
					var size [4]int
					err := each(m, "image", func(f field) (err error) {
						if f.number < 1 || f.number > 3 {
							return unknown("image", f)
						}
						size[f.number], err = f.int("image")
						return err
					})
					if err == nil && size[imageColors] != colorsRGB {
						err = fmt.Errorf("%w: an image of colour space %d, expected RGB", ErrUnsupported, size[imageColors])
					}
					v.dims, v.dtype = []int{1, 3, size[imageHeight], size[imageWidth]}, arrayTypes[graph.Float32]
					return err
				}
				return unknown("feature", f)
			})
		default:
			err = unknown("feature", f)
		}
		return err
	})
	return v, err
}

// ints adds packed numbers, or one.
func (f field) ints(what string, to []int) ([]int, error) {
	if f.data == nil {
		n, err := f.int(what)
		return append(to, n), err
	}
	for b := f.data; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return nil, fmt.Errorf("%w: %s: %w", ErrFormat, what, protowire.ParseError(n))
		}
		if s := int64(v); s < math.MinInt32 || s > math.MaxInt32 || len(to) == graph.MaxAxes {
			return nil, fmt.Errorf("%w: %s: more than %d numbers, or one beyond int32", graph.ErrTooLarge, what, graph.MaxAxes)
		}
		to = append(to, int(int64(v)))
		b = b[n:]
	}
	return to, nil
}

func (d *decoder) metadata(b []byte) error {
	d.g.Metadata = map[string]string{}
	err := each(b, "metadata", func(f field) error {
		switch f.number {
		case metadataShort:
			return nil
		case metadataUser:
			key, value, err := f.entry("metadata")
			if err != nil {
				return err
			}
			text, err := field{number: mapValue, data: value}.text("metadata")
			d.g.Metadata[key] = text
			return err
		}
		return unknown("metadata", f)
	})
	if err != nil {
		return err
	}
	d.g.Name = d.g.Metadata[metaName]
	if s, ok := d.g.Metadata[metaNames]; ok {
		if err := json.Unmarshal([]byte(s), &d.names); err != nil {
			return fmt.Errorf("%w: metadata %s: %w", ErrFormat, metaNames, err)
		}
	}
	if s, ok := d.g.Metadata[metaNormalization]; ok {
		if err := json.Unmarshal([]byte(s), &d.normalization); err != nil {
			return fmt.Errorf("%w: metadata %s: %w", ErrFormat, metaNormalization, err)
		}
	}
	for _, key := range []string{metaName, metaNames, metaNormalization} {
		delete(d.g.Metadata, key)
	}
	return nil
}

// readType takes the type of a tensor apart; text has the code alone.
func readType(b []byte) (code int, dims []int, err error) {
	err = each(b, "type", func(f field) error {
		m, err := f.message("type")
		if err != nil {
			return err
		}
		if f.number != typeTensor {
			return nil // lists and dictionaries, of classifiers
		}
		return each(m, "type", func(f field) (err error) {
			switch f.number {
			case tensorTypeData:
				code, err = f.int("type")
			case tensorTypeRank:
			case tensorTypeDimensions:
				var m []byte
				if m, err = f.message("type"); err != nil {
					return err
				}
				n := 0
				err = each(m, "dimension", func(f field) error {
					m, err := f.message("dimension")
					if err != nil || f.number != 1 {
						return fmt.Errorf("%w: a dimension without a size", ErrUnsupported)
					}
					return each(m, "dimension", func(f field) (err error) {
						n, err = f.int("dimension")
						return err
					})
				})
				if len(dims) == graph.MaxAxes {
					return fmt.Errorf("%w: more than %d axes", graph.ErrTooLarge, graph.MaxAxes)
				}
				dims = append(dims, n)
			default:
				err = unknown("type", f)
			}
			return err
		})
	})
	return code, dims, err
}

// namedValue is a name with a type.
type namedValue struct {
	name string
	code int
	dims []int
}

func readNamed(b []byte) (v namedValue, err error) {
	err = each(b, "value", func(f field) (err error) {
		switch f.number {
		case namedName:
			v.name, err = f.text("value")
		case namedType:
			var m []byte
			if m, err = f.message("value"); err == nil {
				v.code, v.dims, err = readType(m)
			}
		default:
			err = unknown("value", f)
		}
		return err
	})
	return v, err
}

func (d *decoder) function(b []byte) error {
	return each(b, "function", func(f field) error {
		switch f.number {
		case functionInputs:
			m, err := f.message("function")
			if err != nil {
				return err
			}
			v, err := readNamed(m)
			if err != nil {
				return err
			}
			if len(d.g.Inputs) > 0 || v.name != d.input.name || v.code != dataTypes[graph.Float32] || !slices.Equal(v.dims, d.input.dims) || d.input.dtype != arrayTypes[graph.Float32] {
				return fmt.Errorf("%w: the program takes %q of shape %v, the description says %q of shape %v, expected one of float32", ErrUnsupported, clip(v.name), v.dims, clip(d.input.name), d.input.dims)
			}
			x := &graph.Value{Name: d.original(v.name), Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(v.dims...)}}
			d.g.Inputs = []*graph.Value{x}
			d.values[v.name], d.dims[x] = x, len(v.dims)
			return nil
		case functionOpset:
			return nil
		case functionBlocks:
			_, block, err := f.entry("function")
			if err != nil {
				return err
			}
			if d.outputs != nil || len(d.g.Inputs) == 0 {
				return fmt.Errorf("%w: a function of several blocks, or without an input", ErrUnsupported)
			}
			return each(block, "block", func(f field) error {
				switch f.number {
				case blockOutputs:
					name, err := f.text("block")
					d.outputs = append(d.outputs, name)
					return err
				case blockOperations:
					m, err := f.message("block")
					if err != nil {
						return err
					}
					return d.operation(m)
				}
				return unknown("block", f)
			})
		}
		return unknown("function", f)
	})
}

// original is what a name was in the graph.
func (d *decoder) original(name string) string {
	if was, ok := d.names[name]; ok {
		return was
	}
	return name
}

// read is an operation of the file.
type read struct {
	d          *decoder
	kind       string
	inputs     map[string][]string
	list       []byte // the one that stands where it is used
	attributes map[string][]byte
	outputs    []namedValue
	err        error
}

func (d *decoder) operation(b []byte) error {
	r := &read{d: d, inputs: map[string][]string{}, attributes: map[string][]byte{}}
	err := each(b, "operation", func(f field) (err error) {
		switch f.number {
		case operationType:
			r.kind, err = f.text("operation")
		case operationInputs:
			var key string
			var m []byte
			if key, m, err = f.entry("operation"); err != nil {
				return err
			}
			if _, ok := r.inputs[key]; ok {
				return fmt.Errorf("%w: parameter %q twice", ErrFormat, clip(key))
			}
			r.inputs[key], err = r.argument(m)
		case operationOutputs:
			var m []byte
			if m, err = f.message("operation"); err != nil {
				return err
			}
			var v namedValue
			v, err = readNamed(m)
			r.outputs = append(r.outputs, v)
		case operationAttributes:
			var key string
			if key, b, err = f.entry("operation"); err == nil {
				r.attributes[key] = b
			}
		default:
			err = unknown("operation", f)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(d.order) > graph.MaxNodes {
		return fmt.Errorf("%w: more than %d operations", graph.ErrTooLarge, graph.MaxNodes)
	}
	f := readers[r.kind]
	if f == nil {
		return fmt.Errorf("%w: operation %q", ErrUnsupported, clip(r.kind))
	}
	if len(r.outputs) == 0 {
		return fmt.Errorf("%w: %s gives nothing", ErrFormat, r.kind)
	}
	delete(r.attributes, "name")
	err = f(d, r)
	if r.err != nil { // the cause
		err = r.err
	}
	if err == nil && len(r.inputs)+len(r.attributes) > 0 {
		err = fmt.Errorf("%w: parameters of another form", ErrUnsupported)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.kind, clip(r.outputs[0].name), err)
	}
	return nil
}

func (r *read) argument(b []byte) (names []string, err error) {
	err = each(b, "argument", func(f field) error {
		m, err := f.message("argument")
		if err != nil || f.number != argumentBindings {
			return unknown("argument", f)
		}
		return each(m, "argument", func(f field) (err error) {
			switch f.number {
			case bindingName:
				var name string
				name, err = f.text("argument")
				names = append(names, name)
			case bindingItem:
				r.list, err = f.message("argument")
			default:
				err = unknown("argument", f)
			}
			return err
		})
	})
	return names, err
}

func (r *read) fail(format string, a ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, a...)
	}
}

func (r *read) has(key string) bool { return len(r.inputs[key]) > 0 }

// values takes the values of a parameter.
func (r *read) values(key string) (all []*graph.Value) {
	for _, name := range r.inputs[key] {
		v := r.d.values[name]
		if v == nil {
			r.fail("%w: parameter %s is %q, which nothing before gives", ErrFormat, key, clip(name))
			return []*graph.Value{{}}
		}
		all = append(all, v)
	}
	delete(r.inputs, key)
	return all
}

// value takes the one value of a parameter.
func (r *read) value(key string) *graph.Value {
	v := r.values(key)
	if len(v) != 1 {
		r.fail("%w: parameter %s has %d values, expected one", ErrFormat, key, len(v))
		return &graph.Value{}
	}
	return v[0]
}

// parameter takes a constant of a type.
func (r *read) parameter(key string, kinds ...graph.DType) *graph.Tensor {
	v := r.value(key)
	if r.err == nil && (v.Const == nil || !slices.Contains(kinds, v.Const.DType)) {
		r.fail("%w: parameter %s is no constant of %v", ErrUnsupported, key, kinds)
	}
	if r.err != nil {
		return graph.Int32Tensor([]int{}, []int32{0})
	}
	return v.Const
}

// ints takes n whole numbers, or any number of them if n is negative.
func (r *read) ints(key string, n int) []int {
	t := r.parameter(key, graph.Int32)
	if len(t.Shape) != 1 || n >= 0 && t.Len() != n || t.Len() > graph.MaxAxes {
		r.fail("%w: parameter %s has the shape %v", ErrFormat, key, t.Shape)
		return make([]int, max(n, 0))
	}
	out := make([]int, t.Len())
	for i, v := range t.Float64s() {
		out[i] = int(v)
	}
	return out
}

func (r *read) int(key string) int { return int(r.scalar(key, graph.Int32)) }

func (r *read) bool(key string) bool { return r.scalar(key, graph.Bool) != 0 }

func (r *read) float(key string) float64 { return r.scalar(key, graph.Float32, graph.Float16) }

func (r *read) scalar(key string, kinds ...graph.DType) float64 {
	t := r.parameter(key, kinds...)
	if len(t.Shape) != 0 {
		r.fail("%w: parameter %s has the shape %v, expected a scalar", ErrFormat, key, t.Shape)
		return 0
	}
	return t.Float64s()[0]
}

// is reports whether a parameter is some text.
func (r *read) is(key, text string) bool {
	names := r.inputs[key]
	return len(names) == 1 && r.d.texts[names[0]] == text
}

// text takes a parameter that must be some text.
func (r *read) text(key, want string) {
	if !r.is(key, want) {
		r.fail("%w: parameter %s is not %q", ErrUnsupported, key, want)
	}
	delete(r.inputs, key)
}

// attribute takes a constant that is an attribute.
func (r *read) attribute(key string) *graph.Tensor {
	b := r.attributes[key]
	delete(r.attributes, key)
	t, _, err := r.d.value(b)
	if err == nil && t == nil {
		err = fmt.Errorf("%w: attribute %s is missing", ErrFormat, key)
	}
	if err != nil {
		r.fail("%w", err)
	}
	return t
}

// define gives a name to a value.
func (d *decoder) define(name string, v *graph.Value) error {
	if _, text := d.texts[name]; text || d.values[name] != nil {
		return fmt.Errorf("%w: a second value", ErrFormat)
	}
	d.values[name] = v
	d.order = append(d.order, v)
	return nil
}

// give adds a node whose output is that of an operation.
func (d *decoder) give(r *read, op graph.Op, in ...*graph.Value) error {
	if r.err != nil {
		return r.err
	}
	if len(r.outputs) != 1 {
		return fmt.Errorf("%w: %d outputs, expected one", ErrFormat, len(r.outputs))
	}
	out := r.outputs[0]
	v := d.g.Add(d.original(out.name), op, in...)
	dtype, ok := dtypeOf(out.code)
	if !ok {
		return fmt.Errorf("%w: data type %d", ErrUnsupported, out.code)
	}
	d.declared[v], d.dims[v] = declared{dtype, out.dims}, len(out.dims)
	return d.define(out.name, v)
}

func dtypeOf(code int) (graph.DType, bool) {
	for d, c := range dataTypes {
		if c == code {
			return d, true
		}
	}
	return 0, false
}

func (d *decoder) constant(r *read) error {
	b, ok := r.attributes["val"]
	if !ok {
		return fmt.Errorf("%w: no value", ErrFormat)
	}
	delete(r.attributes, "val")
	t, texts, err := d.value(b)
	if err != nil {
		return err
	}
	name := r.outputs[0].name
	if t == nil {
		if len(texts) != 1 {
			return fmt.Errorf("%w: %d texts, expected one", ErrUnsupported, len(texts))
		}
		if _, twice := d.texts[name]; twice || d.values[name] != nil {
			return fmt.Errorf("%w: a second value", ErrFormat)
		}
		d.texts[name] = texts[0]
		return nil
	}
	v := graph.Weight(d.original(name), t)
	d.dims[v] = len(t.Shape)
	return d.define(name, v)
}

// value reads a constant: a tensor, or text.
func (d *decoder) value(b []byte) (t *graph.Tensor, texts []string, err error) {
	var code int
	var dims []int
	var immediate, file []byte
	err = each(b, "constant", func(f field) error {
		m, err := f.message("constant")
		if err != nil {
			return err
		}
		switch f.number {
		case valueType:
			code, dims, err = readType(m)
		case valueImmediate:
			immediate = m
		case valueBlob:
			file = m
		default:
			err = unknown("constant", f)
		}
		return err
	})
	if err != nil || b == nil {
		return nil, nil, err
	}
	var data []byte
	var ints []int
	if immediate != nil {
		if data, ints, texts, err = d.immediate(immediate); err != nil || texts != nil {
			return nil, texts, err
		}
	}
	dtype, ok := dtypeOf(code)
	if !ok {
		return nil, nil, fmt.Errorf("%w: a constant of data type %d", ErrUnsupported, code)
	}
	if dims == nil {
		dims = []int{}
	}
	n, err := graph.Numel(dims)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case file != nil:
		if data, err = d.blob(file, dtype); err != nil {
			return nil, nil, err
		}
	case dtype == graph.Int32 || dtype == graph.Bool:
		if len(ints) != n {
			return nil, nil, fmt.Errorf("%w: a constant of shape %v with %d numbers", ErrFormat, dims, len(ints))
		}
		if dtype == graph.Bool {
			values := make([]bool, n)
			for i, v := range ints {
				values[i] = v != 0
			}
			return graph.BoolTensor(dims, values), nil, nil
		}
		values := make([]int32, n)
		for i, v := range ints {
			values[i] = int32(v)
		}
		return graph.Int32Tensor(dims, values), nil, nil
	}
	if len(data) != n*dtype.Size() {
		return nil, nil, fmt.Errorf("%w: a constant of %v and shape %v with %d bytes", ErrFormat, dtype, dims, len(data))
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%uintptr(dtype.Size()) != 0 {
		data = slices.Clone(data)
	}
	t, err = graph.NewTensor(dtype, dims, data)
	return t, nil, err
}

// immediate reads what stands in the program.
func (d *decoder) immediate(b []byte) (data []byte, ints []int, texts []string, err error) {
	err = each(b, "constant", func(f field) error {
		m, err := f.message("constant")
		if err != nil {
			return err
		}
		if f.number != immediateTensor {
			return unknown("constant", f)
		}
		return each(m, "constant", func(f field) error {
			kind := f.number
			m, err := f.message("constant")
			if err != nil {
				return err
			}
			return each(m, "constant", func(f field) (err error) {
				switch kind {
				case tensorFloats, tensorBytes:
					data, err = f.message("constant")
				case tensorInts, tensorBools:
					ints, err = f.ints("constant", ints)
				case tensorStrings:
					var s string
					s, err = f.text("constant")
					texts = append(texts, s)
				default:
					err = unknown("constant", f)
				}
				return err
			})
		})
	})
	return data, ints, texts, err
}

// blob finds a constant of the file of weights.
func (d *decoder) blob(b []byte, dtype graph.DType) ([]byte, error) {
	var name string
	var at int
	err := each(b, "constant", func(f field) (err error) {
		switch f.number {
		case blobFile:
			name, err = f.text("constant")
		case blobOffset:
			at, err = f.int("constant")
		default:
			err = unknown("constant", f)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	v, ok := d.blobs[at]
	if name != weightsPath || !ok || v.kind != blobTypes[dtype] || blobTypes[dtype] == 0 {
		return nil, fmt.Errorf("%w: a constant of %v in %q at %d, which is not there", ErrFormat, dtype, clip(name), at)
	}
	return v.data, nil
}

// classify ends the program of a classifier, whose output is the probabilities.
func (d *decoder) classify(r *read) error {
	v := r.value("probabilities")
	delete(r.inputs, "classes") // the list has been read
	if r.err != nil {
		return r.err
	}
	if r.list == nil || len(r.outputs) != 2 || r.outputs[0].name != classLabel || r.outputs[1].name != classProbabilities {
		return fmt.Errorf("%w: outputs of other names than %s and %s", ErrUnsupported, classLabel, classProbabilities)
	}
	d.g.Outputs = []*graph.Value{v}
	return nil
}

// finish takes the outputs, and holds the graph against what the file says of it.
func (d *decoder) finish() error {
	if len(d.g.Inputs) == 0 {
		return fmt.Errorf("%w: no program", ErrFormat)
	}
	classifier := d.g.Outputs != nil
	if len(d.features) != len(d.outputs) || classifier && len(d.outputs) != 2 {
		return fmt.Errorf("%w: the program gives %d values, the description says %d", ErrFormat, len(d.outputs), len(d.features))
	}
	if !classifier {
		for i, name := range d.outputs {
			v := d.values[name]
			if v == nil || v.Const != nil || d.features[i].name != name || d.features[i].kind != featureArray {
				return fmt.Errorf("%w: output %q, which the description or the program does not have", ErrFormat, clip(name))
			}
			d.g.Outputs = append(d.g.Outputs, v)
		}
	}
	if d.image {
		if err := d.normalised(); err != nil {
			return err
		}
	}
	d.hardSwishes()
	types, err := d.g.Types()
	if err != nil {
		return err
	}
	for _, v := range d.order {
		want, ok := d.declared[v]
		t, known := types[v]
		if !ok || !known {
			continue // a constant, or the image's normalisation
		}
		if dims, _ := t.Shape.Ints(); stored(t.DType) != want.dtype || !slices.Equal(dims, want.dims) {
			return fmt.Errorf("%w: %q is declared %v %v, and is %v %v", ErrFormat, clip(v.Name), want.dtype, want.dims, t.DType, t.Shape)
		}
	}
	return nil
}

// normalised takes the normalisation of an image out of the graph.
func (d *decoder) normalised() error {
	mean, std := d.normalization.Mean, d.normalization.Std
	scale, bias, err := factors(mean, std)
	if err != nil {
		return fmt.Errorf("%w: the input is an image, and the metadata do not say by what it is normalised", ErrUnsupported)
	}
	in := d.g.Inputs[0]
	if len(d.g.Nodes) < 3 || len(d.g.Consumers()[in]) != 1 {
		return fmt.Errorf("%w: an image that is not normalised", ErrUnsupported)
	}
	x := in
	for i, step := range []struct {
		op   graph.Op
		with *graph.Tensor
	}{{graph.Mul{}, scale}, {graph.Add{}, bias}} {
		n := d.g.Nodes[i]
		c := n.Inputs[len(n.Inputs)-1].Const
		if n.Op.Kind() != step.op.Kind() || n.Inputs[0] != x || c == nil || c.DType != graph.Float32 || !slices.Equal(c.Shape, step.with.Shape) || !slices.Equal(c.Float32s(), step.with.Float32s()) {
			return fmt.Errorf("%w: an image that is not normalised by the means %v and deviations %v of the metadata", ErrUnsupported, mean, std)
		}
		x = n.Output
	}
	d.g.Nodes = d.g.Nodes[2:]
	for _, n := range d.g.Nodes {
		for i, v := range n.Inputs {
			if v == x {
				n.Inputs[i] = in
			}
		}
	}
	return nil
}
