package npy

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/repvit-go/repvit/graph"
)

// headerAlign is the multiple that NumPy pads headers to, so that elements are aligned.
const headerAlign = 64

// Write writes t as an .npy file of version 1.0 in C order. The error is that of w, or wraps
// [graph.ErrShape] where the tensor's data does not fit its shape.
func Write(w io.Writer, t *graph.Tensor) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if len(t.Shape) > maxAxes {
		return fmt.Errorf("%w: %d axes, expected at most %d", graph.ErrShape, len(t.Shape), maxAxes)
	}
	var shape strings.Builder
	for i, d := range t.Shape {
		if i > 0 {
			shape.WriteByte(' ')
		}
		fmt.Fprintf(&shape, "%d,", d)
	}
	dims := shape.String()
	if len(t.Shape) > 1 {
		dims = strings.TrimSuffix(dims, ",")
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descrs[t.DType], dims)
	const before = len(magic) + 4
	padding := headerAlign - (before+len(text)+1)%headerAlign
	if padding == headerAlign {
		padding = 0
	}
	text += strings.Repeat(" ", padding) + "\n"
	head := append([]byte(magic), 1, 0)
	head = binary.LittleEndian.AppendUint16(head, uint16(len(text)))
	if _, err := w.Write(append(head, text...)); err != nil {
		return err
	}
	_, err := w.Write(t.Bytes())
	return err
}
