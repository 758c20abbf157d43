package report

import (
	"math"
	"testing"
	"time"
)

func TestFormats(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1.00\u00a0k"}, {count(5067056), "5.07\u00a0M"},
		{count(999499), "999\u00a0k"}, {count(999500), "1.00\u00a0M"}, {count(4516000000), "4.52\u00a0G"},
		{size(0), "–"}, {size(20359098), "20.4\u00a0MB"}, {size(12), "12\u00a0B"},
		{milliseconds(0), "–"}, {milliseconds(9900 * time.Microsecond), "9.90\u00a0ms"},
		{milliseconds(62 * time.Microsecond), "0.062\u00a0ms"}, {milliseconds(1234 * time.Millisecond), "1234\u00a0ms"},
		{percent(0.9312), "93.1\u00a0%"}, {percent(math.NaN()), "–"},
		{decibels(math.Inf(1)), "∞"}, {decibels(-3.25), "−3.2\u00a0dB"}, {decibels(math.NaN()), "–"},
		{number(4.8e-6), "4.80e−6"}, {number(-0.5), "−0.5"}, {number(0), "0"}, {number(math.NaN()), "NaN"},
		{number(1234567), "1.23e6"}, {number(math.Inf(-1)), "−∞"},
		{power(-12), "10⁻¹²"}, {power(3), "10³"},
		{clean("a\nb\u202ec\xff"), "a\ufffdb\ufffdc\ufffd"}, {clean("👩\u200d🔬"), "👩\u200d🔬"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if n := len([]rune(clean(string(make([]byte, 1000))))); n != maxText+1 {
		t.Errorf("a long string is cut to %d characters", n)
	}
}

// TestAxes checks that every value has a place inside the frame and that axes do not
// run backwards.
func TestAxes(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, values := range [][]float64{
		{0, 0}, {1}, {1e-300, 1e300}, {0, 1e-6, 1}, {nan, inf, 0}, {1, 10, nan}, {-5, 5}, {1e-9, 2e-9}, {-1e30, 1}, {3, 3},
	} {
		lo, hi := inf, -inf
		for _, v := range values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
		for name, a := range map[string]axis{"error": errorAxis(values), "linear": linearAxis(lo, hi, 5), "range": rangeAxis(lo, hi, 0.01)} {
			for _, v := range values {
				if p := a.at(v); !(p >= -1e-9 && p <= 1+1e-9) && name == "error" || math.IsNaN(p) && !math.IsNaN(v) && !math.IsInf(v, 0) {
					t.Errorf("%s axis of %v puts %g at %g", name, values, v, p)
				}
			}
			for i := 1; i < len(a.ticks); i++ {
				if !(a.at(a.ticks[i].value) > a.at(a.ticks[i-1].value)) {
					t.Errorf("%s axis of %v: ticks %v", name, values, a.ticks)
				}
			}
			if len(a.ticks) > 700 {
				t.Errorf("%s axis of %v: %d ticks", name, values, len(a.ticks))
			}
		}
	}
}

func TestBlockName(t *testing.T) {
	for name, want := range map[string]string{
		"features.3.token_mixer.dw": "features.3", "features.3": "features.3", "/features/features.3/Conv": "features",
		"stages.0.blocks.1": "stages.0", "classifier.classifier.bn": "classifier", "pool": "pool", "": "", "...": "...",
	} {
		if got := blockName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
