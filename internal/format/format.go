// Package format is the table of the file formats that hold networks. Conversion, loading and
// the engine ask it, so a format is known to all of them by its entry.
package format

import (
	"bytes"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/native"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/safetensors"
	"github.com/repvit-go/repvit/tflite"
)

// Format is a format of files.
type Format struct {
	Name       string
	Extensions []string               // lower case; files are written with the first
	Is         func(data []byte) bool // reports whether data begins like such a file
	// Encode writes a graph and Decode reads one, whose weights may be views of data. A
	// checkpoint has neither: what its tensors mean is for package model to say.
	Encode func(w io.Writer, g *graph.Graph, o Options) error
	Decode func(data []byte) (*Model, error)
	Opset  bool // files state a version of the operator set
	// Fixed: files have one size of input, and batch 1.
	Fixed bool
	// Half: files have weights of float16 themselves, for a graph of float32.
	Half bool
}

// Options say how a graph is written.
type Options struct {
	Opset int // 0 for the default; for formats that have one
	Half  bool
	// What a format has a place for: the names of the classes, and by what pixels of 0 … 1 are
	// normalised, channel by channel.
	Labels    []string
	Mean, Std []float64
}

// Model is what a file holds.
type Model struct {
	Graph           *graph.Graph
	Opset           int    // 0 in formats that have none
	Producer        string // name and version of the program that wrote the file, where it says so
	ProducerVersion string
}

// The formats.
var (
	ONNX = &Format{
		Name: "onnx", Extensions: []string{".onnx"}, Opset: true,
		// Field 1, ir_version, as a varint. The length of a safetensors file's header may
		// begin with the same byte; three zero bytes behind each other are in no ONNX file's
		// beginning.
		Is: func(data []byte) bool { return bytes.HasPrefix(data, []byte{0x08}) && !safetensors.Is(data) },
		Encode: func(w io.Writer, g *graph.Graph, o Options) error {
			return onnx.Encode(w, g, onnx.Options{Opset: o.Opset})
		},
		Decode: func(data []byte) (*Model, error) {
			m, err := onnx.Decode(data)
			return (*Model)(m), err
		},
	}
	Native = &Format{
		Name: "native", Extensions: []string{".safetensors"},
		Is:     native.Is,
		Encode: func(w io.Writer, g *graph.Graph, _ Options) error { return native.Encode(w, g) },
		Decode: func(data []byte) (*Model, error) {
			g, err := native.Decode(data)
			return &Model{Graph: g}, err
		},
	}
	TFLite = &Format{
		Name: "tflite", Extensions: []string{".tflite"}, Fixed: true, Half: true,
		Is: tflite.Is,
		Encode: func(w io.Writer, g *graph.Graph, o Options) error {
			return tflite.Encode(w, g, tflite.Options{Half: o.Half, Labels: o.Labels, Mean: o.Mean, Std: o.Std})
		},
		Decode: func(data []byte) (*Model, error) {
			g, err := tflite.Decode(data)
			return &Model{Graph: g}, err
		},
	}
	// Checkpoint is what package pytorch reads.
	Checkpoint = &Format{
		Name: "checkpoint", Extensions: []string{".pth", ".pt", ".safetensors", ".ckpt", ".bin", ".pkl", ".tar"},
		Is: func(data []byte) bool {
			return bytes.HasPrefix(data, []byte("PK\x03\x04")) ||
				len(data) > 1 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5 || // a pickle
				safetensors.Is(data) && !native.Is(data)
		},
	}
)

// Written are the formats that networks are converted to, the usual one first.
func Written() []*Format { return []*Format{ONNX, Native, TFLite} }

// Names are the names of the formats that networks are converted to.
func Names() (names []string) {
	for _, f := range Written() {
		names = append(names, f.Name)
	}
	return names
}

// Named returns the format with a name that networks are converted to, nil for none.
func Named(name string) *Format {
	for _, f := range Written() {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// For returns the format that a converted network is written in by the name of its file: that
// of the extension, the usual one without an extension, nil for an extension of none.
func For(path string) *Format {
	ext := extension(path)
	if ext == "" || ext == "." {
		return Written()[0]
	}
	for _, f := range Written() {
		if slices.Contains(f.Extensions, ext) {
			return f
		}
	}
	return nil
}

// Of returns the format of a file's content, nil where it begins like none.
func Of(data []byte) *Format {
	for _, f := range append(Written(), Checkpoint) {
		if f.Is(data) {
			return f
		}
	}
	return nil
}

// Decode decodes a converted network. What begins like no such file is given to the usual
// format's decoder, which says what is wrong with it.
func Decode(data []byte) (*Model, error) {
	f := Of(data)
	if f == nil || f.Decode == nil {
		f = Written()[0]
	}
	return f.Decode(data)
}

// IsCheckpointName reports whether a file is a checkpoint by its name; of .tar only what ends
// in .pth.tar or .pt.tar, as old training scripts called them.
func IsCheckpointName(name string) bool {
	ext := extension(name)
	if ext == ".tar" {
		inner := extension(strings.TrimSuffix(name, filepath.Ext(name)))
		return inner == ".pth" || inner == ".pt"
	}
	return slices.Contains(Checkpoint.Extensions, ext)
}

func extension(path string) string { return strings.ToLower(filepath.Ext(path)) }

// List joins words as a sentence does: "a, b or c".
func List(words []string) string {
	if n := len(words) - 1; n > 0 {
		return strings.Join(words[:n], ", ") + " or " + words[n]
	}
	return strings.Join(words, "")
}

// WrittenExtensions lists the extensions by which converted networks are told.
func WrittenExtensions() (all []string) {
	for _, f := range Written() {
		all = append(all, f.Extensions...)
	}
	return all
}
