package mask

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// draw makes a mask of rows of "." and "x", separated by "/".
func draw(t testing.TB, picture string) Mask {
	t.Helper()
	rows := strings.Split(picture, "/")
	m, err := FromPixels(len(rows), len(rows[0]), pixels(picture))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func pixels(picture string) (all []uint8) {
	for _, c := range strings.ReplaceAll(picture, "/", "") {
		v := uint8(0)
		if c == 'x' {
			v = 7 // anything but zero
		}
		all = append(all, v)
	}
	return all
}

func picture(m Mask) string {
	var s strings.Builder
	for i, v := range m.Pixels() {
		if i > 0 && i%m.width == 0 {
			s.WriteByte('/')
		}
		s.WriteByte(".x"[v])
	}
	return s.String()
}

// TestForms gives the same mask as a picture, as counts and as a string. The strings are of
// pycocotools' making.
func TestForms(t *testing.T) {
	for _, c := range []struct {
		picture string
		counts  []int64
		text    string
		area    int
	}{
		{".../...", []int64{6}, "6", 0},
		{"xxx/xxx", []int64{0, 6}, "06", 6},
		{"x../..x", []int64{0, 1, 4, 1}, "0140", 2},
		{".x./.x.", []int64{2, 2, 2}, "222", 2},
		{strings.Repeat("."+strings.Repeat("x", 99)+"/", 39) + strings.Repeat(".", 100), nil, "", 39 * 99},
	} {
		m := draw(t, c.picture)
		if got := picture(m); got != c.picture {
			t.Errorf("%s: read back %s", c.picture, got)
		}
		if m.Area() != c.area {
			t.Errorf("%s: area %d, expected %d", c.picture, m.Area(), c.area)
		}
		h, w := m.Size()
		if c.counts != nil {
			if got, err := FromCounts(h, w, c.counts); err != nil || !slices.Equal(got.runs, m.runs) {
				t.Errorf("%v: found %v, %v, expected %v", c.counts, got.runs, err, m.runs)
			}
			if m.String() != c.text {
				t.Errorf("%s: string %q, expected %q", c.picture, m.String(), c.text)
			}
		}
		if got, err := Parse(h, w, m.String()); err != nil || !slices.Equal(got.runs, m.runs) {
			t.Errorf("%q: found %v, %v, expected %v", m.String(), got.runs, err, m.runs)
		}
	}
	// Runs of no length are allowed.
	if m, err := FromCounts(2, 2, []int64{1, 0, 0, 1, 2, 0}); err != nil || picture(m) != "../x." {
		t.Errorf("runs of no length: %s, %v", picture(m), err)
	}
}

// TestAll ends where the caller does.
func TestAll(t *testing.T) {
	var got [][2]int
	for x, y := range draw(t, ".xx/x.x").All() {
		if got = append(got, [2]int{x, y}); len(got) == 3 {
			break
		}
	}
	if want := [][2]int{{0, 1}, {1, 0}, {2, 0}}; !slices.Equal(got, want) {
		t.Errorf("found %v, expected %v", got, want)
	}
}

// TestParse reads a string that pycocotools wrote, with long runs and negative differences.
func TestParse(t *testing.T) {
	const text = "Rb33l33L3L3ME`L<_34N1O10000000000010O0001O1O1O00011N1O004L1N4M1N1O100O1O0010O003M103L3M2O1O1N3N0O2O1N3M2O1N2O2Kmm5"
	m, err := Parse(128, 128, text)
	if err != nil {
		t.Fatal(err)
	}
	if m.runs[0] != 3650 || m.runs[1] != 3 || m.Area() != 1175 {
		t.Errorf("found runs %v… and %d pixels", m.runs[:4], m.Area())
	}
	if m.String() != text {
		t.Errorf("written as %s", m)
	}
}

func TestErrors(t *testing.T) {
	counts := func(c ...int64) error { _, err := FromCounts(3, 2, c); return err }
	parse := func(s string) error { _, err := Parse(3, 2, s); return err }
	polygon := func(p ...float64) error { _, err := FromPolygons(3, 2, [][]float64{p}); return err }
	size := func(h, w int) error { _, err := FromCounts(h, w, []int64{int64(h) * int64(w)}); return err }
	paste := func(n int, box ...float64) error {
		_, err := Paste(make([]float32, n), 2, 2, [4]float64(box), 3, 2)
		return err
	}
	_, short := FromPixels(2, 2, make([]uint8, 3))
	for name, c := range map[string]struct {
		err  error
		text string
	}{
		"no runs":               {counts(), "end 6 pixels before"},
		"runs that are short":   {counts(1, 2), "end 3 pixels before the last of 3×2"},
		"runs that are long":    {counts(1, 6), "run 1 has 6 pixels, expected at most the 5"},
		"a negative run":        {counts(7, -1), "run 0 has 7"},
		"a huge run":            {counts(math.MaxInt64), "at most the 6"},
		"no text":               {parse(""), "end 6"},
		"text without end":      {parse("P"), "run 0 does not end"},
		"a run of many letters": {parse(strings.Repeat("P", 100)), "run 0 does not end, expected at most 7"},
		"another letter":        {parse("1 "), `found the byte 0x20 at 1, expected '0' to 'o'`},
		"a negative difference": {parse("111N"), "run 3 has -1"},
		"a run below zero":      {parse("N"), "run 0 has -2"},
		"a run over all":        {parse("ooooooN"), "run 0"},
		"no rows":               {size(0, 2), "0×2 pixels"},
		"too many pixels":       {size(1<<14, 1<<13), "16384×8192 pixels, expected 1 to 67108864"},
		"a wrapping size":       {size(1<<30, 1<<30), "expected 1 to"},
		"too few pixels":        {short, "found 3 pixels, expected 2×2"},
		"two corners":           {polygon(1, 1, 2, 2), "polygon 0 has 4 values"},
		"half a corner":         {polygon(1, 1, 2, 2, 3, 3, 4), "has 7 values"},
		"NaN":                   {polygon(1, 1, 2, 2, 3, math.NaN()), "a corner at NaN"},
		"infinite":              {polygon(1, 1, 2, 2, 3, math.Inf(-1)), "a corner at -Inf"},
		"1e30":                  {polygon(1, 1, 2, 2, 3, 1e30), "a corner at 1e+30"},
		"three probabilities":   {paste(3, 0, 0, 1, 1), "found 3 probabilities, expected 2×2"},
		"a box of NaN":          {paste(4, 0, 0, math.NaN(), 1), "expected finite numbers"},
	} {
		if !errors.Is(c.err, ErrMask) || !strings.Contains(c.err.Error(), c.text) {
			t.Errorf("%s: %v, expected %q", name, c.err, c.text)
		}
	}
}

func TestIoU(t *testing.T) {
	for _, c := range []struct {
		detection, truth string
		crowd            bool
		want             float64
	}{
		{"xx../xx..", ".xx./.xx.", false, 2. / 6},
		{"xx../xx..", ".xxx/.xxx", true, 2. / 4},
		{"xxxx", "xxxx", false, 1},
		{"x...", "...x", false, 0},
		{"....", "....", false, 0},
		{"....", "xxxx", true, 0},
		{"x.x.", "xxxx", false, .5},
		{"xx/..", "xx..", false, 0}, // of another image
	} {
		if got := IoU(draw(t, c.detection), draw(t, c.truth), c.crowd); got != c.want {
			t.Errorf("%s and %s, crowd %v: %v, expected %v", c.detection, c.truth, c.crowd, got, c.want)
		}
	}
	if IoU(Mask{}, Mask{}, false) != 0 {
		t.Error("masks of no image have something in common")
	}
}

// TestFromPolygons has pictures that the rule gives by hand: a pixel's column is crossed at its
// middle, and belongs to the inside from the first centre that lies below the crossing.
func TestFromPolygons(t *testing.T) {
	for name, c := range map[string]struct {
		polygons [][]float64
		want     string
	}{
		"a rectangle":              {[][]float64{{1, 1, 4, 1, 4, 3, 1, 3}}, "...../.xxx./.xxx./....."},
		"turned round":             {[][]float64{{1, 3, 4, 3, 4, 1, 1, 1}}, "...../.xxx./.xxx./....."},
		"closed":                   {[][]float64{{1, 1, 4, 1, 4, 3, 1, 3, 1, 1, 1, 1}}, "...../.xxx./.xxx./....."},
		"beyond the image":         {[][]float64{{-9, -9, 99, -9, 99, 2, -9, 2}}, "xxxxx/xxxxx/...../....."},
		"outside":                  {[][]float64{{-9, -9, -1, -9, -1, 9, -9, 9}}, "...../...../...../....."},
		"a line":                   {[][]float64{{0, 2, 5, 2, 0, 2}}, "...../...../...../....."},
		"a triangle":               {[][]float64{{0, 0, 4, 4, 0, 4}}, "x..../xx.../xxx../xxxx."},
		"two":                      {[][]float64{{0, 0, 1, 0, 1, 4, 0, 4}, {0, 3, 5, 3, 5, 4, 0, 4}}, "x..../x..../x..../xxxxx"},
		"one that crosses itself":  {[][]float64{{0, 0, 5, 0, 5, 4, 0, 4, 0, 0, 2, 0, 2, 4, 0, 4}}, "..xxx/..xxx/..xxx/..xxx"},
		"none":                     {nil, "...../...../...../....."},
		"narrower than the middle": {[][]float64{{1.1, 0, 1.3, 0, 1.3, 4, 1.1, 4}}, "...../...../...../....."},
	} {
		m, err := FromPolygons(4, 5, c.polygons)
		if err != nil || picture(m) != c.want {
			t.Errorf("%s: found %s, %v, expected %s", name, picture(m), err, c.want)
		}
	}
}

// TestPaste draws a head's answer by the rule, pixel by pixel.
func TestPaste(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const rows, cols = 5, 4
	for range 200 {
		h, w := 1+rng.IntN(40), 1+rng.IntN(40)
		p := make([]float32, rows*cols)
		for i := range p {
			p[i] = rng.Float32()
		}
		x0, y0 := rng.Float64()*50-5, rng.Float64()*50-5
		box := [4]float64{x0, y0, x0 + rng.Float64()*30, y0 + rng.Float64()*30}
		m, err := Paste(p, rows, cols, box, h, w)
		if err != nil {
			t.Fatal(err)
		}
		at := func(r, c int) float64 {
			if r < 0 || r >= rows || c < 0 || c >= cols {
				return 0
			}
			return float64(p[r*cols+c])
		}
		for i, got := range m.Pixels() {
			gx := (float64(i%w)+.5-box[0])/(box[2]-box[0])*cols - .5
			gy := (float64(i/w)+.5-box[1])/(box[3]-box[1])*rows - .5
			c, r := math.Floor(gx), math.Floor(gy)
			v := 0.0
			if gx > -1 && gx < cols && gy > -1 && gy < rows {
				fx, fy := gx-c, gy-r
				v = (1-fy)*((1-fx)*at(int(r), int(c))+fx*at(int(r), int(c)+1)) + fy*((1-fx)*at(int(r)+1, int(c))+fx*at(int(r)+1, int(c)+1))
			}
			if want := v >= .5; got == 1 != want && math.Abs(v-.5) > 1e-12 {
				t.Fatalf("%d×%d, box %v, pixel %d: found %d, the answer is %v", h, w, box, i, got, v)
			}
		}
	}
	ones := []float32{1, 1, 1, 1}
	for _, c := range []struct {
		box  [4]float64
		want string
	}{
		{[4]float64{1, 0, 3, 2}, ".xx./.xx./...."},
		{[4]float64{.5, .5, 2.5, 2.5}, ".x../xxx./.x.."}, // the centres on the border count
		{[4]float64{-1e300, -9, 1e300, 9}, "xxxx/xxxx/xxxx"},
		{[4]float64{2, 1, 2, 3}, "..../..../...."}, // no area
		{[4]float64{3, 2, 1, 0}, "..../..../...."},
		{[4]float64{7, 7, 9, 9}, "..../..../...."},
		{[4]float64{-9, -9, -7, -7}, "..../..../...."},
	} {
		if m, err := Paste(ones, 2, 2, c.box, 3, 4); err != nil || picture(m) != c.want {
			t.Errorf("%v: found %s, %v, expected %s", c.box, picture(m), err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(2, 3, "0140")
	f.Add(128, 128, "oe39f31N3L3O1O1O1000000000010O0000010O00100O001O1O2N4L2N0O2N1O1O0O101O12M2O2M2O2M3N1O0O3M2O0O2O2M2N3M2MlQ6")
	f.Add(1, 1, "PPPPPPP0")
	f.Fuzz(func(t *testing.T, h, w int, text string) {
		m, err := Parse(h, w, text)
		if err != nil {
			if !errors.Is(err, ErrMask) || strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("error %q", err)
			}
			return
		}
		again, err := Parse(h, w, m.String())
		if err != nil || !slices.Equal(again.runs, m.runs) {
			t.Fatalf("%v written and read is %v, %v", m.runs, again.runs, err)
		}
		if m.Area() > h*w || m.Area() > 0 && IoU(m, again, false) != 1 {
			t.Fatalf("%d pixels of %d×%d, IoU %v", m.Area(), h, w, IoU(m, again, false))
		}
	})
}

func FuzzFromPolygons(f *testing.F) {
	f.Add(4, 5, 0., 0., 4., 4., 0., 4., 1., 1.)
	f.Add(40, 50, -1., 7e6, 30.5, -44.1, 60., 3., 3., 3.)
	f.Fuzz(func(t *testing.T, h, w int, a, b, c, d, e, g, i, k float64) {
		if h > 1<<10 || w > 1<<10 {
			return
		}
		m, err := FromPolygons(h, w, [][]float64{{a, b, c, d, e, g, i, k}})
		if err != nil {
			if !errors.Is(err, ErrMask) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		sum := 0
		for _, n := range m.runs {
			sum += int(n)
		}
		if sum != h*w {
			t.Fatalf("runs %v of %d×%d", m.runs, h, w)
		}
	})
}
