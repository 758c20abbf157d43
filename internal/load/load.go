// Package load opens every kind of file that holds a network: PyTorch checkpoints, ONNX
// models and the native format, told apart by their content.
package load

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/mmap"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/native"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/pytorch"
)

// The kinds of files.
const (
	Checkpoint = "checkpoint" // what package pytorch decodes: PyTorch's own and safetensors
	ONNX       = "onnx"
	Native     = "native" // what package native writes
)

// Options say how a checkpoint is read; other files need none.
type Options struct {
	Weights pytorch.Options // which state dict
	Model   model.Options   // what the graph takes and gives
}

// File is an open network. The graph's weights may be views of the mapped file, so it is
// used before Close only.
type File struct {
	Path  string // as it was given
	Kind  string // one of the constants
	Size  int64  // bytes
	Graph *graph.Graph
	Data  []byte // the file's content

	Checkpoint *pytorch.File      // of a checkpoint
	State      *pytorch.StateDict // of a checkpoint
	Model      *model.Model       // of a checkpoint, whose graph is the training form
	ONNX       *onnx.Model        // of an ONNX file

	m *mmap.Map
}

// Open maps and decodes a file. The error names the file.
func Open(path string, opts Options) (*File, error) {
	m, err := mmap.Open(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f := &File{Path: path, Size: int64(len(m.Data)), Data: m.Data, m: m}
	if err := f.decode(opts); err != nil {
		m.Close()
		return nil, err
	}
	return f, nil
}

// onnxStart is how ONNX files begin: field 1, ir_version, as a varint.
var onnxStart = []byte{0x08}

func (f *File) decode(opts Options) (err error) {
	switch {
	case native.Is(f.Data):
		f.Kind = Native
		f.Graph, err = native.Decode(f.Data)
	case bytes.HasPrefix(f.Data, onnxStart):
		f.Kind = ONNX
		if f.ONNX, err = onnx.Decode(f.Data); err == nil {
			f.Graph = f.ONNX.Graph
		}
	default:
		f.Kind = Checkpoint
		// These two name the file themselves.
		if f.Checkpoint, err = pytorch.Decode(f.Path, f.Data); err != nil {
			return err
		}
		if f.State, err = f.Checkpoint.StateDict(opts.Weights); err != nil {
			return err
		}
		if f.Model, err = model.Build(f.State, opts.Model); err == nil {
			f.Graph = f.Model.Graph
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	return nil
}

// Close releases the file. The graph must not be used afterwards.
func (f *File) Close() error { return f.m.Close() }

// InputShape returns the shape of an input for the graph: what it declares, and the sizes
// given where it leaves them open.
func InputShape(g *graph.Graph, batch, height, width int) []int {
	shape := make([]int, 0, 4)
	open := map[int]int{0: batch, 2: height, 3: width}
	for i, d := range g.Inputs[0].Type.Shape {
		n := d.Size
		if !d.Known() {
			n = max(open[i], 1)
		}
		shape = append(shape, n)
	}
	return shape
}
