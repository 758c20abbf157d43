package infer

import (
	"bytes"
	"fmt"
	"runtime"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/mmap"
	"github.com/repvit-go/repvit/native"
	"github.com/repvit-go/repvit/onnx"
)

// Open prepares the network of a model file, native (see package native) or ONNX, told apart
// by its content. The error names the file and wraps what [native.Decode], [onnx.Decode] or
// [New] answers, [ErrUnsupported] for a PyTorch checkpoint, or it is an [*fs.PathError].
//
// The file is mapped into memory and not kept open. What runs need is packed at once; the
// mapping stays for the weights that [Session.Graph] shows and [Session.Observe] reads, until
// the garbage collector finds that nothing refers to the session, its clones or its graph any
// more. Hold the graph while you use a tensor of it. The file must not be shortened or
// written to meanwhile, which would end the program: replace models by renaming.
func Open(path string, opts Options) (*Session, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := load(m.Data, opts)
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// Clones and plans refer to the graph as well, so none of them outlives the mapping.
	runtime.AddCleanup(s.model.graph, func(m *mmap.Map) { m.Close() }, m)
	return s, nil
}

func load(data []byte, opts Options) (*Session, error) {
	g, err := decode(data)
	if err != nil {
		return nil, err
	}
	return New(g, opts)
}

// decode reads a model file.
func decode(data []byte) (*graph.Graph, error) {
	switch {
	case native.Is(data):
		return native.Decode(data)
	case isCheckpoint(data):
		return nil, fmt.Errorf("%w: found a PyTorch checkpoint, expected an ONNX or native model: convert it with repvit-convert", ErrUnsupported)
	}
	m, err := onnx.Decode(data)
	if err != nil {
		return nil, err
	}
	return m.Graph, nil
}

// isCheckpoint reports whether data begins like a file that PyTorch writes: a zip, a pickle
// of protocol 2 or later, or a safetensors file that is not ours. No ONNX file does.
func isCheckpoint(data []byte) bool {
	return bytes.HasPrefix(data, []byte("PK\x03\x04")) ||
		len(data) > 1 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5 ||
		len(data) > 8 && data[8] == '{' && bytes.Equal(data[5:8], []byte{0, 0, 0})
}
