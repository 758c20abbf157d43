// Package hostilemodels makes small model files that ask for more than their size explains:
// memory, time, or a crash. Each is some hundred bytes of a kind that brought a reader down
// once, or could. Tests run them through everything that takes a model file.
package hostilemodels

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// tensor is a weight of a native file.
type tensor struct {
	name, dtype string
	shape       []int
	data        []byte
}

// f32 returns a float32 weight, filled with its values over and over.
func f32(name string, shape []int, values ...float32) tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if len(values) == 0 {
		values = []float32{0.5}
	}
	b := make([]byte, 0, 4*n)
	for i := range n {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(values[i%len(values)]))
	}
	return tensor{name, "F32", shape, b}
}

// bytes returns a weight of another type with the bytes given.
func bytes(name, dtype string, shape []int, data ...byte) tensor {
	return tensor{name, dtype, shape, data}
}

// network is the JSON of a native file's graph.
type network struct {
	inputs, nodes, outputs []string
	metadata               map[string]string
}

// input adds an input with a JSON shape.
func (n network) input(name, dtype, shape string) network {
	n.inputs = append(n.inputs, fmt.Sprintf(`{"name":%q,"dtype":%q,"shape":%s}`, name, dtype, shape))
	return n
}

// images adds the usual input.
func images(channels int) network {
	return network{}.input("x", "float32", fmt.Sprintf(`["n",%d,"h","w"]`, channels))
}

// fixed adds an input of the sizes given.
func fixed(sizes ...int) network {
	return network{}.input("x", "float32", array(sizes))
}

func array(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// node adds a node from "output = Op(inputs)"; attributes are JSON or empty.
func (n network) node(text, attributes string) network {
	output, rest, _ := strings.Cut(text, " = ")
	op, list, _ := strings.Cut(strings.TrimSuffix(rest, ")"), "(")
	if attributes != "" {
		attributes = `"attributes":` + attributes + `,`
	}
	n.nodes = append(n.nodes, fmt.Sprintf(`{"op":%q,%s"inputs":%s,"output":%s}`, op, attributes, array(strings.Split(list, ", ")), array(output)))
	return n
}

func (n network) out(names ...string) network {
	n.outputs = append(n.outputs, names...)
	return n
}

// native returns the file.
func (n network) native(tensors ...tensor) []byte {
	graph := fmt.Sprintf(`{"name":"g","inputs":[%s],"nodes":[%s],"outputs":%s`, strings.Join(n.inputs, ","), strings.Join(n.nodes, ","), array(append([]string{}, n.outputs...)))
	if n.metadata != nil {
		graph += `,"metadata":` + array(n.metadata)
	}
	header := `{"__metadata__":` + array(map[string]string{"format": "repvit", "version": "1", "graph": graph + "}"})
	var body []byte
	for _, t := range tensors {
		header += fmt.Sprintf(`,%s:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, array(t.name), t.dtype, array(append([]int{}, t.shape...)), len(body), len(body)+len(t.data))
		body = append(body, t.data...)
	}
	header += "}"
	header += strings.Repeat(" ", -len(header)&7)
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), body...)
}

// conv are the attributes of a Conv.
func conv(stride, pad, group int) string {
	return fmt.Sprintf(`{"strides":[%d,%d],"pads":[%d,%d,%d,%d],"group":%d}`, stride, stride, pad, pad, pad, pad, group)
}

// message appends fields to a protocol buffer message: a number and its value each.
func message(fields ...any) []byte {
	var b []byte
	for i := 0; i < len(fields); i += 2 {
		number := protowire.Number(fields[i].(int))
		switch v := fields[i+1].(type) {
		case int:
			b = protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), uint64(v))
		case string:
			b = protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), v)
		case []byte:
			b = protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), v)
		case [][]byte:
			for _, m := range v {
				b = protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), m)
			}
		default:
			panic(fmt.Sprintf("a field of %T", v))
		}
	}
	return b
}

// onnxFile is an ONNX model of opset 17.
type onnxFile struct {
	opset                 int // 17 where it is 0
	nodes, inits, in, out [][]byte
}

// value describes an input or output; a size is a number or a name.
func value(name string, elem int, sizes ...any) []byte {
	var shape [][]byte
	for _, s := range sizes {
		if n, ok := s.(int); ok {
			shape = append(shape, message(1, n))
		} else {
			shape = append(shape, message(2, s))
		}
	}
	return message(1, name, 2, message(1, message(1, elem, 2, message(1, shape))))
}

// node adds a node from "output = Op(inputs)" with encoded attributes.
func (o onnxFile) node(text string, attributes ...[]byte) onnxFile {
	output, rest, _ := strings.Cut(text, " = ")
	op, list, _ := strings.Cut(strings.TrimSuffix(rest, ")"), "(")
	var inputs [][]byte
	for _, s := range strings.Split(list, ", ") {
		inputs = append(inputs, []byte(s))
	}
	o.nodes = append(o.nodes, message(1, inputs, 2, output, 4, op, 5, attributes))
	return o
}

// integers is an attribute of type INTS.
func integers(name string, v ...int) []byte {
	b := message(1, name, 20, 7)
	for _, n := range v {
		b = append(b, message(8, n)...)
	}
	return b
}

// integer is an attribute of type INT.
func integer(name string, v int) []byte { return message(1, name, 3, v, 20, 2) }

// init adds a float32 initializer with raw data.
func (o onnxFile) init(name string, dims []int, data []byte) onnxFile {
	var b []byte
	for _, d := range dims {
		b = append(b, message(1, d)...)
	}
	o.inits = append(o.inits, append(b, message(2, 1, 8, name, 9, data)...))
	return o
}

// file returns the model.
func (o onnxFile) file() []byte {
	if o.opset == 0 {
		o.opset = 17
	}
	return message(1, 8, 7, message(1, o.nodes, 2, "g", 5, o.inits, 11, o.in, 12, o.out), 8, message(1, "", 2, o.opset))
}
