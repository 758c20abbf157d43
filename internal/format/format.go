// Package format is the table of the file formats that hold networks. Conversion, loading and
// the engine ask it, so a format is known to all of them by its entry.
package format

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/coreml"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/mmap"
	"github.com/repvit-go/repvit/native"
	"github.com/repvit-go/repvit/ncnn"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/safetensors"
	"github.com/repvit-go/repvit/tflite"
)

// Format is a format of files.
type Format struct {
	Name       string
	Extensions []string               // lower case; files are written with the first
	Is         func(data []byte) bool // reports whether data begins like such a file
	// Files are the names of all files of a model with a name, of formats that have several; the
	// first says what it is. See [Format.Paths].
	Files  func(path string) []string
	Folder bool // a model is a folder, of those files
	// Encode writes a graph and Decode reads one, whose weights may be views of data: a writer, and
	// a content, for each file. A checkpoint has neither: what its tensors mean is for package model
	// to say.
	Encode func(w []io.Writer, g *graph.Graph, o Options) error
	Decode func(data [][]byte) (*Model, error)
	Opset  bool // files state a version of the operator set
	// Fixed: files have one size of input, and batch 1.
	Fixed bool
	// Half: files have weights of float16 themselves, for a graph of float32.
	Half bool
	// NoLabels: files have no place for the names of classes.
	NoLabels bool
	// Normalization says to programmers how images are normalised, where files have no place for it; nil of
	// other formats.
	Normalization func(mean, std []float64) string
	// Float16: files compute in float16 unless float32 is asked for.
	Float16 bool
	// Images: files take images and normalise them unless tensors are asked for.
	Images bool
	// Classifies: files of networks with labels are classifiers, which give probabilities.
	Classifies bool
	// Int8 says what of an int8 network is not as package quant made it; empty for nothing.
	Int8 string
	// Weights: files can have int8 weights of operators that compute in floats.
	Weights bool
	// Integers: files of int8 networks can take and give int8, with nothing but integers between.
	Integers bool
	// Rounds: files round an int8 network in another way than package quant.
	Rounds bool
}

// Options say how a graph is written.
type Options struct {
	Opset    int // 0 for the default; for formats that have one
	Half     bool
	Integers bool
	// What a format has a place for: the names of the classes, and by what pixels of 0 … 1 are
	// normalised, channel by channel.
	Labels     []string
	Mean, Std  []float64
	Image      bool // the input is an image, which the file normalises
	Classifier bool // the output is one of the labels
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
		Encode: func(w []io.Writer, g *graph.Graph, o Options) error {
			return onnx.Encode(w[0], g, onnx.Options{Opset: o.Opset})
		},
		Decode: func(data [][]byte) (*Model, error) {
			m, err := onnx.Decode(data[0])
			return (*Model)(m), err
		},
	}
	Native = &Format{
		Name: "native", Extensions: []string{".safetensors"},
		Is:     native.Is,
		Encode: func(w []io.Writer, g *graph.Graph, _ Options) error { return native.Encode(w[0], g) },
		Decode: func(data [][]byte) (*Model, error) {
			g, err := native.Decode(data[0])
			return &Model{Graph: g}, err
		},
	}
	TFLite = &Format{
		Name: "tflite", Extensions: []string{".tflite"}, Fixed: true, Half: true, Integers: true,
		Is: tflite.Is,
		Encode: func(w []io.Writer, g *graph.Graph, o Options) error {
			return tflite.Encode(w[0], g, tflite.Options{Half: o.Half, Integers: o.Integers, Labels: o.Labels, Mean: o.Mean, Std: o.Std})
		},
		Decode: func(data [][]byte) (*Model, error) {
			g, err := tflite.Decode(data[0])
			return &Model{Graph: g}, err
		},
	}
	NCNN = &Format{
		Name: "ncnn", Extensions: []string{".param"}, Fixed: true, Half: true, NoLabels: true, Rounds: true, Int8: "operands are symmetric int8, biases float32",
		Is: ncnn.Is,
		Files: func(path string) []string {
			return []string{path, strings.TrimSuffix(path, filepath.Ext(path)) + ".bin"}
		},
		Encode: func(w []io.Writer, g *graph.Graph, o Options) error {
			return ncnn.Encode(w[0], w[1], g, ncnn.Options{Half: o.Half})
		},
		Decode: func(data [][]byte) (*Model, error) {
			g, err := ncnn.Decode(data[0], data[1])
			return &Model{Graph: g}, err
		},
		Normalization: ncnn.Normalization,
	}
	CoreML = &Format{
		Name: "coreml", Extensions: []string{".mlpackage"}, Fixed: true, Float16: true, Images: true, Classifies: true, Weights: true, Int8: "biases are floats",
		Is: coreml.Is, Files: coreml.Files, Folder: true,
		Encode: func(w []io.Writer, g *graph.Graph, o Options) error {
			c := coreml.Options{}
			if o.Image {
				c.Mean, c.Std = o.Mean, o.Std
			}
			if o.Classifier {
				c.Labels = o.Labels
			}
			return coreml.Encode(w[0], w[1], w[2], g, c)
		},
		Decode: func(data [][]byte) (*Model, error) {
			g, err := coreml.Decode(data[0], data[1], data[2])
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
func Written() []*Format { return []*Format{ONNX, Native, TFLite, CoreML, NCNN} }

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

// Paths are the files of a model with a name.
func (f *Format) Paths(path string) []string {
	if f.Files == nil {
		return []string{path}
	}
	return f.Files(path)
}

// PathsOf are the files of a model that is read, by its name.
func PathsOf(path string) []string {
	f := FolderOf(path)
	if f == nil {
		f = For(path)
	}
	if f == nil || f.Files == nil {
		return []string{path}
	}
	return f.Paths(path)
}

// Map maps the files of a model with a name, and says what it is by the first one's content, nil where
// it begins like none. The error is one of the file system's.
func Map(path string) (f *Format, maps []*mmap.Map, err error) {
	defer func() {
		if err != nil {
			Unmap(maps)
		}
	}()
	first := path
	if folder := FolderOf(path); folder != nil {
		first = folder.Paths(path)[0]
	}
	m, err := mmap.Open(first)
	if err != nil {
		return nil, nil, err
	}
	maps = append(maps, m)
	if f = Of(m.Data); f == nil || f.Decode == nil {
		return f, maps, nil
	}
	for _, name := range f.Paths(path)[1:] {
		if m, err = mmap.Open(name); err != nil {
			return f, maps, err
		}
		maps = append(maps, m)
	}
	return f, maps, nil
}

// FolderOf returns the format of a folder that is a model; nil for other folders and for files.
func FolderOf(path string) *Format {
	for _, f := range Written() {
		if !f.Folder {
			continue
		}
		if _, err := os.Stat(f.Paths(path)[0]); err == nil {
			return f
		}
	}
	return nil
}

// Unmap frees the files of [Map].
func Unmap(maps []*mmap.Map) {
	for _, m := range maps {
		m.Close()
	}
}

// Contents are what mapped files hold.
func Contents(maps []*mmap.Map) (data [][]byte) {
	for _, m := range maps {
		data = append(data, m.Data)
	}
	return data
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
