package convertcmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/format"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/internal/mmap"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/verify"
)

// check is what the proof found.
type check struct {
	Compared  []string           `json:"compared"` // what the proof covers
	MaxAbs    float64            `json:"max_abs"`
	RelL2     float64            `json:"rel_l2"`
	Top1Agree *float64           `json:"top1_agree"` // nil for feature maps
	Reference *verify.Comparison `json:"reference,omitempty"`

	inputs, referenceInputs int
}

// What a proof can cover.
const (
	comparedFusing    = "fusing"
	comparedHalf      = "float16"
	comparedFormat    = "file format"
	comparedReference = "reference outputs"
)

// checkSeed makes every check use the same input.
const checkSeed = 1

// prover runs networks against each other.
type prover struct {
	ctx       context.Context
	threads   int
	maxMemory int64
	open      map[*graph.Graph]*infer.Session
}

func (p *prover) close() {
	for _, s := range p.open {
		s.Close()
	}
}

func (p *prover) session(g *graph.Graph) (*infer.Session, error) {
	if s := p.open[g]; s != nil {
		return s, nil
	}
	s, err := infer.New(g, infer.Options{Threads: p.threads, MaxMemory: p.maxMemory})
	if err == nil {
		p.open[g] = s
	}
	return s, err
}

// equal compares what two networks compute; a difference is an error.
func (p *prover) equal(want, got *graph.Graph, x *graph.Tensor, tolerance verify.Tolerance) (verify.Comparison, error) {
	w, err := p.session(want)
	if err != nil {
		return verify.Comparison{}, err
	}
	g, err := p.session(got)
	if err != nil {
		return verify.Comparison{}, err
	}
	c, err := verify.Check(p.ctx, w, g, x, tolerance)
	if err != nil || c.Equal {
		return c, err
	}
	if len(c.NotFinite) > 0 {
		n, network := c.NotFinite[0], "the checkpoint's own network"
		if n.Got {
			network = "the result"
		}
		return c, fmt.Errorf("%s computes numbers that are not finite on the check's input: %s is the first value with NaN or infinities: %w", network, n.Value, errNotFinite)
	}
	where := ""
	if d := c.FirstDivergence; d != nil {
		where = fmt.Sprintf("; the first value that differs is %s, by %.2g", d.Value, d.MaxAbs)
	}
	return c, fmt.Errorf("found a difference of %.2g in the output, expected at most %v%s: %w", c.MaxAbs, tolerance, where, errCheck)
}

// prove reads the finished file back and runs it and the checkpoint's own network, as it
// was read, on the same input. What int8 rounds can't be equal: there the fused float network
// is held against the checkpoint's, and the file against the int8 network that it was
// written from, whose loss quantizing has measured. Where PyTorch's outputs are there, the
// file, or of an int8 one its float network, has to compute them.
func prove(ctx context.Context, cfg *config, training, deploy, g *graph.Graph, out *outfile.File, f *format.Format) (*check, error) {
	content, err := out.Content()
	if err != nil {
		return nil, err
	}
	m, err := mmap.Of(content)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	back, err := f.Decode(m.Data)
	if err != nil {
		return nil, fmt.Errorf("reading the result back: %w", err)
	}
	written := back.Graph
	h, w := cfg.resolution()
	x, err := verify.RandomInput(load.InputShape(training, 2, h, w), checkSeed)
	if err != nil {
		return nil, err
	}
	p := &prover{ctx: ctx, threads: cfg.threads, maxMemory: cfg.maxMemory, open: map[*graph.Graph]*infer.Session{}}
	defer p.close()
	proven := written
	if cfg.quant {
		if _, err := p.equal(g, written, x, verify.DefaultTolerance); err != nil {
			return nil, fmt.Errorf("the int8 network, read back: %w", err)
		}
		proven = deploy
	}
	c, err := p.equal(training, proven, x, verify.ToleranceFor(proven))
	if err != nil {
		return nil, err
	}
	r := &check{MaxAbs: c.MaxAbs, RelL2: c.RelL2, inputs: x.Shape[0]}
	if c.Top1Agree == c.Top1Agree {
		r.Top1Agree = &c.Top1Agree
	}
	if cfg.fuse {
		r.Compared = append(r.Compared, comparedFusing)
	}
	if cfg.half {
		r.Compared = append(r.Compared, comparedHalf)
	}
	r.Compared = append(r.Compared, comparedFormat)
	if cfg.expect != "" {
		s, err := p.session(proven)
		if err != nil {
			return nil, err
		}
		if r.Reference, err = cfg.reference.check(ctx, s); err != nil {
			return nil, err
		}
		r.Compared = append(r.Compared, comparedReference)
		r.referenceInputs = cfg.reference.x[0].Tensor.Shape[0]
	}
	return r, nil
}

// lines are the summary's words on what was compared, and on what was not.
func (c *check) lines(cfg *config) []string {
	if c == nil {
		return []string{"not checked: --no-check"}
	}
	checked := strings.Join(c.Compared, ", ")
	if n := len(c.Compared); c.Reference != nil {
		checked = strings.Join(c.Compared[:n-1], ", ")
	}
	text := fmt.Sprintf("checked %s on %d random inputs: largest difference %.2g", checked, c.inputs, c.MaxAbs)
	if cfg.quant {
		text = fmt.Sprintf("checked fusing (of the float network) and file format (of the int8 one) on %d random inputs: largest difference %.2g", c.inputs, c.MaxAbs)
	}
	if c.Top1Agree != nil {
		text += fmt.Sprintf(", same top-1 on %.0f %%", 100**c.Top1Agree)
	}
	if c.Reference == nil {
		return []string{text, "not compared with PyTorch's outputs; --input x.npy --expect y.npy does that"}
	}
	return []string{text, c.equalsReference(cfg)}
}

// equalsReference says what is equal to what the reference holds.
func (c *check) equalsReference(cfg *config) string {
	text := fmt.Sprintf("equals PyTorch's outputs in %s: largest difference %.2g on %d inputs", cfg.expect, c.Reference.MaxAbs, c.referenceInputs)
	if cfg.quant {
		text = "the float network " + text
	}
	if len(c.Reference.NotCompared) > 0 {
		text += "; not compared: " + strings.Join(c.Reference.NotCompared, ", ")
	}
	return text
}
