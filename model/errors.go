package model

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that Build wraps.
var (
	ErrNotRepViT = errors.New("not a RepViT state dict")
	ErrKey       = errors.New("state dict does not fit a RepViT")
	ErrValue     = errors.New("unusable weight")
)

// KeyError says which key of a state dict is missing, misshaped or unexpected. It wraps
// [ErrKey].
type KeyError struct {
	Key   string
	Found []int  // shape in the file, nil where the key is missing
	Want  string // shape expected, or what the network has instead of the key
}

// Error names the key, the shape found and the shape expected.
func (e *KeyError) Error() string {
	if e.Found == nil {
		return fmt.Sprintf("key %q: missing, expected shape %s", e.Key, e.Want)
	}
	return fmt.Sprintf("key %q: found shape %s, expected %s", e.Key, shapeText(e.Found), e.Want)
}

// Unwrap returns ErrKey.
func (e *KeyError) Unwrap() error { return ErrKey }

// ValueError names a tensor whose elements no network can be computed with. It wraps
// [ErrValue].
type ValueError struct {
	Key   string
	Index int
	Value float64
	Want  string
}

// Error names the tensor, the element and its value.
func (e *ValueError) Error() string {
	return fmt.Sprintf("key %q: element %d is %v, expected %s", e.Key, e.Index, e.Value, e.Want)
}

// Unwrap returns ErrValue.
func (e *ValueError) Unwrap() error { return ErrValue }

func shapeText(s []int) string {
	t := make([]string, len(s))
	for i, d := range s {
		if t[i] = fmt.Sprint(d); d < 0 {
			t[i] = "any"
		}
	}
	return "[" + strings.Join(t, " ") + "]"
}
