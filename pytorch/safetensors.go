package pytorch

import (
	"errors"
	"fmt"

	"github.com/repvit-go/repvit/safetensors"
)

// tensors of a flat file, in the order of their bytes.
type flatDict struct {
	names   []string
	tensors map[string]*Tensor
}

type fileSource struct {
	name string
	data []byte
}

func (s *fileSource) place() string          { return fmt.Sprintf("tensor %q", clip(s.name, 200)) }
func (s *fileSource) size() int              { return len(s.data) }
func (s *fileSource) bytes() ([]byte, error) { return s.data, nil }

// decodeSafetensors decodes a safetensors file into its tensors and its metadata.
func decodeSafetensors(data []byte) (any, map[string]string, error) {
	f, err := safetensors.Decode(data, safetensors.MaxHeader)
	if err != nil {
		if e := (*safetensors.Error)(nil); errors.As(err, &e) {
			err = &formatError{e.Place, e.Text}
		}
		return nil, nil, err
	}
	d := &flatDict{names: make([]string, len(f.Tensors)), tensors: make(map[string]*Tensor, len(f.Tensors))}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		d.names[i] = t.Name
		if d.tensors[t.Name], err = flatTensor(t); err != nil {
			return nil, nil, err
		}
	}
	return d, f.Metadata, nil
}

func flatTensor(t *safetensors.Tensor) (*Tensor, error) {
	src := &fileSource{t.Name, t.Data}
	if len(t.Shape) > maxAxes {
		return nil, malformed(src.place(), "found %d axes, expected %d at most", len(t.Shape), maxAxes)
	}
	dtype := DType(t.DType.Name()) // torch's names are NumPy's
	if dtype == "" {
		// A tensor beside the network may be of any type.
		return &Tensor{Shape: t.Shape, reason: fmt.Sprintf("of type %q, which is not read; convert it to float32 and save again", clip(oneLine(string(t.DType)), 20))}, nil
	}
	strides := make([]int, len(t.Shape))
	count := 1
	for i := len(t.Shape) - 1; i >= 0 && len(t.Data) > 0; i-- { // strides to no element are none
		strides[i] = count
		count *= t.Shape[i]
	}
	return newTensor(dtype, src, count, 0, t.Shape, strides)
}
