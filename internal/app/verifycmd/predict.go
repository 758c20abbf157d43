package verifycmd

import (
	"context"
	"fmt"
	"image"
	"image/png"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/draw"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/internal/seen"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/segment"
	"github.com/repvit-go/repvit/verify"
)

// predict is the command: it says and shows what a network sees on an image.
func predict(c *urfave.Context, cfg *config) error {
	args := c.Args().Slice()
	switch len(args) {
	case 2:
		if f := firstSet(c, promptFlags()); f != "" {
			return cli.Usagef("--%s: prompts are for an encoder, its decoder and an image", f)
		}
	case 3:
		if f := firstSet(c, imageFlags()); f != "" {
			return cli.Usagef("--%s means nothing to promptable segmenters, which say how they take images", f)
		}
		return predictSAM(c, cfg, args[0], args[1], args[2])
	default:
		return cli.Usagef("predict takes a model and an image, or an encoder, its decoder and an image; found %d files", len(args))
	}
	path, file := args[0], args[1]
	n, err := openNetwork(cfg, path)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.start(cfg, nil); err != nil {
		return err
	}
	open, see := cfg.open(), n.seeClasses
	if _, whole := n.Fit(); whole {
		if cfg.upright {
			return errUpright
		}
		open, see = openUpright, n.seePixels
		if n.isDetector() {
			see = n.seeObjects
		}
	}
	img, err := open(file)
	if err != nil {
		return err
	}
	p, err := see(c, cfg, img)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", path, file, err)
	}
	if cfg.output != "" {
		m, err := p.Picture(img)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if m == nil {
			return cli.Usagef("--output: a classifier's answer is no picture; expected a segmenter or detector")
		}
		if err := writePNG(cfg.output, m); err != nil {
			return err
		}
	}
	switch {
	case cfg.json:
		return cli.PrintJSON(c.App.Writer, p)
	case !cfg.quiet:
		return p.Print(c.App.Writer)
	}
	return nil
}

// firstSet is the first of some flags that was given; empty for none.
func firstSet(c *urfave.Context, flags []urfave.Flag) string {
	for _, f := range flags {
		if name := f.Names()[0]; c.IsSet(name) {
			return name
		}
	}
	return ""
}

// writePNG writes a picture that appears whole or not at all.
func writePNG(path string, m image.Image) error {
	f, err := outfile.Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := png.Encode(f, m); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return f.Commit()
}

// topClasses is how many classes of an image are told.
const topClasses = 5

// classifier returns what tells the most probable classes of an image, most classes at most. Close
// frees what it needs.
func (n *network) classifier(cfg *config, most int) (classify func(context.Context, image.Image) (seen.Classes, error), close func() error, err error) {
	p, err := n.images(cfg)
	if err != nil {
		return nil, nil, err
	}
	s, close := n.session, func() error { return nil }
	if s == nil { // the reference's logits are read as the engine's would be
		if s, err = infer.New(n.Graph, infer.Options{Threads: cfg.threads}); err != nil {
			return nil, nil, err
		}
		close = s.Close
	}
	return func(ctx context.Context, img image.Image) (seen.Classes, error) {
		x, err := p.Tensor(img)
		if err != nil {
			return seen.Classes{}, err
		}
		y, err := n.engine.Run(ctx, x)
		if err != nil {
			return seen.Classes{}, err
		}
		if len(y.Shape) != 2 || y.Shape[0] != 1 {
			return seen.Classes{}, fmt.Errorf("%w: found an output of shape %v, expected logits 1×classes, or a segmenter or detector", graph.ErrUnsupported, y.Shape)
		}
		top, err := s.Top(y.Float32s(), most)
		return seen.ClassesOf(top), err
	}, close, nil
}

func (n *network) seeClasses(c *urfave.Context, cfg *config, img image.Image) (seen.Answer, error) {
	classify, close, err := n.classifier(cfg, topClasses)
	if err != nil {
		return nil, err
	}
	defer close()
	return classify(c.Context, img)
}

// names are those of the classes, with their colours.
func (n *network) names() draw.Names {
	colors, _ := infer.Palette(n.Graph) // a courtesy here
	return draw.Names{Labels: n.labels(), Colors: colors}
}

func (n *network) seePixels(c *urfave.Context, cfg *config, img image.Image) (seen.Answer, error) {
	outputs, at, err := n.see(c, cfg, img)
	if err != nil {
		return nil, err
	}
	if _, err := segment.Classes(n.Graph); err != nil {
		return nil, err
	}
	of, err := at.Classes(outputs[0])
	if err != nil {
		return nil, err
	}
	return seen.PixelsOf(at.Image, of, n.names()), nil
}

func (n *network) seeObjects(c *urfave.Context, cfg *config, img image.Image) (seen.Answer, error) {
	outputs, at, err := n.see(c, cfg, img)
	if err != nil {
		return nil, err
	}
	found, err := detect.Outputs(n.Graph, outputs, at)
	if err != nil {
		return nil, err
	}
	return seen.ObjectsOf(at.Image, found, n.names()), nil
}

// see runs a network that sees whole images.
func (n *network) see(c *urfave.Context, cfg *config, img image.Image) ([]*graph.Tensor, preprocess.Placement, error) {
	fit, _ := n.Fit()
	if cfg.height > 0 {
		fit = fit.Sized(cfg.height, cfg.width)
	}
	x, at, err := fit.For(n.Graph.Inputs[0].Type.Shape).Tensor(img)
	if err != nil {
		return nil, at, err
	}
	outputs, err := verify.RunAll(c.Context, n.engine, x)
	return outputs, at, err
}
