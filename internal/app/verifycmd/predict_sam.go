package verifycmd

import (
	"fmt"
	"image/png"
	"math"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/sam"
)

// promptFlags say what to segment.
func promptFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.GenericFlag{Name: "point", Value: &numbers{}, Usage: "a point on the object, `X,Y` in pixels of the image; repeatable"},
		&urfave.GenericFlag{Name: "negative", Value: &numbers{}, Usage: "a point outside the object, `X,Y`; repeatable"},
		&urfave.GenericFlag{Name: "box", Value: &numbers{}, Usage: "a box around the object, `X0,Y0,X1,Y1`"},
	}
}

// numbers is a flag of lists of numbers, each time it is given one more.
type numbers struct{ lists [][]float64 }

// Set reads one list.
func (n *numbers) Set(text string) error {
	var list []float64
	for word := range strings.SplitSeq(text, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(word), 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("found %q, expected numbers separated by commas", word)
		}
		list = append(list, v)
	}
	n.lists = append(n.lists, list)
	return nil
}

func (n *numbers) String() string { return "" }

// prompt reads the flags.
func prompt(c *urfave.Context) (p sam.Prompt, err error) {
	lists := func(name string, count int) [][]float64 {
		n, _ := c.Generic(name).(*numbers)
		if n == nil {
			return nil
		}
		for _, l := range n.lists {
			if len(l) != count && err == nil {
				err = cli.Usagef("--%s: found %d numbers, expected %d", name, len(l), count)
			}
		}
		return n.lists
	}
	points := func(name string) (list []sam.Point) {
		for _, l := range lists(name, 2) {
			if len(l) == 2 {
				list = append(list, sam.Point{X: l[0], Y: l[1]})
			}
		}
		return list
	}
	p.Inside, p.Outside = points("point"), points("negative")
	boxes := lists("box", 4)
	switch {
	case err != nil:
	case len(boxes) > 1:
		err = cli.Usagef("--box: found %d, expected one", len(boxes))
	case len(boxes) == 1:
		p.Box = &sam.Box{X0: boxes[0][0], Y0: boxes[0][1], X1: boxes[0][2], Y1: boxes[0][3]}
	case len(p.Inside)+len(p.Outside) == 0:
		err = cli.Usagef("no prompt given: --point X,Y, --negative X,Y or --box X0,Y0,X1,Y1")
	}
	return p, err
}

// segmented is what predict tells of a mask.
type segmented struct {
	Width  int          `json:"width"`
	Height int          `json:"height"`
	Points [][3]float64 `json:"points"` // x, y and label, as the decoder was given them
	Score  float64      `json:"score"`
	Area   int          `json:"area"` // pixels
	Output string       `json:"output,omitempty"`
}

// predictSAM segments what the prompt on an image points at, with an encoder and its decoder.
func predictSAM(c *urfave.Context, cfg *config, encoder, decoder, path string) error {
	p, err := prompt(c)
	if err != nil {
		return err
	}
	if cfg.engine == engineReference {
		return cli.Usagef("--engine %s: prompts are answered by the fast engine", cfg.engine)
	}
	var out *outfile.File
	if cfg.output != "" {
		if out, err = outfile.Create(cfg.output); err != nil {
			return err
		}
		defer out.Discard()
	}
	s, err := sam.Open(encoder, decoder, infer.Options{Threads: cfg.threads, MaxMemory: cfg.maxMemory})
	if err != nil {
		return err
	}
	defer s.Close()
	img, err := openUpright(path)
	if err != nil {
		return err
	}
	e, err := s.Embed(c.Context, img)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	m, err := s.Segment(c.Context, e, p)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	r := segmented{Width: m.Width, Height: m.Height, Points: m.Points, Score: m.Score, Area: m.Area(), Output: cfg.output}
	if out != nil {
		if err := png.Encode(out, m.Image()); err != nil {
			return fmt.Errorf("%s: %w", cfg.output, err)
		}
		if err := out.Commit(); err != nil {
			return err
		}
	}
	switch {
	case cfg.json:
		return cli.PrintJSON(c.App.Writer, r)
	case !cfg.quiet:
		fmt.Fprintf(c.App.Writer, "%s: %d of %d×%d pixels, score %.3f\n", printable.Line(path), r.Area, r.Width, r.Height, r.Score)
	}
	return nil
}
