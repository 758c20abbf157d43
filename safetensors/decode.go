package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"slices"
)

const metadataKey = "__metadata__"

// MaxHeader is what the format allows a header, in bytes.
const MaxHeader = 100 << 20

// File is a decoded file.
type File struct {
	Metadata map[string]string // nil where there is none
	Tensors  []Tensor          // in the order of their bytes
}

// Is reports whether data begins with a header: its length in eight bytes and an opening
// brace.
func Is(data []byte) bool {
	return len(data) > 8 && data[8] == '{' && binary.LittleEndian.Uint64(data) < 1<<40
}

// Decode decodes a file's content, of which the tensors are views. A header of more than
// maxHeader bytes is refused: decoding needs memory in proportion to it. The error is an
// [*Error].
func Decode(data []byte, maxHeader int) (*File, error) {
	if len(data) < 8 {
		return nil, malformed("byte 0", "found %d bytes, expected a header's length", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	switch rest := uint64(len(data) - 8); {
	case n > rest:
		return nil, malformed("byte 0", "found a header of %d bytes, expected at most the %d bytes that follow", n, rest)
	case n > uint64(maxHeader):
		return nil, malformed("byte 0", "found a header of %d bytes, expected at most %d", n, maxHeader)
	}
	f := &File{}
	body := data[8+n:]
	var spans []span
	err := members(data[8:8+n], func(name string, value json.RawMessage) error {
		if name == metadataKey {
			if err := json.Unmarshal(value, &f.Metadata); err != nil {
				return malformed("header, __metadata__", "found %q, expected texts by name", clip(string(value), 100))
			}
			return nil
		}
		s, err := decodeEntry(name, value, body)
		spans = append(spans, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.Name, b.Name))
	})
	at := uint64(0)
	f.Tensors = make([]Tensor, len(spans))
	for i, s := range spans {
		if s.from != at {
			return nil, malformed(s.place(), "found it at byte %d, expected %d: tensors follow each other without holes", s.from, at)
		}
		at = s.to
		f.Tensors[i] = s.Tensor
	}
	if at != uint64(len(body)) {
		return nil, malformed("the end of the last tensor", "found %d more bytes, expected none", uint64(len(body))-at)
	}
	return f, nil
}

// span is a tensor and where it lies in the bytes behind the header.
type span struct {
	Tensor
	from, to uint64
}

// members calls f with the members of the JSON object that is the header, in order. The
// format forbids a key that stands twice, which encoding/json would let pass.
func members(header []byte, f func(name string, value json.RawMessage) error) error {
	bad := func(err error) error {
		return malformed("header", "%s, expected a JSON object", clip(err.Error(), 200))
	}
	dec := json.NewDecoder(bytes.NewReader(header))
	if t, err := dec.Token(); err != nil {
		return bad(err)
	} else if t != json.Delim('{') {
		return malformed("header", "found %q, expected a JSON object", clip(string(header), 20))
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return bad(err)
		}
		name := key.(string) // the decoder takes nothing else there
		if seen[name] {
			return malformed((&Tensor{Name: name}).place(), "it stands twice in the header")
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
		return malformed("header", "found %q after the JSON object, expected spaces only", clip(string(rest), 20))
	}
	return nil
}

// decodeEntry decodes what the header says of one tensor.
func decodeEntry(name string, value json.RawMessage, body []byte) (span, error) {
	s := span{Tensor: Tensor{Name: name}}
	var e struct {
		DType   *DType   `json:"dtype"`
		Shape   []int    `json:"shape"`
		Offsets []uint64 `json:"data_offsets"`
	}
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil || e.DType == nil || e.Shape == nil || len(e.Offsets) != 2 {
		return s, malformed(s.place(), "found %q, expected a dtype, a shape and two data_offsets", clip(string(value), 100))
	}
	s.DType, s.Shape, s.from, s.to = *e.DType, e.Shape, e.Offsets[0], e.Offsets[1]
	if s.from > s.to || s.to > uint64(len(body)) {
		return s, malformed(s.place(), "found bytes %d to %d, expected them inside the file's %d", s.from, s.to, len(body))
	}
	for _, d := range s.Shape {
		if d < 0 {
			return s, malformed(s.place(), "found shape %v, expected no negative numbers", s.Shape)
		}
	}
	if size, ok := s.size(); s.DType.Size() != 0 && (!ok || uint64(size) != s.to-s.from) {
		return s, malformed(s.place(), "found %d bytes, expected as many as shape %v of %s needs", s.to-s.from, s.Shape, s.DType.Name())
	}
	s.Data = body[s.from:s.to:s.to]
	return s, nil
}

// Metadata returns one text of a file's metadata without decoding what follows it, so that a
// file can be told by it although the rest is damaged; false where it is not there.
func Metadata(data []byte, key string) (string, bool) {
	if !Is(data) {
		return "", false
	}
	n := min(binary.LittleEndian.Uint64(data), uint64(len(data)-8))
	d := json.NewDecoder(bytes.NewReader(data[8 : 8+n]))
	for name, ok := firstKey(d); ok; name, ok = nextKey(d) {
		if name != metadataKey {
			var skip json.RawMessage
			if d.Decode(&skip) != nil {
				return "", false
			}
			continue
		}
		for name, ok := firstKey(d); ok; name, ok = nextKey(d) {
			value, err := d.Token()
			if text, ok := value.(string); err != nil || name == key {
				return text, ok
			}
		}
		return "", false
	}
	return "", false
}

// firstKey enters an object and returns its first key.
func firstKey(d *json.Decoder) (string, bool) {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return "", false
	}
	return nextKey(d)
}

// nextKey returns the next key of the object that d is in, false at its end.
func nextKey(d *json.Decoder) (string, bool) {
	t, err := d.Token()
	s, ok := t.(string)
	return s, err == nil && ok
}
