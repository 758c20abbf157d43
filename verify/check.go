package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/npy"
)

// Check compares what two networks compute for an input N×3×H×W: the outputs of got, a deploy
// form, a converted or a quantized model, with those of want, the training form or
// whatever it was made from. It is what a conversion runs before its output gets its
// name.
//
// All outputs must be equal under the tolerance. Where they are not, Check runs both networks
// again for the first value that diverges; if they share no names, or if no value before
// the outputs diverges by the package's rule, that is the first output that differs.
//
// Outputs that are not finite prove nothing: with them the networks are not equal, and
// Check says which value is the first that is not.
//
// Where networks decide, as those do that give classes of pixels or objects, rounding may turn a
// decision that is close. Of networks with the same operators that decide, Check compares what they
// decide about, and what follows from the decisions of want; the outputs then have the names of
// those values.
func Check(ctx context.Context, got, want Engine, x *graph.Tensor, tol Tolerance) (Comparison, error) {
	return CheckInputs(ctx, got, want, []*graph.Tensor{x}, tol)
}

// CheckInputs is [Check] for networks with several inputs, in the graphs' order.
func CheckInputs(ctx context.Context, got, want Engine, inputs []*graph.Tensor, tol Tolerance) (Comparison, error) {
	g, w, release, err := undecided(ctx, got, want, inputs)
	if err != nil {
		return Comparison{}, err
	}
	defer release()
	if g != nil {
		got, want = g, w
	}
	right, err := RunAll(ctx, want, inputs...)
	if err != nil {
		return Comparison{}, err
	}
	found, err := RunAll(ctx, got, inputs...)
	if err != nil {
		return Comparison{}, err
	}
	if len(found) != len(right) {
		return Comparison{}, fmt.Errorf("%w: %d outputs, expected %d", graph.ErrShape, len(found), len(right))
	}
	var all Comparison
	for i, v := range got.Graph().Outputs {
		c, err := compare(found[i], right[i], tol, givesLogits(got.Graph()))
		if err != nil {
			return Comparison{}, fmt.Errorf("output %q: %w", v.Name, err)
		}
		all.add(v.Name, c)
	}
	for _, n := range []struct {
		engine  Engine
		outputs []*graph.Tensor
		got     bool
	}{{want, right, false}, {got, found, true}} {
		where, err := notFinite(ctx, n.engine, inputs, n.outputs, n.got)
		if err != nil {
			return Comparison{}, err
		}
		if where != nil {
			all.Equal = false
			all.NotFinite = append(all.NotFinite, *where)
		}
	}
	if !all.Equal {
		if all.FirstDivergence, err = firstDivergence(ctx, got, want, inputs, tol); err != nil {
			return Comparison{}, err
		}
		if all.FirstDivergence == nil {
			all.FirstDivergence = all.firstOutput()
		}
	}
	if len(all.Outputs) == 1 {
		all.Outputs = nil
	}
	return all, nil
}

// firstOutput is the first output that differs.
func (c *Comparison) firstOutput() *Divergence {
	for _, o := range c.Outputs {
		if !o.Equal {
			return &Divergence{o.Name, o.MaxAbs}
		}
	}
	return nil
}

// ErrOutput is wrapped by errors about arrays that belong to no output.
var ErrOutput = errors.New("no such output")

// Expect runs a network on an input N×3×H×W and compares its outputs with arrays that bear
// their names. An array without a name belongs to the only output. Outputs without an array
// are listed as not compared, and so are arrays that have the name of an output that the network has
// with other options of the conversion.
//
// Of classes of pixels those may differ between which the network's own logits hardly differ. Of
// detections every one has to be there, and none else: they are compared one to one, whatever the
// order of those whose scores hardly differ, by [BoxTolerance] and its like where tol is
// [DefaultTolerance].
//
//	The error wraps [ErrOutput] for arrays that belong to no output,
//
// or none at all, and [graph.ErrShape] where a shape differs.
func Expect(ctx context.Context, got Engine, x *graph.Tensor, want []npy.Array, tol Tolerance) (Comparison, error) {
	return ExpectInputs(ctx, got, []*graph.Tensor{x}, want, tol)
}

// ExpectInputs is [Expect] for networks with several inputs, in the graph's order.
func ExpectInputs(ctx context.Context, got Engine, inputs []*graph.Tensor, want []npy.Array, tol Tolerance) (Comparison, error) {
	outputs := got.Graph().Outputs
	var names []string
	for _, v := range outputs {
		names = append(names, v.Name)
	}
	list := strings.Join(names, ", ")
	right := map[string]*graph.Tensor{}
	var others []string // of outputs that the network has with other options
	for _, a := range want {
		name := a.Name
		if !slices.Contains(names, name) && slices.Contains(family.OutputsOf(got.Graph()), name) {
			others = append(others, name)
			continue
		}
		if name == "" && len(want) == 1 {
			if len(names) != 1 {
				return Comparison{}, fmt.Errorf("%w: found an array without a name for %d outputs, expected an .npz with arrays named as they are: %s", ErrOutput, len(names), list)
			}
			name = names[0]
		}
		if !slices.Contains(names, name) {
			return Comparison{}, fmt.Errorf("%w: found an array named %q, expected names of outputs: %s", ErrOutput, clip(name), list)
		}
		right[name] = a.Tensor
	}
	if len(right) == 0 {
		return Comparison{}, fmt.Errorf("%w: found no arrays, expected some of %s", ErrOutput, list)
	}
	found, err := RunAll(ctx, got, inputs...)
	if err != nil {
		return Comparison{}, err
	}
	all := Comparison{NotCompared: others}
	rows, err := matchDetections(got.Graph(), found, right)
	if err != nil {
		return Comparison{}, err
	}
	for i, name := range names {
		if right[name] == nil {
			all.NotCompared = append(all.NotCompared, name)
			continue
		}
		var c Comparison
		if part := rows[name]; part != nil {
			c, err = part.compare(tol)
		} else if c, err = compare(found[i], right[name], tol, givesLogits(got.Graph())); err == nil && !c.Equal {
			err = closeDecisions(ctx, got, inputs, i, right[name], tol, &c)
		}
		if err != nil {
			return Comparison{}, fmt.Errorf("output %q: %w", name, err)
		}
		all.add(name, c)
	}
	if !all.Equal {
		all.FirstDivergence = all.firstOutput()
		where, err := notFinite(ctx, got, inputs, found, true)
		if err != nil {
			return Comparison{}, err
		}
		if where != nil {
			all.NotFinite = []NotFinite{*where}
		}
	}
	return all, nil
}
