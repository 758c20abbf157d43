package infer

import (
	"fmt"
	"runtime"

	"github.com/repvit-go/repvit/internal/format"
)

// Open prepares the network of a model file, native (see package native) or ONNX, told apart
// by its content. The error names the file and wraps what [native.Decode], [onnx.Decode] or
// [New] answers, [ErrUnsupported] for a PyTorch checkpoint, or it is an [*fs.PathError].
//
// The file is mapped into memory and not kept open. The mapping stays for weights that are read
// later, until [Session.Close] of the session and its clones. Where [Session.Graph] was called,
// or Close is not, it stays until the garbage collector finds that nothing refers to the
// sessions or the graph any more: hold the graph while you use a tensor of it. The file must
// not be shortened or written to meanwhile, which would end the program: replace models by
// renaming.
func Open(path string, opts Options) (*Session, error) {
	f, maps, err := format.Map(path)
	if err != nil {
		return nil, err
	}
	s, err := load(f, format.Contents(maps), opts)
	if err != nil {
		format.Unmap(maps)
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.model.files = maps
	// Clones and plans refer to the graph as well, so none of them outlives the mapping.
	runtime.AddCleanup(s.model.graph, format.Unmap, maps)
	return s, nil
}

// Decode is [Open] for the bytes of a model file, such as one that the program embeds. They must not be
// changed while the session, a clone or the graph is in use. The error is that of Open but for the
// file's name; it wraps [ErrUnsupported] for formats of several files (Core ML, ncnn).
func Decode(data []byte, opts Options) (*Session, error) {
	f := format.Of(data)
	if f != nil && len(f.Paths("model")) > 1 {
		return nil, fmt.Errorf("%w: found one file of a %s model, which has several, expected an ONNX, native or TFLite model; infer.Open reads those", ErrUnsupported, f.Name)
	}
	return load(f, [][]byte{data}, opts)
}

func load(f *format.Format, data [][]byte, opts Options) (*Session, error) {
	if f == format.Checkpoint {
		return nil, fmt.Errorf("%w: found a PyTorch checkpoint, expected an ONNX or native model: convert it with repvit-convert", ErrUnsupported)
	}
	if f == nil {
		f = format.ONNX // whose decoder says what is wrong
	}
	m, err := f.Decode(data)
	if err != nil {
		return nil, err
	}
	return New(m.Graph, opts)
}
