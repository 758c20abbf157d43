package verifycmd

import (
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/draw"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/segment"
	"github.com/repvit-go/repvit/verify"
)

// prediction is what a network says of an image, for people and as JSON.
type prediction interface {
	print(io.Writer) error
	// picture shows it on the image; nil where there is nothing to show.
	picture(img image.Image) (image.Image, error)
}

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
	open, see := preprocess.Open, n.seeClasses
	if _, whole := n.Fit(); whole {
		open, see = preprocess.OpenUpright, n.seePixels
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
		m, err := p.picture(img)
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
		return p.print(c.App.Writer)
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

// seen is a class, an object or a part of an image.
type seen struct {
	Class int         `json:"class"`
	Label string      `json:"label"`
	Score *float64    `json:"score,omitempty"` // probability
	Box   *[4]float64 `json:"box,omitempty"`   // x0, y0, x1, y1 in the image's pixels
	Area  *int        `json:"area,omitempty"`  // pixels
	Share *float64    `json:"share,omitempty"` // of the image
}

// topClasses is how many classes of an image are told.
const topClasses = 5

// classes are what a classifier says.
type classes struct {
	Classes []seen `json:"classes"`
}

func (n *network) seeClasses(c *urfave.Context, cfg *config, img image.Image) (prediction, error) {
	p, err := n.images(cfg)
	if err != nil {
		return nil, err
	}
	x, err := p.Tensor(img)
	if err != nil {
		return nil, err
	}
	y, err := n.engine.Run(c.Context, x)
	if err != nil {
		return nil, err
	}
	s := n.session
	if s == nil { // the reference's logits are read as the engine's would be
		if s, err = infer.New(n.Graph, infer.Options{Threads: cfg.threads}); err != nil {
			return nil, err
		}
		defer s.Close()
	}
	if len(y.Shape) != 2 || y.Shape[0] != 1 {
		return nil, fmt.Errorf("%w: found an output of shape %v, expected logits 1×classes, or a segmenter or detector", graph.ErrUnsupported, y.Shape)
	}
	top, err := s.Top(y.Float32s(), topClasses)
	if err != nil {
		return nil, err
	}
	var all classes
	for _, t := range top {
		score := float64(t.Score)
		all.Classes = append(all.Classes, seen{Class: t.Index, Label: t.Label, Score: &score})
	}
	return all, nil
}

func (p classes) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range p.Classes {
		fmt.Fprintf(t, "%.2f %%\t%s\t\n", 100**s.Score, printable.Line(s.Label))
	}
	return t.Flush()
}

func (classes) picture(image.Image) (image.Image, error) { return nil, nil }

// pixels are what a segmenter says.
type pixels struct {
	Height  int    `json:"height"`
	Width   int    `json:"width"`
	Classes []seen `json:"classes"` // that occur, by falling area
	of      []int64
	names   draw.Names
}

func (n *network) seePixels(c *urfave.Context, cfg *config, img image.Image) (prediction, error) {
	outputs, at, err := n.see(c, cfg, img)
	if err != nil {
		return nil, err
	}
	if _, err := segment.Classes(n.Graph); err != nil {
		return nil, err
	}
	p := pixels{Height: at.Image.Y, Width: at.Image.X, names: n.names()}
	if p.of, err = at.Classes(outputs[0]); err != nil {
		return nil, err
	}
	area := map[int64]int{}
	for _, k := range p.of {
		area[k]++
	}
	for k, n := range area {
		share := float64(n) / float64(len(p.of))
		p.Classes = append(p.Classes, seen{Class: int(k), Label: p.names.Label(int(k)), Area: &n, Share: &share})
	}
	slices.SortFunc(p.Classes, func(a, b seen) int {
		if *a.Area != *b.Area {
			return *b.Area - *a.Area
		}
		return a.Class - b.Class
	})
	return p, nil
}

func (p pixels) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range p.Classes {
		fmt.Fprintf(t, "%.1f %%\t%s\t\n", 100**s.Share, printable.Line(s.Label))
	}
	return t.Flush()
}

func (p pixels) picture(img image.Image) (image.Image, error) {
	return draw.Classes(img, p.of, p.names)
}

// objects are what a detector says.
type objects struct {
	Height     int    `json:"height"`
	Width      int    `json:"width"`
	Detections []seen `json:"detections"` // by falling score
	found      []detect.Detection
	names      draw.Names
}

func (n *network) seeObjects(c *urfave.Context, cfg *config, img image.Image) (prediction, error) {
	outputs, at, err := n.see(c, cfg, img)
	if err != nil {
		return nil, err
	}
	p := objects{Height: at.Image.Y, Width: at.Image.X, Detections: []seen{}, names: n.names()}
	if p.found, err = detect.Outputs(n.Graph, outputs, at); err != nil {
		return nil, err
	}
	for _, o := range p.found {
		s := seen{Class: o.Class, Label: p.names.Label(o.Class), Score: &o.Score, Box: &o.Box}
		if h, w := o.Mask.Size(); h*w > 0 {
			area := o.Mask.Area()
			s.Area = &area
		}
		p.Detections = append(p.Detections, s)
	}
	return p, nil
}

func (p objects) print(w io.Writer) error {
	if len(p.Detections) == 0 {
		_, err := fmt.Fprintln(w, "nothing found")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range p.Detections {
		fmt.Fprintf(t, "%.2f %%\t%s\t%.0f,%.0f to %.0f,%.0f\t\n", 100**s.Score, printable.Line(s.Label), math.Round(s.Box[0]), math.Round(s.Box[1]), math.Round(s.Box[2]), math.Round(s.Box[3]))
	}
	return t.Flush()
}

// shown is the score from which on objects are drawn: below it pictures are full of guesses.
const shown = 0.3

func drawObjects(img image.Image, found []detect.Detection, names draw.Names) (*image.RGBA, error) {
	return draw.Objects(img, slices.DeleteFunc(slices.Clone(found), func(o detect.Detection) bool { return o.Score < shown }), names)
}

func (p objects) picture(img image.Image) (image.Image, error) {
	return drawObjects(img, p.found, p.names)
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
