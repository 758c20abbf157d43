// Package foreign reads ONNX files with a second decoder, onnx-go
// (github.com/owulveryck/onnx-go), which shares no code with package onnx, and compares
// what both make of a file: nodes, operators, attributes, edges, and every element of
// every initializer. Tests use it, and
// repvit-verify where it is built with the tag foreign: gorgonia.org/tensor, below onnx-go, has
// a licence that restricts commercial profit.
//
// # What is compared
//
// Only onnx-go's decoder is used; nothing is executed. It receives the file's bytes
// without the declared types of inputs, outputs and intermediate values, for each of which
// it would allocate a tensor; those are not compared.
//
// The comparison is for float32 and float64 networks in the operators that package onnx
// writes. GELU may be one operator or its five of opsets before 20. [ErrUnsupported] marks
// everything else: float16 and quantized networks, which onnx-go cannot hold, and
// operators or forms of operators that package onnx rewrites while it reads.
//
// # Limits
//
// Memory and time are proportional to the length of the file. Networks inside attributes
// are refused before onnx-go sees them. A panic of onnx-go or of the packages below it
// comes out as an error.
//
// # Stability
//
// For this project's own tests: it may change or go with any version.
package foreign
