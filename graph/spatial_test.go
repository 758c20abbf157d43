package graph

import (
	"errors"
	"strings"
	"testing"
)

// Types of operators that change shapes: what stays known of symbolic sizes, and what is refused.
func TestSpatialShapes(t *testing.T) {
	image := f32("n", 4, "h", "w")
	half := Dim{Sym: "h", Div: 2}
	linear := Resize{Mode: "linear", Coordinates: "half_pixel"}
	by := func(h, w float64) Resize { r := linear; r.Scales = [2]float64{h, w}; return r }
	to := func(h, w int) Resize { r := linear; r.Sizes = [2]int{h, w}; return r }
	aligned := Resize{Mode: "linear", Coordinates: "align_corners", Scales: [2]float64{1.5, 1.5}}
	up := ConvTranspose{Strides: [2]int{2, 2}, Group: 1}
	for _, c := range []struct {
		op   Op
		in   []Type
		want string // the type, or part of the error
		err  error
	}{
		{Concat{1}, []Type{image, f32("n", 3, "h", "w"), f32("n", 2, "h", "w")}, "float32 n×9×h×w", nil},
		{Concat{2}, []Type{image, image}, "float32 n×4×?×w", nil},
		{Concat{1}, []Type{f32(1, 2, 3), f32(1, 2, 4)}, "one size on all axes but 1", ErrShape},
		{Concat{1}, []Type{f32(1, 2, 3), f32(1, 2)}, "operands of shape", ErrShape},
		{Concat{3}, []Type{f32(1, 2, 3)}, "axis 3", ErrShape},
		{Concat{0}, []Type{f32(MaxElements), f32(1)}, "elements along axis 0", ErrTooLarge},
		{Slice{[]int{2}, []int{0}, []int{SliceAll}, []int{1}}, []Type{image}, "float32 n×4×h×w", nil},
		{Slice{[]int{2, 1}, []int{-1, -3}, []int{-SliceAll, 9}, []int{-1, 2}}, []Type{image}, "float32 n×2×h×w", nil},
		{Slice{[]int{2}, []int{1}, []int{-1}, []int{1}}, []Type{image}, "float32 n×4×?×w", nil},
		{Slice{[]int{0}, []int{9}, []int{-9}, []int{-3}}, []Type{f32(7)}, "float32 3", nil},
		{Slice{[]int{0}, []int{0}, []int{3}, []int{0}}, []Type{f32(7)}, "steps", ErrShape},
		{Slice{[]int{0, 0}, []int{0, 0}, []int{3, 3}, []int{1, 1}}, []Type{f32(7)}, "axes [0 0]", ErrShape},
		{Slice{[]int{0}, []int{0}, []int{3}, nil}, []Type{f32(7)}, "steps []", ErrShape},
		{Gather{1}, []Type{image, {Int64, dims(7)}}, "float32 n×7×h×w", nil},
		{Gather{1}, []Type{image, {Int64, dims()}}, "along one axis", ErrUnsupported},
		{Gather{1}, []Type{image, f32(7)}, "want integers", ErrUnsupported},
		{Pad{"reflect", []int{0, 1, 0, 2, 0, 0, 0, 0}, 0}, []Type{image}, "float32 n×5×h×?", nil},
		{Pad{"reflect", []int{3, 0}, 0}, []Type{f32(3)}, "less than there is to reflect", ErrShape},
		{Pad{"edge", []int{3, 0}, 1}, []Type{f32(3)}, "a value of 1", ErrUnsupported},
		{Pad{"constant", []int{-1, 0}, 0}, []Type{f32(3)}, "want 0 or more", ErrUnsupported},
		{Pad{"constant", []int{1}, 0}, []Type{f32(3)}, "two numbers for each axis", ErrShape},
		{Pad{"constant", []int{MaxElements, 0}, 0}, []Type{f32(3)}, "padding", ErrTooLarge},
		{Reshape{[]int{0, 2, -1}}, []Type{f32("n", 4, 3)}, "float32 n×2×6", nil},
		{Reshape{[]int{0, 0, -1}}, []Type{image}, "float32 n×4×?", nil},
		{Reshape{[]int{-1, 4}}, []Type{f32("n", 4, 1)}, "float32 n×4", nil},
		{Reshape{[]int{-1, 2}}, []Type{f32("n", 4)}, "float32 2*n×2", nil},
		{Reshape{[]int{2, 3}}, []Type{f32("n", 4)}, "float32 2×3", nil},
		{Reshape{[]int{0, 2, 2, -4, -5}}, []Type{image}, "float32 n×2×2×h×w", nil},
		{Reshape{[]int{-5, -1, -4}}, []Type{image}, "float32 w×4*n×h", nil},
		{Reshape{[]int{-3, 0}}, []Type{f32(3, 4)}, "each axis of the operand once", ErrUnsupported},
		{Reshape{[]int{-4, 0}}, []Type{f32(3, 4)}, "shape [-4 0]", ErrShape},
		{Reshape{[]int{}}, []Type{f32(1, 1)}, "float32 ", nil},
		{Reshape{[]int{5, -1}}, []Type{f32(3, 4)}, "as many elements", ErrShape},
		{Reshape{[]int{5, 2}}, []Type{f32(3, 4)}, "as many elements", ErrShape},
		{Reshape{[]int{-1, -1}}, []Type{f32(3, 4)}, "shape [-1 -1]", ErrShape},
		{Reshape{[]int{3, 4, 0}}, []Type{f32(3, 4)}, "shape [3 4 0]", ErrShape},
		{by(2, 1), []Type{f32("n", 4, 5, "w")}, "float32 n×4×10×w", nil},
		{by(0.29, 3), []Type{f32("n", 4, 100, 7)}, "float32 n×4×29×21", nil}, // as float32: 100·0.29 is 28.999…
		{by(0.1, 1), []Type{f32("n", 4, 5, 5)}, "float32 n×4×0×5", nil},      // which [Graph.Infer] refuses
		{by(-1, 1), []Type{image}, "scales", ErrShape},
		{to(3, 5), []Type{image}, "float32 n×4×3×5", nil},
		{to(3, -5), []Type{image}, "sizes", ErrShape},
		{linear, []Type{f32("n", 4, half, 3), image}, "float32 n×4×h×w", nil},
		{linear, []Type{image}, "how large", ErrShape},
		{by(2, 2), []Type{image, image}, "how large", ErrShape},
		{aligned, []Type{f32(1, 1, 4, 6)}, "float32 1×1×6×9", nil},
		{aligned, []Type{f32(1, 1, 4, 5)}, "no whole size of 5", ErrUnsupported},
		{Resize{Mode: "nearest", Coordinates: "half_pixel", Sizes: [2]int{1, 1}}, []Type{image}, "a rounding of", ErrUnsupported},
		{up, []Type{image, f32(4, 3, 2, 2), f32(3)}, "float32 n×3×2*h×2*w", nil},
		{up, []Type{f32(1, 4, 5, 6), f32(4, 3, 3, 1)}, "float32 1×3×11×11", nil},
		{up, []Type{image, f32(5, 3, 2, 2)}, "weight 5×3×2×2 takes 5", ErrShape},
		{up, []Type{image, f32(4, 3, 2, 2), f32(4)}, "bias has 4 elements", ErrShape},
		{ConvTranspose{Strides: [2]int{2, 2}, Group: 1, OutputPadding: [2]int{2, 0}}, []Type{image, f32(4, 3, 2, 2)}, "output padding", ErrUnsupported},
		{ConvTranspose{Strides: [2]int{1, 1}, Group: 1, Pads: [4]int{1, 0, 1, 0}}, []Type{f32(1, 4, 1, 6), f32(4, 3, 2, 2)}, "leaves nothing", ErrShape},
		{MaxPool{Kernel: [2]int{2, 3}, Strides: [2]int{2, 2}, CeilMode: true}, []Type{image}, "float32 n×4×ceil(h/2)×?", nil},
		{MaxPool{Kernel: [2]int{3, 2}, Strides: [2]int{2, 2}, CeilMode: true}, []Type{f32(1, 4, 6, 5)}, "float32 1×4×3×3", nil},
		// The last window would begin behind the image.
		{MaxPool{Kernel: [2]int{1, 2}, Strides: [2]int{3, 2}, Pads: [4]int{0, 0, 0, 1}, CeilMode: true}, []Type{f32(1, 4, 6, 6)}, "float32 1×4×2×3", nil},
		{MaxPool{Kernel: [2]int{2, 2}, Strides: [2]int{1, 1}, Pads: [4]int{1, 0, 1, 0}, Dilations: [2]int{2, 1}}, []Type{f32(1, 4, 1, 6)}, "a pixel inside", ErrUnsupported},
	} {
		got, err := c.op.infer(c.in)
		switch {
		case c.err == nil && (err != nil || got.String() != c.want):
			t.Errorf("%s%v of %v: %v, %v; want %s", c.op.Kind(), c.op, c.in, got, err, c.want)
		case c.err != nil && (!errors.Is(err, c.err) || !contains(err, c.want)):
			t.Errorf("%s%v of %v: %v, %v; want %v with %q", c.op.Kind(), c.op, c.in, got, err, c.err, c.want)
		}
	}
}

func TestTransposedMACs(t *testing.T) {
	x := &Value{Name: "x", Type: &Type{Float32, dims("n", 4, "h", "w")}}
	g := &Graph{Inputs: []*Value{x}}
	g.Outputs = []*Value{g.Add("y", ConvTranspose{Strides: [2]int{2, 2}, Group: 2}, x, Weight("w", Float32Tensor([]int{4, 3, 2, 2}, make([]float32, 48))))}
	if macs, err := g.MACs(FixedShape(2, 4, 5, 6)); err != nil || macs != 2*4*5*6*3*2*2 {
		t.Errorf("%d, %v; want 12 for each element of the input", macs, err)
	}
}

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }
