package onnx

import (
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/repvit-go/repvit/graph"
)

// Messages are read field by field instead of with the generated types' Unmarshal, which
// copies every byte field and needs a hundred bytes of memory for a message of two.

// message is an encoded protocol buffer message: a view of the file.
type message struct {
	name string // of its type
	data []byte
	at   int // offset in the file
}

// field is one field of a message. Numbers are held as n, byte strings as data.
type field struct {
	message string // type that the field belongs to
	number  protowire.Number
	kind    protowire.Type
	n       uint64
	data    []byte
	at      int // offset of the value in the file
}

func formatError(at int, format string, a ...any) error {
	return fmt.Errorf("%w: offset %d: %s", ErrFormat, at, fmt.Sprintf(format, a...))
}

// limitError is for files that may be good ONNX.
func limitError(at int, format string, a ...any) error {
	return fmt.Errorf("%w: offset %d: %s", graph.ErrTooLarge, at, fmt.Sprintf(format, a...))
}

// each calls f for every field of a message, in order.
func (m message) each(f func(field) error) error {
	for b := m.data; len(b) > 0; {
		at := m.at + len(m.data) - len(b)
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return formatError(at, "found no field of a %s, expected one: %v", m.name, protowire.ParseError(n))
		}
		b = b[n:]
		v := field{message: m.name, number: number, kind: kind, at: at + n}
		switch kind {
		case protowire.VarintType:
			v.n, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var x uint32
			x, n = protowire.ConsumeFixed32(b)
			v.n = uint64(x)
		case protowire.Fixed64Type:
			v.n, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			v.data, n = protowire.ConsumeBytes(b)
			v.at += n - len(v.data)
		default:
			return formatError(at, "found wire type %d for field %d of a %s, which ONNX does not use", kind, number, m.name)
		}
		if n < 0 {
			return formatError(at, "field %d of a %s: %v", number, m.name, protowire.ParseError(n))
		}
		b = b[n:]
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

func (f field) expect(kind protowire.Type) error {
	if f.kind != kind {
		return formatError(f.at, "found wire type %d for field %d of a %s, expected %d", f.kind, f.number, f.message, kind)
	}
	return nil
}

// sub returns the field as a message of the type named.
func (f field) sub(name string) (message, error) {
	return message{name, f.data, f.at}, f.expect(protowire.BytesType)
}

// text stores a string.
func (f field) text(to *string) error {
	if err := f.expect(protowire.BytesType); err != nil {
		return err
	}
	if !utf8.Valid(f.data) {
		return formatError(f.at, "field %d of a %s is not UTF-8", f.number, f.message)
	}
	*to = string(f.data)
	return nil
}

// integer stores an int32, int64 or enum.
func (f field) integer(to *int64) error {
	*to = int64(f.n)
	return f.expect(protowire.VarintType)
}

// float stores a float.
func (f field) float(to *float32) error {
	*to = math.Float32frombits(uint32(f.n))
	return f.expect(protowire.Fixed32Type)
}

// integers appends a repeated integer, packed or not, at most max of them in all.
func (f field) integers(to *[]int64, max int) error {
	b := f.data
	switch f.kind {
	case protowire.VarintType:
		*to = append(*to, int64(f.n))
	case protowire.BytesType:
		// Every varint ends with the one byte that is below 0x80.
		count := 0
		for _, c := range b {
			if c < 0x80 {
				count++
			}
		}
		if len(*to)+count > max {
			break // refused below, before anything is allocated
		}
		if *to == nil {
			*to = make([]int64, 0, count)
		}
		for len(b) > 0 {
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return formatError(f.at, "field %d of a %s: %v", f.number, f.message, protowire.ParseError(n))
			}
			*to = append(*to, int64(v))
			b = b[n:]
		}
		return nil
	default:
		return f.expect(protowire.BytesType)
	}
	if len(b) > 0 || len(*to) > max {
		return limitError(f.at, "found more than %d numbers in field %d of a %s", max, f.number, f.message)
	}
	return nil
}

// elements appends the bytes of a repeated number of fixed size, packed or not. The first
// packed run is not copied.
func (f field) elements(to *[]byte, kind protowire.Type, size int) error {
	switch {
	case f.kind == protowire.BytesType && len(f.data)%size != 0:
		return formatError(f.at, "found %d bytes in field %d of a %s, expected a multiple of %d", len(f.data), f.number, f.message, size)
	case f.kind == protowire.BytesType && *to == nil:
		*to = f.data[:len(f.data):len(f.data)]
	case f.kind == protowire.BytesType:
		*to = append(*to, f.data...)
	case f.kind != kind:
		return f.expect(kind)
	case size == 4:
		*to = protowire.AppendFixed32(*to, uint32(f.n))
	default:
		*to = protowire.AppendFixed64(*to, f.n)
	}
	return nil
}
