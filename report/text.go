package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// maxText is how many characters of a string are shown.
const maxText = 300

// clean makes a string from outside fit to be shown: valid UTF-8, of bounded length, without
// characters that move others around or that nobody sees.
func clean(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > maxText {
			b.WriteRune('…')
			break
		}
		// Joiners are left: scripts and emoji are written with them.
		if r != '\u200c' && r != '\u200d' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) {
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
	}
	return b.String()
}

const (
	unknown = "–"
	gap     = "\u00a0" // between a number and its unit, where no line may break
)

// sign replaces the hyphen in front of a number by a minus.
func sign(s string) string { return strings.ReplaceAll(s, "-", "−") }

// count writes a number with three significant digits and a unit: "5.07 M".
func count(n int64) string {
	f, unit := float64(n), ""
	for _, u := range []string{"k", "M", "G", "T"} {
		if f < 999.5 {
			break
		}
		f, unit = f/1000, gap+u
	}
	if unit == "" {
		return strconv.FormatInt(n, 10)
	}
	return digits(f) + unit
}

// digits writes a number from 0 to 1000 with three significant digits.
func digits(f float64) string {
	switch {
	case f < 9.995:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 99.95:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}

// size writes a number of bytes: "20.4 MB"; zero is not known.
func size(n int64) string {
	if n <= 0 {
		return unknown
	}
	if n < 1000 {
		return strconv.FormatInt(n, 10) + gap + "B"
	}
	return count(n) + "B"
}

// milliseconds writes a time: "9.90 ms"; zero is not known.
func milliseconds(t time.Duration) string {
	ms := float64(t) / 1e6
	switch {
	case t <= 0:
		return unknown
	case ms < 0.0995:
		return strconv.FormatFloat(ms, 'f', 3, 64) + gap + "ms"
	case ms >= 999.5:
		return strconv.FormatFloat(ms, 'f', 0, 64) + gap + "ms"
	}
	return digits(ms) + gap + "ms"
}

// percent writes a share: "93.1 %"; NaN is not known.
func percent(f float64) string {
	if math.IsNaN(f) {
		return unknown
	}
	return strconv.FormatFloat(100*f, 'f', 1, 64) + gap + "%"
}

// decibels writes a ratio: "31.2 dB", "∞" for equal signals; NaN is not known.
func decibels(f float64) string {
	switch {
	case math.IsNaN(f):
		return unknown
	case math.IsInf(f, 1):
		return "∞"
	case math.IsInf(f, -1):
		return "−∞"
	}
	return sign(strconv.FormatFloat(f, 'f', 1, 64)) + gap + "dB"
}

// number writes a value with three significant digits: "4.8e−6", "0.0213".
func number(f float64) string {
	switch a := math.Abs(f); {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "∞"
	case math.IsInf(f, -1):
		return "−∞"
	case a != 0 && (a < 1e-3 || a >= 1e5):
		s := strconv.FormatFloat(f, 'e', 2, 64)
		mantissa, exponent, _ := strings.Cut(s, "e")
		n, _ := strconv.Atoi(exponent)
		return sign(fmt.Sprintf("%se%d", mantissa, n))
	}
	return sign(strconv.FormatFloat(f, 'g', 3, 64))
}

// plural writes a count with its noun: "1 image", "3 images".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
