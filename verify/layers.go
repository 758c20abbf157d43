package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/finite"
	"github.com/repvit-go/repvit/quant"
)

// Layer is one value that two networks both name, a's against b's.
type Layer struct {
	Value  string  // the value's name
	Kind   string  // ONNX name of the operator that produces it in b
	MaxAbs float64 // largest |a − b|; infinite where the shapes differ
	RelL2  float64 // ‖a − b‖₂ / ‖b‖₂
	SQNR   float64 // in decibels
	// Magnitude is the largest |b|, Scale what the layer's distance is measured by; see the
	// package's rules.
	Magnitude float64
	Scale     float64
}

// Diverges reports whether a's value differs from b's by the package's rule.
func (l Layer) Diverges(tol Tolerance) bool {
	if tol.Int8 {
		return !(l.SQNR >= quant.UsableSQNR)
	}
	return !(l.MaxAbs <= (tol.Abs+tol.Rel)*l.Scale)
}

// MarshalJSON encodes l with null for numbers that are not finite.
func (l Layer) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Value  string   `json:"value"`
		Kind   string   `json:"kind"`
		MaxAbs *float64 `json:"max_abs"`
		RelL2  *float64 `json:"rel_l2"`
		SQNR   *float64 `json:"sqnr_db"`
	}{l.Value, l.Kind, finite.OrNil(l.MaxAbs), finite.OrNil(l.RelL2), finite.OrNil(l.SQNR)})
}

// Layers compares every value that nodes of both networks produce under one name, in b's
// order. It is empty where they share no names. Both networks run at the same pace, so that
// no more than a few values are held at a time where their orders agree.
func Layers(ctx context.Context, a, b Engine, x *graph.Tensor) ([]Layer, error) {
	var all []Layer
	err := walk(ctx, a, b, []*graph.Tensor{x}, func(l Layer) bool {
		all = append(all, l)
		return true
	})
	return all, err
}

// FirstDivergence returns the first value, in b's order, that diverges between the two
// networks, nil where none does. It runs them no further than that.
func FirstDivergence(ctx context.Context, a, b Engine, x *graph.Tensor, tol Tolerance) (*Divergence, error) {
	return firstDivergence(ctx, a, b, []*graph.Tensor{x}, tol)
}

func firstDivergence(ctx context.Context, a, b Engine, inputs []*graph.Tensor, tol Tolerance) (*Divergence, error) {
	var first *Divergence
	err := walk(ctx, a, b, inputs, func(l Layer) bool {
		if l.Diverges(tol) {
			first = &Divergence{l.Value, l.MaxAbs}
		}
		return first == nil
	})
	return first, err
}

// floor is the part of the largest magnitude so far below which a value is not measured
// by its own.
const floor = 1e-3

// walk calls f with every shared value until it returns false.
func walk(ctx context.Context, a, b Engine, inputs []*graph.Tensor, f func(Layer) bool) error {
	kinds := shared(a.Graph(), b.Graph())
	if len(kinds) == 0 {
		return nil
	}
	as, stopA := observe(ctx, a, inputs)
	defer stopA()
	bs, stopB := observe(ctx, b, inputs)
	defer stopB()
	early := map[string]*graph.Tensor{} // values of a that b has not come to yet
	ended := false                      // a has delivered everything
	largest := 0.0
	for _, x := range inputs {
		largest = max(largest, magnitude(x))
	}
	for {
		vb, ok := bs()
		if !ok {
			return nil
		}
		if vb.err != nil {
			return vb.err
		}
		largest = max(largest, magnitude(vb.tensor))
		kind, ok := kinds[vb.name]
		if !ok {
			continue
		}
		for early[vb.name] == nil && !ended {
			va, ok := as()
			if va.err != nil {
				return va.err
			}
			if ended = !ok; ok && kinds[va.name] != "" {
				early[va.name] = va.tensor
			}
		}
		got := early[vb.name]
		if got == nil {
			continue // a constant, which engines may leave out
		}
		delete(early, vb.name)
		l := layer(got, vb.tensor)
		l.Value, l.Kind, l.Scale = vb.name, kind, max(l.Magnitude, floor*largest)
		if !f(l) {
			return nil
		}
	}
}

func layer(got, want *graph.Tensor) Layer {
	if !slices.Equal(got.Shape, want.Shape) {
		return Layer{MaxAbs: math.Inf(1), RelL2: math.Inf(1), SQNR: math.Inf(-1), Magnitude: magnitude(want)}
	}
	d := measure(got, want)
	return Layer{MaxAbs: d.MaxAbs, RelL2: d.RelL2(), SQNR: d.SQNR(), Magnitude: d.Magnitude}
}

// magnitude returns the largest magnitude of the finite numbers.
func magnitude(x *graph.Tensor) float64 {
	if x == nil {
		return 0
	}
	return measure(x, x).Magnitude
}

// shared returns the names of values that nodes of both graphs produce, and the operators
// that do it in b.
func shared(a, b *graph.Graph) map[string]string {
	in := map[string]bool{}
	for _, n := range a.Nodes {
		in[n.Name()] = true
	}
	kinds := map[string]string{}
	for _, n := range b.Nodes {
		if in[n.Name()] {
			kinds[n.Name()] = n.Op.Kind()
		}
	}
	return kinds
}

// observed is a value, or the error that ended the run.
type observed struct {
	name   string
	tensor *graph.Tensor
	err    error
}

// observe turns an engine's Observe into a function that returns one value at a time.
func observe(ctx context.Context, e Engine, inputs []*graph.Tensor) (next func() (observed, bool), stop func()) {
	return iter.Pull(func(yield func(observed) bool) {
		err := ObserveAll(ctx, e, inputs, func(v *graph.Value, t *graph.Tensor) error {
			if v == nil || t == nil {
				return fmt.Errorf("%w: an engine observed nothing", graph.ErrGraph)
			}
			if !yield(observed{name: v.Name, tensor: t}) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(observed{err: err})
		}
	})
}

var errStop = errors.New("nobody observes any more")
