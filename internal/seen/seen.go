// Package seen is what networks say of an image, for people, as JSON and as a picture: what
// commands print and a server answers.
package seen

import (
	"fmt"
	"image"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/draw"
	"github.com/repvit-go/repvit/internal/printable"
)

// Answer is what a network says of an image. It is a JSON object.
type Answer interface {
	Print(io.Writer) error
	// Picture shows it on the image; nil where there is nothing to show.
	Picture(img image.Image) (image.Image, error)
}

// Thing is a class, an object or a part of an image.
type Thing struct {
	Class int         `json:"class"`
	Label string      `json:"label"`
	Score *float64    `json:"score,omitempty"` // probability
	Box   *[4]float64 `json:"box,omitempty"`   // x0, y0, x1, y1 in the image's pixels
	Area  *int        `json:"area,omitempty"`  // pixels
	Share *float64    `json:"share,omitempty"` // of the image
	Mask  string      `json:"mask,omitempty"`  // run lengths, as COCO's files have them; see [Objects.WithMasks]
}

// Classes are what a classifier says, the most probable first.
type Classes struct {
	Classes []Thing `json:"classes"`
}

// ClassesOf are those of a session's answer.
func ClassesOf(top []infer.Prediction) Classes {
	all := Classes{[]Thing{}}
	for _, t := range top {
		score := float64(t.Score)
		all.Classes = append(all.Classes, Thing{Class: t.Index, Label: t.Label, Score: &score})
	}
	return all
}

// Print writes a line for each class.
func (p Classes) Print(w io.Writer) error {
	for _, s := range p.Classes {
		if _, err := fmt.Fprintln(w, s.Line()); err != nil {
			return err
		}
	}
	return nil
}

// Line is a class with its probability.
func (s Thing) Line() string {
	return fmt.Sprintf("%6.2f %%  %s", 100**s.Score, printable.Line(s.Label))
}

// Picture is nil: there is nothing to show.
func (Classes) Picture(image.Image) (image.Image, error) { return nil, nil }

// Pixels are what a segmenter says.
type Pixels struct {
	Height  int     `json:"height"`
	Width   int     `json:"width"`
	Classes []Thing `json:"classes"` // that occur, by falling area
	of      []int64
	names   draw.Names
}

// PixelsOf counts the classes of an image's pixels, which it keeps.
func PixelsOf(size image.Point, of []int64, names draw.Names) Pixels {
	p := Pixels{Height: size.Y, Width: size.X, of: of, names: names}
	area := map[int64]int{}
	for _, k := range of {
		area[k]++
	}
	for k, n := range area {
		share := float64(n) / float64(len(of))
		p.Classes = append(p.Classes, Thing{Class: int(k), Label: names.Label(int(k)), Area: &n, Share: &share})
	}
	slices.SortFunc(p.Classes, func(a, b Thing) int {
		if *a.Area != *b.Area {
			return *b.Area - *a.Area
		}
		return a.Class - b.Class
	})
	return p
}

// Print writes a line for each class.
func (p Pixels) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range p.Classes {
		fmt.Fprintf(t, "%.1f %%\t%s\t\n", 100**s.Share, printable.Line(s.Label))
	}
	return t.Flush()
}

// Picture lays the classes' colours over the image.
func (p Pixels) Picture(img image.Image) (image.Image, error) {
	return draw.Classes(img, p.of, p.names)
}

// Objects are what a detector says.
type Objects struct {
	Height     int     `json:"height"`
	Width      int     `json:"width"`
	Detections []Thing `json:"detections"` // by falling score
	found      []detect.Detection
	names      draw.Names
}

// ObjectsOf are those of a detector's answer.
func ObjectsOf(size image.Point, found []detect.Detection, names draw.Names) Objects {
	p := Objects{Height: size.Y, Width: size.X, Detections: []Thing{}, found: found, names: names}
	for _, o := range found {
		s := Thing{Class: o.Class, Label: names.Label(o.Class), Score: &o.Score, Box: &o.Box}
		if h, w := o.Mask.Size(); h*w > 0 {
			area := o.Mask.Area()
			s.Area = &area
		}
		p.Detections = append(p.Detections, s)
	}
	return p
}

// WithMasks adds the objects' pixels, where the network gives them.
func (p Objects) WithMasks() Objects {
	p.Detections = slices.Clone(p.Detections)
	for i, o := range p.found {
		if h, w := o.Mask.Size(); h*w > 0 {
			p.Detections[i].Mask = o.Mask.String()
		}
	}
	return p
}

// Print writes a line for each object.
func (p Objects) Print(w io.Writer) error {
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

// Picture draws the objects that are likely on the image.
func (p Objects) Picture(img image.Image) (image.Image, error) {
	return draw.Objects(img, slices.DeleteFunc(slices.Clone(p.found), func(o detect.Detection) bool { return o.Score < shown }), p.names)
}
