package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// align is the multiple at which elements begin, a cache line.
const align = 64

// Header returns what stands in a file before the elements. Metadata are keys with their
// texts, in the order in which they are written. Of the tensors only what describes them is
// read: their elements follow the header in the order given, without holes. They begin at a
// multiple of 64 bytes, so each is aligned for its type where larger types come first. Names
// and texts that are not UTF-8, a tensor with the name of the metadata and one of a type that
// is not known are errors.
func Header(metadata [][2]string, tensors []Tensor) ([]byte, error) {
	b := make([]byte, 8, 1<<10+160*len(tensors))
	var failed error
	value := func(before byte, v any) {
		text, err := marshal(v)
		if s, ok := v.(string); ok && !utf8.ValidString(s) {
			err = fmt.Errorf("found name or text %q, expected UTF-8", clip(s, 200))
		}
		if err != nil && failed == nil {
			failed = err
		}
		b = append(append(b, before), text...)
	}
	sep := byte('{')
	if len(metadata) > 0 {
		value(sep, metadataKey)
		b = append(b, ':')
		inner := byte('{')
		for _, m := range metadata {
			value(inner, m[0])
			value(':', m[1])
			inner = ','
		}
		b = append(b, '}')
		sep = ','
	}
	at := 0
	for _, t := range tensors {
		if t.Name == metadataKey {
			return nil, fmt.Errorf("found a tensor named %q, which the format reserves", t.Name)
		}
		size, ok := t.size()
		if !ok || t.DType.Size() == 0 || at+size < at {
			return nil, fmt.Errorf("%s: found type %q and shape %v, expected a type of the format and a size that can be counted", t.place(), t.DType, t.Shape)
		}
		value(sep, t.Name)
		value(':', entry{t.DType, append([]int{}, t.Shape...), [2]int{at, at + size}})
		at += size
		sep = ','
	}
	if sep == '{' {
		b = append(b, '{')
	}
	b = append(b, '}')
	for len(b)%align != 0 {
		b = append(b, ' ')
	}
	binary.LittleEndian.PutUint64(b, uint64(len(b)-8))
	return b, failed
}

// entry describes a tensor.
type entry struct {
	DType   DType  `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

// marshal is json.Marshal without the escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
