package verify

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/infile"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/pytorch"
)

// ErrAmbiguous is wrapped by errors about files that hold several tensors, or none.
var ErrAmbiguous = errors.New("not one tensor")

// preferred is the name that is taken where a file holds several tensors.
const preferred = "logits"

// ReadTensor reads a tensor from a NumPy .npy file, from an .npz file, or from what
// torch.save or safetensors wrote, told apart by content. Where a file holds several, it
// is the one named "logits", or the one that a path "FILE:NAME" names; otherwise the error
// wraps [ErrAmbiguous] and lists the names. Errors name the file.
//
// Tensors of torch become float32, or float64 where they are float64 or integers.
func ReadTensor(path string) (*graph.Tensor, error) {
	file, name := path, ""
	if i := strings.LastIndexByte(path, ':'); i > 0 {
		if _, err := os.Stat(path); err != nil {
			file, name = path[:i], path[i+1:]
		}
	}
	data, err := infile.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(data, []byte("\x93NUMPY")) || strings.HasSuffix(strings.ToLower(file), ".npz") {
		t, err := fromNumPy(data, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return t, nil
	}
	f, err := pytorch.Decode(file, data) // whose errors name the file
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := fromTorch(f.Tensors(), name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

func fromNumPy(data []byte, name string) (*graph.Tensor, error) {
	if !bytes.HasPrefix(data, []byte("PK")) {
		if name != "" {
			return nil, fmt.Errorf("%w: an .npy file holds an array without a name, expected %q", ErrAmbiguous, name)
		}
		return npy.Read(data)
	}
	arrays, err := npy.ReadZip(data)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(arrays))
	for i, a := range arrays {
		names[i] = a.Name
	}
	i, err := choose(names, name)
	if err != nil {
		return nil, err
	}
	return arrays[i].Tensor, nil
}

// fromTorch copies a tensor out of a checkpoint.
func fromTorch(tensors []pytorch.NamedTensor, name string) (*graph.Tensor, error) {
	names := make([]string, len(tensors))
	for i, t := range tensors {
		names[i] = t.Name
	}
	i, err := choose(names, name)
	if err != nil {
		return nil, err
	}
	t := tensors[i]
	shape := slices.Clone(t.Shape)
	switch t.DType {
	case pytorch.Float32, pytorch.Float16, pytorch.BFloat16:
		v, err := t.Float32s()
		if err != nil {
			return nil, err
		}
		return graph.Float32Tensor(shape, slices.Clone(v)), nil
	}
	v, err := t.Float64s()
	if err != nil {
		return nil, err
	}
	return graph.Float64Tensor(shape, v), nil
}

// choose returns the index of the tensor that is meant.
func choose(names []string, name string) (int, error) {
	if name == "" {
		if len(names) == 1 {
			return 0, nil
		}
		name = preferred
	}
	if i := slices.Index(names, name); i >= 0 {
		return i, nil
	}
	const most = 12
	list := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		list += fmt.Sprintf(" and %d more", len(names)-most)
	}
	if list == "" {
		list = "nothing"
	}
	return 0, fmt.Errorf("%w: found %s, expected one tensor or one named %q; choose with FILE:NAME", ErrAmbiguous, list, name)
}
