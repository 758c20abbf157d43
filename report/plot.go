package report

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// plot is a drawing as the template writes it, in SVG user units, y downwards.
type plot struct {
	Class         string // "wide", "narrow" or empty: at which widths of the page it is shown
	Label         string // what a screen reader says
	Width, Height float64
	Left, Top     float64 // of the frame that the data is drawn in
	Right, Bottom float64
	X, Y          []tick
	XName, YName  string
	Paths         []path
	Marks         []mark
}

// tick is a labelled place on an axis.
type tick struct {
	At   float64
	Text string
}

// path is a line or a set of dots; Class is what the style sheet draws it by.
type path struct{ Class, D string }

// mark is a place that is pointed at, with a short text beside it.
type mark struct {
	X, Y, TextX float64
	Anchor      string // "start", "middle" or "end"
	Text        string
	Bad         bool // drawn as something that is wrong
}

// axis maps values to 0..1.
type axis struct {
	at    func(float64) float64
	ticks []axisTick
}

type axisTick struct {
	value float64
	text  string
}

// linearAxis covers lo..hi with round ticks, at most n+1 of them.
func linearAxis(lo, hi float64, n int) axis {
	if !(hi > lo) {
		pad := max(math.Abs(lo)/2, 1e-30)
		lo, hi = lo-pad, hi+pad
	}
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/float64(n))))
	for _, m := range []float64{1, 2, 5, 10} {
		if (hi-lo)/(step*m) <= float64(n) {
			step *= m
			break
		}
	}
	a := axis{at: func(v float64) float64 { return (v - lo) / (hi - lo) }}
	decimals := max(0, int(-math.Floor(math.Log10(step))))
	for k := math.Ceil(lo/step - 1e-9); k*step <= hi+step*1e-9; k++ {
		text := strings.Replace(number(k*step), ".00e", "e", 1)
		if decimals <= 4 && math.Abs(k*step) < 1e5 {
			text = sign(strconv.FormatFloat(k*step+0, 'f', decimals, 64))
		}
		a.ticks = append(a.ticks, axisTick{k * step, text})
	}
	return a
}

// power writes 10ⁿ.
func power(n int) string {
	return "10" + strings.NewReplacer("-", "⁻", "0", "⁰", "1", "¹", "2", "²", "3", "³", "4", "⁴",
		"5", "⁵", "6", "⁶", "7", "⁷", "8", "⁸", "9", "⁹").Replace(strconv.Itoa(n))
}

// errorAxis is logarithmic and covers the positive finite values in whole decades. Zeros
// have a place below them, infinities and NaN one above, if there are any.
func errorAxis(values []float64) axis {
	lo, hi := math.Inf(1), math.Inf(-1)
	var zero, beyond bool
	for _, v := range values {
		switch {
		case v == 0:
			zero = true
		case math.IsNaN(v) || math.IsInf(v, 0) || v < 0:
			beyond = true
		default:
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	first, last := 0, 1
	if lo <= hi {
		first, last = int(math.Floor(math.Log10(lo))), int(math.Ceil(math.Log10(hi)))
		last = max(last, first+1)
	}
	bottom, top := float64(first), float64(last)
	room := max(0.7, (top-bottom)/8)
	var a axis
	if zero {
		bottom -= room
		a.ticks = append(a.ticks, axisTick{0, "0"})
	}
	step := (last-first)/8 + 1
	for n := first; n <= last; n += step {
		a.ticks = append(a.ticks, axisTick{math.Pow(10, float64(n)), power(n)})
	}
	if beyond {
		top += room
		a.ticks = append(a.ticks, axisTick{math.Inf(1), "∞"})
	}
	a.at = func(v float64) float64 {
		switch {
		case v == 0:
			return 0
		case math.IsNaN(v) || math.IsInf(v, 0) || v < 0:
			return 1
		}
		return (math.Log10(v) - bottom) / (top - bottom)
	}
	return a
}

// rangeAxis covers lo..hi: linear, or where magnitudes differ much from their median
// linear around zero and logarithmic beyond.
func rangeAxis(lo, hi, median float64) axis {
	lo, hi = min(lo, 0), max(hi, 0)
	extent := max(-lo, hi)
	if !(median > 0) || extent/median < 8 {
		return linearAxis(lo, hi, 6)
	}
	unit := math.Pow(10, math.Floor(math.Log10(median)))
	f := func(v float64) float64 { return math.Asinh(v / unit) }
	a := axis{at: func(v float64) float64 { return (f(v) - f(lo)) / (f(hi) - f(lo)) }}
	for p := unit; p <= extent; p *= 10 {
		if -p >= lo {
			a.ticks = append(a.ticks, axisTick{-p, number(-p)})
		}
		if p <= hi {
			a.ticks = append(a.ticks, axisTick{p, number(p)})
		}
	}
	a.ticks = append(a.ticks, axisTick{0, "0"})
	slices.SortFunc(a.ticks, func(a, b axisTick) int { return cmp.Compare(a.value, b.value) })
	return a
}

// frame begins a plot of a width and a height with a vertical axis.
func frame(class string, width, height float64, y axis, yName string) *plot {
	p := &plot{Class: class, Width: width, Height: height, YName: fit(yName, width), Top: 42, Right: width - 12, Bottom: height - 40}
	longest := 0
	for _, t := range y.ticks {
		longest = max(longest, len([]rune(t.text)))
	}
	p.Left = 14 + 7*float64(longest)
	last := math.Inf(1)
	for _, t := range y.ticks { // upwards, so at falls
		at := p.y(y, t.value)
		if last-at < 15 && t.value != 0 {
			continue
		}
		last = at
		p.Y = append(p.Y, tick{round(at), t.text})
	}
	return p
}

// fit shortens a text so that it is no wider than a plot.
func fit(s string, width float64) string {
	r := []rune(s)
	if n := int(width/8) - 2; len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// x places a position between 0 and 1.
func (p *plot) x(t float64) float64 { return p.Left + 6 + t*(p.Right-p.Left-12) }

func (p *plot) y(a axis, v float64) float64 {
	return p.Bottom - 6 - min(max(a.at(v), 0), 1)*(p.Bottom-p.Top-12)
}

// horizontal adds a horizontal axis of numbers.
func (p *plot) horizontal(a axis, name string) {
	p.XName = fit(name, p.Width)
	last := math.Inf(-1)
	for _, t := range a.ticks {
		at := p.x(a.at(t.value))
		if at-last < 8+7*float64(len([]rune(t.text))) {
			continue
		}
		last = at
		p.X = append(p.X, tick{round(at), t.text})
	}
}

// ordinal adds a horizontal axis of n named things, labelled with the numbers of their
// blocks where names have them, else with their own.
func (p *plot) ordinal(names []string) {
	var prefix string
	last, block := math.Inf(-1), ""
	for i, name := range names {
		b := blockName(name)
		if b == block {
			continue
		}
		block = b
		left, number, ok := strings.Cut(b, ".")
		if !ok || len(number) > 4 || prefix != "" && left != prefix {
			continue
		}
		prefix = left
		if at := p.x(position(i, len(names))); at-last >= 30 {
			last = at
			p.X = append(p.X, tick{round(at), number})
		}
	}
	if prefix != "" {
		p.XName = fit("block ("+clean(prefix)+".N)", p.Width)
		return
	}
	a := linearAxis(1, float64(max(len(names), 2)), 6)
	p.horizontal(a, "layer")
}

// position spreads n things over 0..1.
func position(i, n int) float64 {
	if n < 2 {
		return 0.5
	}
	return float64(i) / float64(n-1)
}

// point marks a place with a text that stays inside the frame.
func (p *plot) point(x, y float64, text string, bad bool) {
	m := mark{X: round(x), Y: round(y), TextX: round(x), Anchor: "middle", Text: text, Bad: bad}
	half := 3.5 * float64(len([]rune(text)))
	switch {
	case x-half < p.Left:
		m.Anchor, m.TextX = "start", round(p.Left)
	case x+half > p.Right:
		m.Anchor, m.TextX = "end", round(p.Right)
	}
	p.Marks = append(p.Marks, m)
}

// round keeps one decimal, which is all that a screen shows.
func round(v float64) float64 { return math.Round(10*v) / 10 }

// drawing collects the commands of a path.
type drawing struct {
	b    []byte
	seen map[[2]int]bool
}

func (d *drawing) pair(command byte, x, y float64) {
	d.b = append(d.b, command)
	d.b = strconv.AppendFloat(d.b, round(x), 'f', -1, 64)
	d.b = append(d.b, ' ')
	d.b = strconv.AppendFloat(d.b, round(y), 'f', -1, 64)
}

// dot is a line of no length, which round line caps make a dot. A second dot within half a
// unit of another is left out.
func (d *drawing) dot(x, y float64) {
	at := [2]int{int(math.Round(2 * x)), int(math.Round(2 * y))}
	if d.seen[at] {
		return
	}
	if d.seen == nil {
		d.seen = map[[2]int]bool{}
	}
	d.seen[at] = true
	d.pair('M', x, y)
	d.b = append(d.b, "h0"...)
}

func (d *drawing) line(x0, y0, x1, y1 float64) {
	d.pair('M', x0, y0)
	d.pair('L', x1, y1)
}

func (d *drawing) path(class string) path { return path{class, string(d.b)} }
