package draw

import (
	"errors"
	"image"
	"image/color"
	"image/draw"
	"math"
	"slices"
	"testing"

	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/mask"
)

var (
	red, green = color.RGBA{255, 0, 0, 255}, color.RGBA{0, 200, 0, 255}
	gray       = color.RGBA{100, 100, 100, 255}
	two        = Names{Labels: []string{"cat", "dog"}, Colors: [][3]uint8{{255, 0, 0}, {0, 200, 0}}}
)

// plain is a gray image whose first pixel is not at 0, 0.
func plain(w, h int) image.Image {
	m := image.NewRGBA(image.Rect(5, 7, 5+w, 7+h))
	draw.Draw(m, m.Rect, image.NewUniform(gray), image.Point{}, draw.Src)
	return m
}

// count returns how many pixels of a part of an image have a colour.
func count(m *image.RGBA, in image.Rectangle, c color.RGBA) (n int) {
	for y := in.Min.Y; y < in.Max.Y; y++ {
		for x := in.Min.X; x < in.Max.X; x++ {
			if m.RGBAAt(x, y) == c {
				n++
			}
		}
	}
	return n
}

func TestClasses(t *testing.T) {
	const w, h = 200, 100
	classes := make([]int64, w*h)
	for i := range classes {
		switch {
		case i%w >= 150:
			classes[i] = 1
		case i/w < 10:
			classes[i] = -1
		}
	}
	m, err := Classes(plain(w, h), classes, two)
	if err != nil {
		t.Fatal(err)
	}
	if m.Rect != image.Rect(0, 0, w, h) {
		t.Fatalf("found the size %v", m.Rect)
	}
	for _, c := range []struct {
		x, y int
		want color.RGBA
	}{
		{100, 50, color.RGBA{178, 50, 50, 255}}, // half gray, half red
		{199, 0, color.RGBA{50, 150, 50, 255}},
		{100, 5, gray}, // of no class
	} {
		if got := m.RGBAAt(c.x, c.y); got != c.want {
			t.Errorf("pixel %d, %d: found %v, expected %v", c.x, c.y, got, c.want)
		}
	}
	// The legend has two lines; the larger class is above.
	if upper, lower := image.Rect(0, 74, 13, 87), image.Rect(0, 87, 13, 100); count(m, upper, red) != 121 || count(m, lower, green) != 121 {
		t.Errorf("found %d pixels in red above %d in green, expected 121 of both", count(m, upper, red), count(m, lower, green))
	}
	if white := count(m, image.Rect(13, 74, 40, 100), color.RGBA{255, 255, 255, 255}); white < 40 {
		t.Errorf("found %d pixels of letters", white)
	}
	if _, err := Classes(plain(w, h), classes[1:], two); !errors.Is(err, graph.ErrShape) {
		t.Errorf("too few classes: %v", err)
	}
	// More classes than there is room or are names for.
	for i := range classes {
		classes[i] = int64(i)
	}
	many, err := Classes(plain(w, h), classes, Names{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Classes(plain(w, h), classes, Names{})
	if err != nil || !slices.Equal(many.Pix, again.Pix) {
		t.Errorf("another picture for the same classes, %v", err)
	}
}

func TestObjects(t *testing.T) {
	const w, h = 200, 100
	pixels := make([]uint8, w*h)
	for y := 40; y < 60; y++ {
		for x := 50; x < 90; x++ {
			pixels[y*w+x] = 1
		}
	}
	m, err := mask.FromPixels(h, w, pixels)
	if err != nil {
		t.Fatal(err)
	}
	objects := []detect.Detection{
		{Box: [4]float64{49.6, 40, 90.4, 60}, Score: .5, Class: 1, Mask: m},
		{Box: [4]float64{150, 2, 999, 30}, Score: .75, Class: 0},
		{Box: [4]float64{math.NaN(), -1e300, 1e300, math.Inf(1)}, Score: .1, Class: 7},
		{Box: [4]float64{50, 40, 90, 60}, Score: .2, Class: 0},
	}
	given := slices.Clone(objects)
	got, err := Objects(plain(w, h), objects, two)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		x, y int
		want color.RGBA
	}{
		{70, 50, color.RGBA{55, 145, 55, 255}}, // the mask
		{50, 50, green},                        // the frame, above that of a lower score
		{89, 59, green},
		{150, 29, red},
		{199, 29, red},
		{100, 80, gray}, // nothing
	} {
		if p := got.RGBAAt(c.x, c.y); p != c.want {
			t.Errorf("pixel %d, %d: found %v, expected %v", c.x, c.y, p, c.want)
		}
	}
	// The labels: above the box, and moved into the image.
	if n := count(got, image.Rect(50, 27, 110, 40), green); n < 300 {
		t.Errorf("found %d pixels of the label above the box", n)
	}
	if n := count(got, image.Rect(130, 2, 200, 15), red); n < 400 {
		t.Errorf("found %d pixels of the label inside the image", n)
	}
	for i := range given {
		if objects[i].Score != given[i].Score {
			t.Error("the caller's objects were sorted")
		}
	}
	if _, err := Objects(plain(w, h+1), objects, two); !errors.Is(err, graph.ErrShape) {
		t.Errorf("a mask of another size: %v", err)
	}
	for _, size := range []image.Point{{1, 1}, {3000, 5}, {1, 40}} { // too small for letters
		if _, err := Objects(plain(size.X, size.Y), objects[1:], two); err != nil {
			t.Error(err)
		}
		if _, err := Classes(plain(size.X, size.Y), make([]int64, size.X*size.Y), two); err != nil {
			t.Error(err)
		}
	}
}

// TestScale has larger letters in larger images.
func TestScale(t *testing.T) {
	small, large := letters("cat", scale(image.Pt(640, 480))), letters("cat", scale(image.Pt(4000, 3000)))
	if small.Rect != image.Rect(0, 0, 23, 13) || large.Rect != image.Rect(0, 0, 7*23, 7*13) {
		t.Errorf("found %v and %v", small.Rect, large.Rect)
	}
}

// TestColors are not alike for classes that are near, and can be written on.
func TestColors(t *testing.T) {
	for i := range 200 {
		c := Names{}.color(i)
		for j := i + 1; j < i+6; j++ {
			d := Names{}.color(j)
			if far := math.Hypot(math.Hypot(float64(c.R)-float64(d.R), float64(c.G)-float64(d.G)), float64(c.B)-float64(d.B)); far < 60 {
				t.Errorf("classes %d and %d have the colours %v and %v", i, j, c, d)
			}
		}
		if c.A != 255 {
			t.Errorf("class %d is transparent", i)
		}
	}
	if ink(color.RGBA{255, 255, 0, 255}) != image.Black || ink(color.RGBA{0, 0, 200, 255}) != image.White {
		t.Error("letters cannot be read")
	}
}
