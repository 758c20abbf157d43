package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/repvit-go/repvit/graph"
)

// Errors that the package's functions wrap.
var (
	ErrFormat      = errors.New("malformed NumPy file")
	ErrUnsupported = errors.New("unsupported NumPy type")
)

const (
	magic     = "\x93NUMPY"
	maxHeader = 64 << 10
	maxAxes   = 64
)

// Read decodes an .npy file. The tensor is a view of data where that is possible: C order,
// little endian, a type that needs no conversion, elements aligned. The error wraps
// [ErrFormat] or [ErrUnsupported].
func Read(data []byte) (*graph.Tensor, error) {
	text, body, err := split(data)
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(text)
	if err != nil {
		return nil, err
	}
	e, err := parseType(h.descr)
	if err != nil {
		return nil, err
	}
	n, err := graph.Numel(h.shape)
	if err != nil || n > math.MaxInt/8 {
		return nil, fmt.Errorf("%w: shape %v has more elements than can be counted", ErrFormat, h.shape)
	}
	if n*e.size != len(body) {
		return nil, fmt.Errorf("%w: found %d bytes behind the header, expected %d for %v of %s", ErrFormat, len(body), n*e.size, h.shape, h.descr)
	}
	if h.fortran && len(h.shape) > 1 {
		body = transpose(body, h.shape, e.size)
	}
	if e.bigEndian && e.size > 1 {
		body = swap(body, e.size)
	}
	if body, err = e.widen(body); err != nil {
		return nil, err
	}
	if size := e.dtype.Size(); uintptr(unsafe.Pointer(unsafe.SliceData(body)))%uintptr(size) != 0 {
		body = slices.Clone(body)
	}
	return graph.NewTensor(e.dtype, h.shape, body)
}

// split returns the header's text and what follows it.
func split(data []byte) (header string, body []byte, err error) {
	if !bytes.HasPrefix(data, []byte(magic)) || len(data) < 10 {
		return "", nil, fmt.Errorf("%w: byte 0: found % x, expected %q and a version", ErrFormat, data[:min(len(data), 8)], magic)
	}
	var n, at int
	switch v := data[6]; {
	case data[7] != 0 || v < 1 || v > 3:
		return "", nil, fmt.Errorf("%w: byte 6: found version %d.%d, expected 1.0, 2.0 or 3.0", ErrFormat, v, data[7])
	case v == 1:
		n, at = int(binary.LittleEndian.Uint16(data[8:])), 10
	case len(data) < 12:
		return "", nil, fmt.Errorf("%w: byte 8: found the end of the file, expected the header's length", ErrFormat)
	default:
		n, at = int(min(binary.LittleEndian.Uint32(data[8:]), math.MaxInt32)), 12
	}
	if n > maxHeader || n > len(data)-at {
		return "", nil, fmt.Errorf("%w: byte 8: found a header of %d bytes, expected at most %d", ErrFormat, n, min(maxHeader, len(data)-at))
	}
	return string(data[at : at+n]), data[at+n:], nil
}

// transpose brings elements from Fortran order, first axis fastest, into C order. shape is
// that of the array.
func transpose(src []byte, shape []int, size int) []byte {
	dst := make([]byte, 0, len(src))
	if len(src) == 0 {
		return dst
	}
	strides := make([]int, len(shape)) // in bytes of src
	step := size
	for i, d := range shape {
		strides[i] = step
		step *= d
	}
	index := make([]int, len(shape))
	last := len(shape) - 1
	for at := 0; ; {
		for i := range shape[last] {
			p := at + i*strides[last]
			dst = append(dst, src[p:p+size]...)
		}
		axis := last - 1
		for ; axis >= 0; axis-- {
			index[axis]++
			at += strides[axis]
			if index[axis] < shape[axis] {
				break
			}
			at -= shape[axis] * strides[axis]
			index[axis] = 0
		}
		if axis < 0 {
			return dst
		}
	}
}

// swap reverses the bytes of each element.
func swap(src []byte, size int) []byte {
	dst := make([]byte, len(src))
	for i := 0; i < len(src); i += size {
		for j := range size {
			dst[i+j] = src[i+size-1-j]
		}
	}
	return dst
}
