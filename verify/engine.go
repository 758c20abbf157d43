package verify

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/quant"
)

// Engine runs a network. Sessions of package infer and networks of package
// verify/reference are engines.
type Engine interface {
	// Graph returns the network, which must not be changed.
	Graph() *graph.Graph
	// Run returns the first output.
	Run(ctx context.Context, x *graph.Tensor) (*graph.Tensor, error)
	// Observe runs the network and calls f, on the caller's goroutine, with every value
	// that a node produces, in the order of the nodes. Values that depend on constants
	// alone may be left out. The tensors are not written to after the call.
	Observe(ctx context.Context, x *graph.Tensor, f func(v *graph.Value, t *graph.Tensor) error) error
}

// Session is a session of package infer that is open only while it runs: comparing two networks
// needs the memory of one.
type Session struct {
	Network *graph.Graph
	Options infer.Options
}

// Graph implements [Engine].
func (s Session) Graph() *graph.Graph { return s.Network }

// Run implements [Engine].
func (s Session) Run(ctx context.Context, x *graph.Tensor) (*graph.Tensor, error) {
	all, err := s.RunInputs(ctx, []*graph.Tensor{x})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// RunInputs returns all outputs for one tensor for each input.
func (s Session) RunInputs(ctx context.Context, inputs []*graph.Tensor) ([]*graph.Tensor, error) {
	open, err := infer.New(s.Network, s.Options)
	if err != nil {
		return nil, err
	}
	defer open.Close()
	return open.RunInputs(ctx, inputs)
}

// Observe implements [Engine].
func (s Session) Observe(ctx context.Context, x *graph.Tensor, f func(v *graph.Value, t *graph.Tensor) error) error {
	return s.ObserveInputs(ctx, []*graph.Tensor{x}, f)
}

// ObserveInputs is Observe for one tensor for each input.
func (s Session) ObserveInputs(ctx context.Context, inputs []*graph.Tensor, f func(v *graph.Value, t *graph.Tensor) error) error {
	open, err := infer.New(s.Network, s.Options)
	if err != nil {
		return err
	}
	defer open.Close()
	return open.ObserveInputs(ctx, inputs, f)
}

// RunAll returns all outputs of a network, or the first where the engine knows no more, for
// inputs of any float type where the network takes floats, one for each of its inputs.
func RunAll(ctx context.Context, e Engine, inputs ...*graph.Tensor) ([]*graph.Tensor, error) {
	fitted, err := fitAll(e.Graph(), inputs)
	if err != nil {
		return nil, err
	}
	if m, ok := e.(interface {
		RunInputs(context.Context, []*graph.Tensor) ([]*graph.Tensor, error)
	}); ok {
		return m.RunInputs(ctx, fitted)
	}
	if len(fitted) != 1 {
		return nil, fmt.Errorf("%w: a network with %d inputs, expected one", graph.ErrUnsupported, len(fitted))
	}
	y, err := e.Run(ctx, fitted[0])
	if err != nil {
		return nil, err
	}
	return []*graph.Tensor{y}, nil
}

// ObserveAll is [Engine].Observe for networks with any number of inputs, of any float type where the
// network takes floats.
func ObserveAll(ctx context.Context, e Engine, inputs []*graph.Tensor, f func(v *graph.Value, t *graph.Tensor) error) error {
	fitted, err := fitAll(e.Graph(), inputs)
	if err != nil {
		return err
	}
	if len(fitted) == 1 {
		return e.Observe(ctx, fitted[0], f)
	}
	if m, ok := e.(interface {
		ObserveInputs(context.Context, []*graph.Tensor, func(*graph.Value, *graph.Tensor) error) error
	}); ok {
		return m.ObserveInputs(ctx, fitted, f)
	}
	return fmt.Errorf("%w: a network with %d inputs, expected one", graph.ErrUnsupported, len(fitted))
}

// fitAll is [Fit] for several inputs.
func fitAll(g *graph.Graph, inputs []*graph.Tensor) ([]*graph.Tensor, error) {
	if len(inputs) != len(g.Inputs) {
		return nil, fmt.Errorf("%w: found %d inputs, expected %d", graph.ErrShape, len(inputs), len(g.Inputs))
	}
	fitted := make([]*graph.Tensor, len(inputs))
	for i, x := range inputs {
		var err error
		if fitted[i], err = fit(g.Inputs[i], x); err != nil {
			return nil, err
		}
	}
	return fitted, nil
}

// Fit returns x with elements of the type that the graph's input declares: float64 values
// from a file are rounded for a network that takes float32, and integers are those of another
// type that holds them. Other types are refused with an error that wraps [graph.ErrShape].
func Fit(g *graph.Graph, x *graph.Tensor) (*graph.Tensor, error) {
	if len(g.Inputs) != 1 || g.Inputs[0].Type == nil {
		return nil, fmt.Errorf("%w: a network with %d inputs, expected one", graph.ErrUnsupported, len(g.Inputs))
	}
	return fit(g.Inputs[0], x)
}

// fit is [Fit] for one of several inputs.
func fit(in *graph.Value, x *graph.Tensor) (*graph.Tensor, error) {
	want := in.Type.DType
	switch {
	case x != nil && x.DType == want:
		return x, nil
	case x != nil && whole(x.DType) && whole(want):
		return fitInteger(in, x)
	case x == nil || !x.DType.IsFloat() || !want.IsFloat():
		found, expected := "none", want.String()
		if x != nil {
			found = x.DType.String()
		}
		if want.IsFloat() {
			expected = "floats"
		}
		return nil, fmt.Errorf("%w: input %q of %s, expected %s", graph.ErrShape, in.Name, found, expected)
	case want == graph.Float64:
		return graph.Float64Tensor(x.Shape, x.Float64s()), nil
	case want == graph.Float16:
		return x.Half(), nil
	}
	return graph.Float32Tensor(x.Shape, x.Float32s()), nil
}

// whole reports whether a type is of integers.
func whole(d graph.DType) bool { return !d.IsFloat() && d != graph.Bool }

// fitInteger converts integers to the type of an input, which must hold them.
func fitInteger(in *graph.Value, x *graph.Tensor) (*graph.Tensor, error) {
	wide := x.Int64s()
	if x.DType != graph.Int64 {
		wide = make([]int64, x.Len())
		for i, v := range x.Float64s() { // exact for 32 bits and less
			wide[i] = int64(v)
		}
	}
	size := in.Type.DType.Size()
	b := make([]byte, 0, len(wide)*size)
	low, high := int64(-1)<<(8*size-1), int64(1)<<(8*size-1)-1
	if in.Type.DType == graph.Uint8 {
		low, high = 0, 255
	}
	for _, v := range wide {
		if v < low || v > high {
			return nil, fmt.Errorf("%w: found %d for the input %q, expected %v", graph.ErrShape, v, in.Name, in.Type.DType)
		}
		b = append(b, binary.LittleEndian.AppendUint64(nil, uint64(v))[:size]...)
	}
	return graph.NewTensor(in.Type.DType, x.Shape, b)
}

// InputFor returns the array that a network with one input takes: the only one, without a name
// or with the input's. The error wraps [graph.ErrShape] where it is another.
func InputFor(g *graph.Graph, arrays []npy.Array) (*graph.Tensor, error) {
	if len(g.Inputs) != 1 {
		return nil, fmt.Errorf("%w: a network with %d inputs, expected one", graph.ErrUnsupported, len(g.Inputs))
	}
	name := g.Inputs[0].Name
	for _, a := range arrays {
		if a.Name != "" && a.Name != name {
			return nil, fmt.Errorf("%w: found an array named %q, expected the input %q", graph.ErrShape, clip(a.Name), name)
		}
	}
	if len(arrays) != 1 {
		return nil, fmt.Errorf("%w: found %d arrays, expected one for the input %q", graph.ErrShape, len(arrays), name)
	}
	return Fit(g, arrays[0].Tensor)
}

// InputsFor returns the arrays that a network takes, by the names of its inputs and in their
// order. For one input it is [InputFor].
func InputsFor(g *graph.Graph, arrays []npy.Array) ([]*graph.Tensor, error) {
	if len(g.Inputs) == 1 {
		x, err := InputFor(g, arrays)
		return []*graph.Tensor{x}, err
	}
	byName := map[string]*graph.Tensor{}
	for _, a := range arrays {
		byName[a.Name] = a.Tensor
	}
	var all []*graph.Tensor
	for _, in := range g.Inputs {
		x, ok := byName[in.Name]
		if !ok {
			return nil, fmt.Errorf("%w: found no array for the input %q, expected an .npz file with one of its name", graph.ErrShape, in.Name)
		}
		delete(byName, in.Name)
		x, err := fit(in, x)
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	for _, a := range arrays {
		if _, ok := byName[a.Name]; ok {
			return nil, fmt.Errorf("%w: found an array named %q, and no input of that name", graph.ErrShape, clip(a.Name))
		}
	}
	return all, nil
}

// maxElements bounds what RandomInput makes: 4 GiB.
const maxElements = 1 << 30

// RandomInput returns a float32 tensor of numbers with mean 0 and deviation 1, close to
// normally distributed between −6 and 6, like a normalised image's. Each is the sum of
// twelve numbers that are uniform in [0, 1), less 6, drawn from the PCG generator of
// math/rand/v2 with the seeds seed and 0: the same bits on every machine. The error wraps
// [graph.ErrShape] for a shape with more than 2³⁰ elements.
func RandomInput(shape []int, seed uint64) (*graph.Tensor, error) {
	n, err := graph.Numel(shape)
	if err != nil {
		return nil, err
	}
	if n > maxElements {
		return nil, fmt.Errorf("%w: random input of shape %v, expected at most %d elements", graph.ErrShape, shape, maxElements)
	}
	source := rand.NewPCG(seed, 0)
	v := make([]float32, n)
	for i := range v {
		// Two 32-bit uniforms at a time; the sum is an exact integer.
		var sum uint64
		for range 6 {
			u := source.Uint64()
			sum += u>>32 + u&0xffffffff
		}
		v[i] = float32(float64(sum)/(1<<32) - 6)
	}
	return graph.Float32Tensor(slices.Clone(shape), v), nil
}

// MadeInput returns a batch N×C×H×W of made-up images, for networks whose numbers are only
// good for what looks like an image: those in int8. They are those of [quant.Made], from the
// first again where N is more. The error wraps [graph.ErrShape] for shapes that images do
// not have or of more than 2³⁰ elements, or is that of [quant.Made].
func MadeInput(ctx context.Context, shape []int) (*graph.Tensor, error) {
	if len(shape) != 4 {
		return nil, fmt.Errorf("%w: an input of shape %v, expected N×C×H×W", graph.ErrShape, shape)
	}
	images, err := quant.Made(ctx, shape[1], shape[2], shape[3])
	if err != nil {
		return nil, err
	}
	n := shape[0]
	if n < 0 || n > maxElements/images[0].Len() {
		return nil, fmt.Errorf("%w: made-up images of shape %v, expected at most %d elements", graph.ErrShape, shape, maxElements)
	}
	var all []float32
	for i := range n {
		all = append(all, images[i%len(images)].Float32s()...)
	}
	return graph.Float32Tensor([]int{n, shape[1], shape[2], shape[3]}, all), nil
}

// clip shortens text that is quoted in an error.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
