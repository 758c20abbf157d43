package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

// autoPad sets the padding of a node of windows where it is to be computed, and reports whether
// it is: then the output has ⌈n/stride⌉ pixels, or those of windows that lie inside.
func (d *decoder) autoPad(n *node, kernel, strides, dilations [2]int, pads *[4]int) (bool, error) {
	mode, err := n.text("auto_pad", "NOTSET")
	if err != nil {
		return false, err
	}
	switch mode {
	case "NOTSET":
		return false, nil
	case "VALID":
		*pads = [4]int{}
		return true, nil
	case "SAME_UPPER", "SAME_LOWER":
	default:
		return false, fmt.Errorf("%w: found attribute auto_pad = %q, expected NOTSET, SAME_UPPER, SAME_LOWER or VALID", ErrUnsupported, mode)
	}
	if len(n.in) == 0 {
		return false, fmt.Errorf("%w: found no operands", ErrFormat)
	}
	x, err := d.value(n.in[0])
	if err != nil {
		return false, err
	}
	t, err := d.typeOf(x)
	if err != nil {
		return false, err
	}
	if len(t.Shape) != 4 {
		return false, fmt.Errorf("%w: found attribute auto_pad of an operand %v, expected N×C×H×W", ErrUnsupported, t.Shape)
	}
	for i, stride := range strides {
		size := t.Shape[i+2]
		k := (int64(kernel[i])-1)*int64(dilations[i]) + 1
		total := k - 1 // for stride 1
		if stride != 1 {
			if !size.Known() || stride < 1 {
				return false, fmt.Errorf("%w: found attribute auto_pad = %q and strides %v of an operand %v, expected sizes that are known", ErrUnsupported, mode, strides, t.Shape)
			}
			places := (int64(size.Size)-1)/int64(stride) + 1
			total = (places-1)*int64(stride) + k - int64(size.Size)
		}
		if err := split(mode, total, &pads[i], &pads[i+2]); err != nil {
			return false, err
		}
	}
	return true, nil
}

// split divides padding between the two ends of an axis. The larger half is behind it, or
// before it for SAME_LOWER.
func split(mode string, total int64, before, after *int) error {
	total = max(total, 0)
	if total > graph.MaxElements {
		return fmt.Errorf("%w: found attribute auto_pad = %q, which pads %d pixels", graph.ErrTooLarge, mode, total)
	}
	less, more := int(total/2), int(total-total/2)
	if *before, *after = less, more; mode == "SAME_LOWER" {
		*before, *after = more, less
	}
	return nil
}
