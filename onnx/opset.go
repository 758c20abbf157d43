package onnx

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/repvit-go/repvit/graph"
)

// Errors that the package's functions wrap.
var (
	// ErrFormat marks a file that is not a well-formed ONNX model.
	ErrFormat = errors.New("malformed ONNX model")
	// ErrUnsupported marks a model that may be good ONNX, but uses something that
	// package graph or the opset cannot express. It is that package's error.
	ErrUnsupported = graph.ErrUnsupported
)

// The versions of the standard operator set that the package writes and reads.
const (
	MinOpset     = 13
	MaxOpset     = 21
	DefaultOpset = 17

	MinReadOpset = 6
	MaxReadOpset = 24
)

// irVersions are the versions of the file format that came with each opset from MinOpset
// on (the ONNX repository's docs/Versioning.md).
var irVersions = [MaxOpset - MinOpset + 1]int64{7, 7, 8, 8, 8, 8, 9, 9, 10}

func checkOpset(n, low, high int64) error {
	if n < low || n > high {
		return fmt.Errorf("%w: found opset %d, expected %d to %d", ErrUnsupported, n, low, high)
	}
	return nil
}

// dataTypes maps the element types to ONNX's.
var dataTypes = map[graph.DType]dataType{
	graph.Float32: 1,
	graph.Float64: 11,
	graph.Float16: 10,
	graph.Int8:    3,
	graph.Uint8:   2,
	graph.Int32:   6,
	graph.Int64:   7,
	graph.Bool:    9,
}

// dtype returns the element type that an ONNX number stands for.
func dtype(n int64) (graph.DType, error) {
	for d, t := range dataTypes {
		if int64(t) == n {
			return d, nil
		}
	}
	return 0, fmt.Errorf("%w: element type %d (%v)", ErrUnsupported, n, dataType(n))
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
