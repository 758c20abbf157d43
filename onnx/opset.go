package onnx

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/onnx/internal/onnxpb"
)

// Errors that the package's functions wrap.
var (
	// ErrFormat marks a file that is not a well-formed ONNX model.
	ErrFormat = errors.New("malformed ONNX model")
	// ErrUnsupported marks a model that may be good ONNX, but uses something that
	// package graph or the opset cannot express.
	ErrUnsupported = errors.New("unsupported")
)

// The versions of the standard operator set that the package writes and reads.
const (
	MinOpset     = 13
	MaxOpset     = 21
	DefaultOpset = 17
)

// geluOpset is the first opset that has the Gelu operator.
const geluOpset = 20

// irVersions are the versions of the file format that came with each opset from MinOpset
// on (the ONNX repository's docs/Versioning.md).
var irVersions = [MaxOpset - MinOpset + 1]int64{7, 7, 8, 8, 8, 8, 9, 9, 10}

func checkOpset(n int64) error {
	if n < MinOpset || n > MaxOpset {
		return fmt.Errorf("%w: found opset %d, expected %d to %d", ErrUnsupported, n, MinOpset, MaxOpset)
	}
	return nil
}

// dataTypes maps the element types to ONNX's.
var dataTypes = map[graph.DType]onnxpb.TensorProto_DataType{
	graph.Float32: onnxpb.TensorProto_FLOAT,
	graph.Float64: onnxpb.TensorProto_DOUBLE,
	graph.Float16: onnxpb.TensorProto_FLOAT16,
	graph.Int8:    onnxpb.TensorProto_INT8,
	graph.Uint8:   onnxpb.TensorProto_UINT8,
	graph.Int32:   onnxpb.TensorProto_INT32,
	graph.Int64:   onnxpb.TensorProto_INT64,
}

// dtype returns the element type that an ONNX number stands for.
func dtype(n int64) (graph.DType, error) {
	for d, t := range dataTypes {
		if int64(t) == n {
			return d, nil
		}
	}
	name := "?"
	if n == int64(int32(n)) {
		name = onnxpb.TensorProto_DataType(n).String()
	}
	return 0, fmt.Errorf("%w: element type %d (%s)", ErrUnsupported, n, name)
}

// Producer is the producer_name of the files that Encode writes.
const Producer = "repvit"

// modulePath is the module whose version is stored beside it.
const modulePath = "github.com/repvit-go/repvit"

// producerVersion returns the version of this module in the running binary, or "devel"
// where the binary was built from a working copy.
func producerVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == modulePath && m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "devel"
}
