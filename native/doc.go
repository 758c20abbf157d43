// Package native reads and writes the project's own model files, which are safetensors files:
// they can be mapped into memory, hold no code, and whatever reads safetensors reads the
// weights.
//
// # Format
//
// A file is, as https://huggingface.co/docs/safetensors says, the header's length N as 8
// bytes, little endian; N bytes of JSON; and the elements of all tensors, little endian,
// row-major. The header maps each tensor's name to
//
//	{"dtype": "F32", "shape": [96, 48, 1, 1], "data_offsets": [0, 18432]}
//
// with offsets from the header's end. Types are F64, F32, F16, I64, I32, I8 and U8. The
// tensors are the weights of the graph under their names. They follow each other without
// holes, larger element types first, else in the order of their first use; blanks behind
// the JSON make the elements begin at a multiple of 64. So every tensor is aligned for
// its type.
//
// The header's "__metadata__" makes the file a model:
//
//	"format"   "repvit"; PyTorch's files say "pt"
//	"version"  "1", or "2" where the network has what version 1 has no form for
//	"graph"    the network, a string of JSON
//
// The network's JSON is
//
//	{
//	  "name": "RepViT-M0.9",
//	  "inputs": [{"name": "input", "dtype": "float32", "shape": ["batch", 3, 224, 224]}],
//	  "nodes": [
//	    {"op": "Conv", "attributes": {"strides": [2, 2], "pads": [1, 1, 1, 1], "group": 1},
//	     "inputs": ["input", "features.0.conv1.weight", "features.0.conv1.bias"], "output": "features.0.conv1"},
//	    {"op": "Gelu", "inputs": ["features.0.conv1"], "output": "features.0.act"}
//	  ],
//	  "outputs": ["logits"],
//	  "metadata": {"repvit.classes": "1000"}
//	}
//
// Operators, their operands and attributes are those of package graph, under the names that
// ONNX gives them; the attribute of Cast is {"to": "float16"}. Conv's "dilations" and
// Softmax's "axis" are left out where they are 1 and the last one. Nodes stand in topological
// order. Operands are names of inputs, of earlier outputs, or of tensors. A size of an
// input's shape is a number, the name of a symbolic size, null where nothing is known, or
// {"symbol": "height", "divisor": 4} for a rounded-up quotient.
//
// Version 2 has nodes with several outputs, {"output": "top.values", "further": ["top.indices"], …},
// and sizes with a factor, {"symbol": "height", "divisor": 1, "factor": 2}. Whatever fits into
// version 1 is written as such.
//
// The same graph gives the same bytes.
//
// # Reading
//
// [Decode] gives a graph whose weights are views of the file. It checks everything before
// use: offsets, overlaps, holes, sizes against shapes, names that are missing, unused or
// there twice, operators, attributes, and that the graph is valid. Files of another version
// are refused with [ErrVersion]: a reader that ignored what it does not know would compute
// something else. Time and memory are proportional to the file's size. The header has at
// most 32 MiB, 131072 tensors, nodes of 1024 operands and 4 KiB of attributes; JSON is nested
// no deeper than what is shown above. Networks are bounded by package graph: 32768 nodes,
// 1024 outputs, 8 axes.
//
// # Stability
//
// Within a major version, programs that use this package go on to compile and mean the same.
// Files of older versions stay readable.
package native
