package pytorch

import (
	"bytes"
	"cmp"
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
func (s *fileSource) size() int              { return len(s.data) }
func (s *fileSource) bytes() ([]byte, error) { return s.data, nil }

var safetensorsTypes = map[string]DType{
	"F64": Float64, "F32": Float32, "F16": Float16, "BF16": BFloat16, "I64": Int64, "I32": Int32, "I16": Int16,
	"I8": Int8, "U8": Uint8, "BOOL": Bool, "U64": Uint64, "U32": Uint32, "U16": Uint16,
	"F8_E4M3": Float8E4M3, "F8_E5M2": Float8E5M2, "C64": Complex64,
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
	var meta map[string]string
	d := &flatDict{tensors: map[string]*Tensor{}}
	var spans []span
	err := members(header, func(name string, value json.RawMessage) error {
		if name == "__metadata__" {
			if err := json.Unmarshal(value, &meta); err != nil {
				return malformed("header, __metadata__", "found %q, expected texts by name", clip(string(value), 100))
			}
			return nil
		}
		t, s, err := headerEntry(name, value, body)
		d.tensors[name] = t
		spans = append(spans, s)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.name, b.name))
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

// span is where a tensor lies in the bytes behind the header.
type span struct {
	from, to uint64
	name     string
}

// members calls f with the members of the JSON object that is the header, in order. The
// format forbids a key that stands twice, which encoding/json would let pass.
func members(header []byte, f func(name string, value json.RawMessage) error) error {
	bad := func(err error) error {
		return malformed("header", "%s, expected a JSON object", oneLine(err.Error()))
	}
	dec := json.NewDecoder(bytes.NewReader(header))
	if _, err := dec.Token(); err != nil { // the brace by which the format was told
		return bad(err)
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return bad(err)
		}
		name := key.(string) // the decoder takes nothing else there
		if seen[name] {
			return malformed(fmt.Sprintf("tensor %q", clip(name, 200)), "it stands twice in the header")
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return bad(err)
		}
		if err := f(name, value); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return bad(err)
	}
	if rest := bytes.Trim(header[dec.InputOffset():], " "); len(rest) != 0 {
		return malformed("header", "found %q after the JSON object, expected spaces only", clip(string(rest[:min(len(rest), 20)]), 20))
	}
	return nil
}

// headerEntry decodes what the header says of one tensor.
func headerEntry(name string, value json.RawMessage, body []byte) (*Tensor, span, error) {
	place := fmt.Sprintf("tensor %q", clip(name, 200))
	var e struct {
		DType   *string  `json:"dtype"`
		Shape   []int    `json:"shape"`
		Offsets []uint64 `json:"data_offsets"`
	}
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil || e.DType == nil || e.Shape == nil || len(e.Offsets) != 2 {
		return nil, span{}, malformed(place, "found %q, expected a dtype, a shape and two data_offsets", clip(string(value), 100))
	}
	s := span{e.Offsets[0], e.Offsets[1], name}
	if s.from > s.to || s.to > uint64(len(body)) {
		return nil, span{}, malformed(place, "found bytes %d to %d, expected them inside the file's %d", s.from, s.to, len(body))
	}
	if len(e.Shape) > maxAxes {
		return nil, span{}, malformed(place, "found %d axes, expected %d at most", len(e.Shape), maxAxes)
	}
	strides := make([]int, len(e.Shape))
	count, ok := 1, true
	for i := len(e.Shape) - 1; i >= 0; i-- {
		if e.Shape[i] < 0 {
			return nil, span{}, malformed(place, "found shape %v, expected no negative numbers", e.Shape)
		}
		strides[i] = count
		count, ok = times(count, e.Shape[i], ok)
	}
	dtype, known := safetensorsTypes[*e.DType]
	if !known {
		// Younger versions of the format have types of less than a byte. A tensor beside the
		// network may be of any.
		return &Tensor{Shape: e.Shape, reason: fmt.Sprintf("of type %q, which is not read; convert it to float32 and save again", clip(oneLine(*e.DType), 20))}, s, nil
	}
	size, ok := times(count, dtype.Size(), ok)
	if !ok || uint64(size) != s.to-s.from {
		return nil, span{}, malformed(place, "found %d bytes, expected as many as shape %v of %s needs", s.to-s.from, e.Shape, dtype)
	}
	t, err := newTensor(dtype, &fileSource{name, body[s.from:s.to:s.to]}, count, 0, e.Shape, strides)
	return t, s, err
}
