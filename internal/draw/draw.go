// Package draw shows on an image what a network says of it: the classes of its pixels, or the
// objects that it found. Pictures have the image's size; lines and letters grow with it.
package draw

import (
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"slices"
	"strconv"

	ximage "golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/segment"
)

// Names are how classes are shown.
type Names struct {
	Labels []string   // empty for their numbers
	Colors [][3]uint8 // red, green, blue; for the classes behind the last, colours are made up
}

// Label returns the name of a class, or its number.
func (n Names) Label(class int) string {
	if class < len(n.Labels) {
		return printable.Line(n.Labels[class])
	}
	return strconv.Itoa(class)
}

func (n Names) color(class int) color.RGBA { return segment.Color(n.Colors, class) }

// Parts of colours in what they cover.
const (
	classShare = 0.5
	maskShare  = 0.45
)

// Classes returns the image with each pixel tinted by its class, row by row, and a legend of the
// classes that occur, by falling area. A negative class is left as it is. The error wraps
// [graph.ErrShape] where the pixels are not as many.
func Classes(img image.Image, classes []int64, names Names) (*image.RGBA, error) {
	m := canvas(img)
	if len(classes) != m.Rect.Dx()*m.Rect.Dy() {
		return nil, fmt.Errorf("%w: classes of %d pixels for an image of %d×%d", graph.ErrShape, len(classes), m.Rect.Dy(), m.Rect.Dx())
	}
	area := map[int]int{}
	for i, class := range classes {
		if class >= 0 && class <= math.MaxInt32 {
			area[int(class)]++
			tint(m.Pix[4*i:][:4], names.color(int(class)), classShare)
		}
	}
	found := make([]int, 0, len(area))
	for class := range area {
		found = append(found, class)
	}
	slices.SortFunc(found, func(a, b int) int { return cmp.Or(cmp.Compare(area[b], area[a]), cmp.Compare(a, b)) })
	legend(m, found, names)
	return m, nil
}

// Objects returns the image with the masks and boxes of objects, each with its class and score;
// those of high scores above the others. The error wraps [graph.ErrShape] for masks of another
// size than the image's. Objects without a mask have a box alone.
func Objects(img image.Image, objects []detect.Detection, names Names) (*image.RGBA, error) {
	m := canvas(img)
	size := m.Rect.Size()
	objects = slices.Clone(objects)
	slices.SortStableFunc(objects, func(a, b detect.Detection) int { return cmp.Compare(a.Score, b.Score) })
	for _, o := range objects {
		h, w := o.Mask.Size()
		if h == 0 && w == 0 {
			continue
		}
		if h != size.Y || w != size.X {
			return nil, fmt.Errorf("%w: a mask of %d×%d pixels for an image of %d×%d", graph.ErrShape, h, w, size.Y, size.X)
		}
		c := names.color(o.Class)
		for x, y := range o.Mask.All() {
			tint(m.Pix[m.PixOffset(x, y):][:4], c, maskShare)
		}
	}
	thick := max(1, int(float64(min(size.X, size.Y))/300+.5))
	for _, o := range objects {
		frame(m, rectangle(o.Box, size), thick, names.color(o.Class))
	}
	for _, o := range objects {
		tag(m, rectangle(o.Box, size), fmt.Sprintf("%s %.2f", names.Label(o.Class), o.Score), names.color(o.Class))
	}
	return m, nil
}

// canvas copies an image; its first pixel is at 0, 0.
func canvas(img image.Image) *image.RGBA {
	b := img.Bounds()
	m := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(m, m.Rect, image.Black, image.Point{}, draw.Src) // behind what is transparent
	draw.Draw(m, m.Rect, img, b.Min, draw.Over)
	return m
}

// tint mixes a share of a colour into a pixel.
func tint(pixel []uint8, c color.RGBA, share float64) {
	for i, v := range [3]uint8{c.R, c.G, c.B} {
		pixel[i] = uint8(float64(pixel[i])*(1-share) + float64(v)*share + .5)
	}
}

// rectangle is a box in whole pixels, as far as it is in the image; what is no number is 0.
func rectangle(box [4]float64, size image.Point) image.Rectangle {
	at := func(v float64, n int) int {
		if math.IsNaN(v) {
			return 0
		}
		return int(min(max(math.Round(v), 0), float64(n)))
	}
	return image.Rect(at(box[0], size.X), at(box[1], size.Y), at(box[2], size.X), at(box[3], size.Y))
}

// frame draws a rectangle's border, inside it.
func frame(m *image.RGBA, r image.Rectangle, thick int, c color.RGBA) {
	fill := func(x0, y0, x1, y1 int) {
		draw.Draw(m, image.Rect(x0, y0, x1, y1).Intersect(r), image.NewUniform(c), image.Point{}, draw.Src)
	}
	fill(r.Min.X, r.Min.Y, r.Max.X, r.Min.Y+thick)
	fill(r.Min.X, r.Max.Y-thick, r.Max.X, r.Max.Y)
	fill(r.Min.X, r.Min.Y, r.Min.X+thick, r.Max.Y)
	fill(r.Max.X-thick, r.Min.Y, r.Max.X, r.Max.Y)
}

var face = basicfont.Face7x13

// scale is how many pixels of an image a pixel of the font takes.
func scale(size image.Point) int { return max(1, int(float64(min(size.X, size.Y))/450+.5)) }

// letters draws text in a font that is enlarged, as a mask with a border of one of its pixels.
func letters(text string, scale int) *image.Alpha {
	small := image.NewAlpha(image.Rect(0, 0, font.MeasureString(face, text).Ceil()+2, face.Height))
	d := font.Drawer{Dst: small, Src: image.Opaque, Face: face, Dot: fixed.P(1, face.Ascent)}
	d.DrawString(text)
	if scale == 1 {
		return small
	}
	large := image.NewAlpha(image.Rect(0, 0, small.Rect.Dx()*scale, small.Rect.Dy()*scale))
	ximage.CatmullRom.Scale(large, large.Rect, small, small.Rect, ximage.Src, nil)
	return large
}

// ink is black or white, whichever is easier to read on a colour.
func ink(c color.RGBA) image.Image {
	if 299*int(c.R)+587*int(c.G)+114*int(c.B) > 140*1000 {
		return image.Black
	}
	return image.White
}

// tag writes text on a colour above a rectangle's top left corner, or inside it where the image
// ends; it is moved to the left where it would not fit.
func tag(m *image.RGBA, r image.Rectangle, text string, c color.RGBA) {
	size := m.Rect.Size()
	t := letters(text, scale(size))
	at := image.Pt(max(0, min(r.Min.X, size.X-t.Rect.Dx())), r.Min.Y-t.Rect.Dy())
	if at.Y < 0 {
		at.Y = r.Min.Y
	}
	where := t.Rect.Add(at)
	draw.Draw(m, where, image.NewUniform(c), image.Point{}, draw.Src)
	draw.DrawMask(m, where, ink(c), image.Point{}, t, image.Point{}, draw.Over)
}

// legend lists classes with their colours at the bottom left, as many as there is room for.
func legend(m *image.RGBA, classes []int, names Names) {
	size := m.Rect.Size()
	line := face.Height * scale(size)
	classes = classes[:min(len(classes), size.Y/line)]
	width := 0
	texts := make([]*image.Alpha, len(classes))
	for i, class := range classes {
		texts[i] = letters(names.Label(class), scale(size))
		width = max(width, line+texts[i].Rect.Dx())
	}
	top := size.Y - line*len(classes)
	draw.DrawMask(m, image.Rect(0, top, width, size.Y), image.Black, image.Point{}, image.NewUniform(color.Alpha{160}), image.Point{}, draw.Over)
	for i, class := range classes {
		y := top + i*line
		draw.Draw(m, image.Rect(0, y, line, y+line).Inset(max(1, line/8)), image.NewUniform(names.color(class)), image.Point{}, draw.Src)
		draw.DrawMask(m, texts[i].Rect.Add(image.Pt(line, y)), image.White, image.Point{}, texts[i], image.Point{}, draw.Over)
	}
}
