package convert

import (
	"context"
	"errors"
	"fmt"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/format"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/verify"
)

// Check is what the proof found.
type Check struct {
	Compared  []string           `json:"compared"`   // what the proof covers
	MaxAbs    float64            `json:"max_abs"`    // largest difference of the outputs
	RelL2     float64            `json:"rel_l2"`     // see [verify.Comparison]
	Top1Agree *float64           `json:"top1_agree"` // share of inputs with the same top-1; nil for feature maps
	Reference *verify.Comparison `json:"reference,omitempty"`

	Inputs          int `json:"-"` // random inputs that were compared on
	ReferenceInputs int `json:"-"` // of the reference
}

// What a proof can cover.
const (
	ComparedFusing    = "fusing"
	ComparedHalf      = "float16"
	ComparedFormat    = "file format"
	ComparedReference = "reference outputs"
)

// Errors of the proof.
var (
	// ErrCheck: the result differs from the checkpoint's network by more than rounding does.
	ErrCheck = errors.New("the result does not compute what the checkpoint computes; nothing was written")
	// ErrNotFinite: a network computes NaN or infinities.
	ErrNotFinite = errors.New("float32 (up to 3.4e38, float16 to 65504) does not hold the values, so nothing can be proven and nothing was written")
)

// ReferenceError is of a network that does not compute what PyTorch did.
type ReferenceError struct {
	Reference  *Reference
	Comparison verify.Comparison
	Tolerance  verify.Tolerance // that was asked for
}

// Error is one line.
func (e *ReferenceError) Error() string {
	r, d := e.Reference, e.Comparison.FirstDivergence
	return fmt.Sprintf("%s: found a difference of %.2g in %q, expected at most %v: the network as it was read from the checkpoint does not compute for %s what %s holds: "+
		"it was read wrongly, or these are not its outputs in eval mode; nothing was written", r.ExpectName, d.MaxAbs, d.Value, e.Tolerance, r.InputName, r.ExpectName)
}

// Reference is an input and what PyTorch computed for it.
type Reference struct {
	Input  npy.Array   // N×C×H×W
	Expect []npy.Array // the outputs, by their names where there are several

	InputName, ExpectName string // the files that they come from, for errors
}

// checkSeed makes every check use the same input.
const checkSeed = 1

func (j *job) session(g *graph.Graph) verify.Session {
	return verify.Session{Network: g, Options: j.engine()}
}

// equal compares what two networks compute; a difference is an error.
func (j *job) equal(ctx context.Context, got, want *graph.Graph, inputs []*graph.Tensor, tolerance verify.Tolerance) (verify.Comparison, error) {
	c, err := verify.CheckInputs(ctx, j.session(got), j.session(want), inputs, tolerance)
	if err != nil || c.Equal {
		return c, err
	}
	if len(c.NotFinite) > 0 {
		n, network := c.NotFinite[0], "the checkpoint's own network"
		if n.Got {
			network = "the result"
		}
		return c, fmt.Errorf("%s computes numbers that are not finite on the check's input: %s is the first value with NaN or infinities: %w", network, n.Value, ErrNotFinite)
	}
	where := ""
	if d := c.FirstDivergence; d != nil {
		where = fmt.Sprintf("; the first value that differs is %s, by %.2g", d.Value, d.MaxAbs)
	}
	return c, fmt.Errorf("found a difference of %.2g in the output, expected at most %v%s: %w", c.MaxAbs, tolerance, where, ErrCheck)
}

// prove reads the finished file back and runs it and the checkpoint's own network, as it
// was read, on the same input. What int8 rounds can't be equal: there the fused float network
// is held against the checkpoint's, and the file against the int8 network that it was
// written from, whose loss quantizing has measured. Where PyTorch's outputs are there, the
// file, or of an int8 one its float network, has to compute them.
func (j *job) prove(ctx context.Context, out *target) (*Check, error) {
	maps, err := out.maps()
	if err != nil {
		return nil, err
	}
	defer format.Unmap(maps)
	back, err := j.f.Decode(format.Contents(maps))
	if err != nil {
		return nil, fmt.Errorf("reading the result back: %w", err)
	}
	sets, err := j.inputs()
	if err != nil {
		return nil, err
	}
	r := &Check{}
	proven := back.Graph
	if j.Int8 != nil {
		proven = j.Deploy
	}
	for _, inputs := range sets {
		if j.Int8 != nil {
			// What a format rounds in its own way is held against the float network.
			want, tolerance := j.Written, verify.DefaultTolerance
			if j.f.Rounds {
				want, tolerance = j.Deploy, verify.Int8Tolerance
			}
			if _, err := j.equal(ctx, back.Graph, want, inputs, tolerance); err != nil {
				return nil, fmt.Errorf("the int8 network, read back: %w", err)
			}
			if j.Int8.Scope == quant.Weights { // rounded to float16 as well, which no loss has measured yet
				if _, err := j.equal(ctx, back.Graph, j.Deploy, inputs, verify.Int8Tolerance); err != nil {
					return nil, fmt.Errorf("the network with int8 weights, read back: %w", err)
				}
			}
		}
		c, err := j.equal(ctx, proven, j.Training, inputs, verify.ToleranceFor(proven))
		if err != nil {
			return nil, err
		}
		r.MaxAbs, r.RelL2 = max(r.MaxAbs, c.MaxAbs), max(r.RelL2, c.RelL2)
		if c.Top1Agree == c.Top1Agree {
			r.Top1Agree = &c.Top1Agree
		}
	}
	if r.Inputs = len(sets); len(sets) == 1 && j.part() == "" {
		r.Inputs = sets[0][0].Shape[0]
	}
	if !j.NoFuse {
		r.Compared = append(r.Compared, ComparedFusing)
	}
	if j.Half {
		r.Compared = append(r.Compared, ComparedHalf)
	}
	r.Compared = append(r.Compared, ComparedFormat)
	if j.Reference != nil {
		if r.Reference, err = j.Reference.check(ctx, j.session(proven)); err != nil {
			return nil, err
		}
		r.Compared = append(r.Compared, ComparedReference)
		r.ReferenceInputs = j.Reference.Input.Tensor.Shape[0]
	}
	return r, nil
}

// check holds a network against the reference; a difference is an error.
func (r *Reference) check(ctx context.Context, s verify.Session) (*verify.Comparison, error) {
	x, err := verify.InputFor(s.Graph(), []npy.Array{r.Input})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.InputName, err)
	}
	tolerance := verify.ToleranceFor(s.Graph())
	c, err := verify.Expect(ctx, s, x, r.Expect, tolerance)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.ExpectName, err)
	}
	if !c.Equal {
		return nil, &ReferenceError{r, c, tolerance}
	}
	return &c, nil
}
