package pytorch

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
)

// maxHeader bounds a safetensors header, as the format's reference reader does.
const maxHeader = 100 << 20

// isSafetensors reports whether data begins with a safetensors header: its length in
// eight bytes and an opening brace.
func isSafetensors(data []byte) bool {
	return len(data) > 8 && data[8] == '{' && binary.LittleEndian.Uint64(data) < 1<<40
}

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
func (s *fileSource) bytes() ([]byte, error) { return s.data, nil }

var safetensorsTypes = map[string]DType{
	"F64": Float64, "F32": Float32, "F16": Float16, "BF16": BFloat16, "I64": Int64, "I32": Int32, "I16": Int16,
	"I8": Int8, "U8": Uint8, "BOOL": Bool,
}

// decodeSafetensors decodes a safetensors file
// (https://huggingface.co/docs/safetensors): the header's length, a JSON header, and the
// tensors' bytes, which must follow each other without holes.
func decodeSafetensors(data []byte) (any, map[string]string, error) {
	n := binary.LittleEndian.Uint64(data)
	if n > uint64(len(data)-8) || n > maxHeader {
		return nil, nil, malformed("byte 0", "found a header of %d bytes, expected at most the %d bytes that follow", n, len(data)-8)
	}
	header, body := data[8:8+n], data[8+n:]
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(header, &entries); err != nil {
		return nil, nil, malformed("header", "%v", err)
	}
	var meta map[string]string
	d := &flatDict{tensors: map[string]*Tensor{}}
	type span struct {
		from, to uint64
		name     string
	}
	var spans []span
	for name, raw := range entries {
		if name == "__metadata__" {
			if err := json.Unmarshal(raw, &meta); err != nil {
				return nil, nil, malformed("header, __metadata__", "%v", err)
			}
			continue
		}
		place := fmt.Sprintf("tensor %q", clip(name, 200))
		var e struct {
			DType   string    `json:"dtype"`
			Shape   []int     `json:"shape"`
			Offsets [2]uint64 `json:"data_offsets"`
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&e); err != nil {
			return nil, nil, malformed(place, "%v", err)
		}
		dtype, ok := safetensorsTypes[e.DType]
		if !ok {
			return nil, nil, fmt.Errorf("%w: %s has type %q", ErrUnsupported, place, clip(e.DType, 20))
		}
		from, to := e.Offsets[0], e.Offsets[1]
		if from > to || to > uint64(len(body)) {
			return nil, nil, malformed(place, "found bytes %d to %d, expected them inside the file's %d", from, to, len(body))
		}
		strides := make([]int, len(e.Shape))
		count, ok := 1, true
		for i := len(e.Shape) - 1; i >= 0; i-- {
			if e.Shape[i] < 0 {
				return nil, nil, malformed(place, "found shape %v, expected no negative numbers", e.Shape)
			}
			strides[i] = count
			count, ok = times(count, e.Shape[i], ok)
		}
		size, ok := times(count, dtype.Size(), ok)
		if !ok || uint64(size) != to-from {
			return nil, nil, malformed(place, "found %d bytes, expected shape %v of %s", to-from, e.Shape, dtype)
		}
		t, err := newTensor(dtype, &fileSource{name, body[from:to:to]}, count, 0, e.Shape, strides)
		if err != nil {
			return nil, nil, err
		}
		d.tensors[name] = t
		spans = append(spans, span{from, to, name})
	}
	slices.SortFunc(spans, func(a, b span) int {
		for _, c := range [][2]uint64{{a.from, b.from}, {a.to, b.to}} {
			if c[0] != c[1] {
				return map[bool]int{true: -1, false: 1}[c[0] < c[1]]
			}
		}
		return bytes.Compare([]byte(a.name), []byte(b.name))
	})
	at := uint64(0)
	for _, s := range spans {
		if s.from != at {
			return nil, nil, malformed(fmt.Sprintf("tensor %q", clip(s.name, 200)), "found it at byte %d, expected %d: tensors follow each other without holes", s.from, at)
		}
		at = s.to
		d.names = append(d.names, s.name)
	}
	if at != uint64(len(body)) {
		return nil, nil, malformed("the end of the last tensor", "found %d more bytes, expected none", uint64(len(body))-at)
	}
	return d, meta, nil
}
