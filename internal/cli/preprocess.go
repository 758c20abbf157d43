package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/preprocess"
)

// PreprocessFlags are those that say how images become inputs, read by [Preprocess]. What
// holds without them is said in the help.
func PreprocessFlags(mean, std, interpolation string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "mean", DefaultText: mean, Usage: "subtract `X`: one number or X,Y,Z"},
		&cli.StringFlag{Name: "std", DefaultText: std, Usage: "then divide by `X`: one or X,Y,Z"},
		&cli.StringFlag{Name: "interpolation", DefaultText: interpolation, Usage: "`METHOD` " + strings.Join(preprocess.Interpolations(), ", ")},
	}
}

// Preprocess returns what the flags, and --crop-pct, say, for [preprocess.Config.With]; one number for mean
// or std holds for all channels, see [preprocess.Config.For]. The error is one of usage.
func Preprocess(c *cli.Context) (said preprocess.Config, err error) {
	said.Interpolation = c.String("interpolation")
	if all := preprocess.Interpolations(); said.Interpolation != "" && !slices.Contains(all, said.Interpolation) {
		return said, Usagef("--interpolation %q: expected %s", said.Interpolation, strings.Join(all, ", "))
	}
	for _, f := range []struct {
		name   string
		values *[]float64
	}{{"mean", &said.Mean}, {"std", &said.Std}} {
		if text := c.String(f.name); text != "" {
			if *f.values, err = numbers(text); err != nil {
				return said, Usagef("--%s %q: %w", f.name, text, err)
			}
		}
	}
	// What the network takes is not known yet; this finds what nothing can take.
	whole := preprocess.Config{Height: 1, Width: 1, CropPct: 1, Mean: []float64{0}, Std: []float64{1}, Interpolation: preprocess.Bicubic}.With(said)
	if whole, err = whole.For(max(len(whole.Mean), len(whole.Std))); err == nil {
		err = whole.Validate()
	}
	if err != nil {
		return said, Usagef("--mean, --std, --interpolation: %w", err)
	}
	if c.IsSet("crop-pct") {
		said.CropPct = c.Float64("crop-pct")
		if err := preprocess.ImageNet(224, 224, said.CropPct).Validate(); err != nil {
			return said, Usagef("--crop-pct %v: %w", said.CropPct, err)
		}
	}
	return said, nil
}

func numbers(text string) (all []float64, err error) {
	for word := range strings.SplitSeq(text, ",") {
		x, err := strconv.ParseFloat(strings.TrimSpace(word), 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no number, expected one, or one a channel separated by commas", word)
		}
		all = append(all, x)
	}
	return all, nil
}
