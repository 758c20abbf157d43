package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/pytorch"
)

// inspection is what inspect --json prints.
type inspection struct {
	File       string         `json:"file"`
	Format     string         `json:"format"` // container of a checkpoint, onnx or native
	Bytes      int64          `json:"bytes"`
	Wrapper    string         `json:"wrapper"`          // path of the state dict in the file
	Prefix     string         `json:"prefix,omitempty"` // taken off every key
	Module     string         `json:"module,omitempty"` // class of a pickled module
	Family     string         `json:"family,omitempty"` // naming of the keys
	Others     []string       `json:"other_state_dicts,omitempty"`
	Producer   string         `json:"producer,omitempty"`
	Opset      int            `json:"opset,omitempty"`
	Variant    string         `json:"variant"`
	Generation string         `json:"generation"`
	Classes    int            `json:"classes"`
	Distilled  bool           `json:"distilled"`
	Input      string         `json:"input"`
	Outputs    []string       `json:"outputs"`
	Parts      []model.Part   `json:"parts"`
	Parameters int64          `json:"parameters"`
	MACs       int64          `json:"macs"`
	DTypes     map[string]int `json:"dtypes"` // tensors of each type
	Ignored    []string       `json:"ignored"`
}

func inspectCommand() *urfave.Command {
	return &urfave.Command{
		Name:      "inspect",
		Usage:     "say what a checkpoint or converted model holds",
		ArgsUsage: "FILE...",
		Flags: []urfave.Flag{
			&urfave.StringFlag{Name: "size", Value: "224", DefaultText: "224", Usage: "resolution `N` or HxW that MACs are counted for"},
			&urfave.BoolFlag{Name: "ema", Usage: "look at the averaged weights (model_ema)"},
			&urfave.StringFlag{Name: "key", Usage: "`PATH` of the state dict in the file"},
			&urfave.BoolFlag{Name: "json", Usage: "print one JSON object"},
		},
		Action: func(c *urfave.Context) error {
			if c.Args().Len() == 0 {
				return cli.Usagef("no file given")
			}
			h, w, err := cli.ParseSize(c.String("size"))
			if err != nil {
				return err
			}
			if h == 0 {
				h, w = 224, 224
			}
			var all []*inspection
			for i, path := range c.Args().Slice() {
				r, err := inspect(path, pytorch.Options{Key: c.String("key"), EMA: c.Bool("ema")}, h, w)
				if err != nil {
					return err
				}
				all = append(all, r)
				if !c.Bool("json") {
					if i > 0 {
						fmt.Fprintln(c.App.Writer)
					}
					r.print(c.App.Writer)
				}
			}
			switch {
			case !c.Bool("json"):
				return nil
			case len(all) == 1:
				return cli.PrintJSON(c.App.Writer, all[0])
			}
			return cli.PrintJSON(c.App.Writer, map[string]any{"files": all})
		},
	}
}

func inspect(path string, weights pytorch.Options, height, width int) (*inspection, error) {
	f, err := load.Open(path, load.Options{Weights: weights})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &inspection{File: path, Format: f.Kind, Bytes: f.Size, DTypes: map[string]int{}, Ignored: []string{}}
	info := model.InfoOf(f.Graph)
	switch f.Kind {
	case load.Checkpoint:
		info = f.Model.Info
		r.Format, r.Wrapper, r.Prefix, r.Module, r.Family = f.Checkpoint.Format, f.State.Path, f.State.Prefix, f.State.Module, info.Family
		r.Ignored = append(r.Ignored, f.Model.Ignored...)
		for _, s := range f.Checkpoint.StateDicts() {
			if s.Path != f.State.Path {
				r.Others = append(r.Others, cmp.Or(s.Path, "the file itself"))
			}
		}
		for _, k := range f.State.Keys() {
			t, _ := f.State.Get(k)
			r.DTypes[string(t.DType)]++
		}
	case load.ONNX:
		r.Producer, r.Opset = strings.TrimSpace(f.ONNX.Producer+" "+f.ONNX.ProducerVersion), f.ONNX.Opset
		fallthrough
	default:
		for _, v := range f.Graph.Weights() {
			r.DTypes[v.Const.DType.String()]++
		}
	}
	r.Variant, r.Generation, r.Classes, r.Distilled = info.Variant, info.Generation, info.Classes, info.Distilled
	r.Input = f.Graph.Inputs[0].Type.String()
	types, err := f.Graph.Infer()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, v := range f.Graph.Outputs {
		r.Outputs = append(r.Outputs, v.Name+" "+types[v].String())
	}
	if r.Parts, err = model.Parts(f.Graph, height, width); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.Parameters = f.Graph.Parameters()
	for _, p := range r.Parts {
		r.MACs += p.MACs
	}
	return r, nil
}

// print writes the inspection as a table of at most 100 columns.
func (r *inspection) print(w io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-11s %s\n", name, clip(fmt.Sprintf(format, args...), 88))
	}
	line("file", "%s (%.1f MB)", r.File, float64(r.Bytes)/1e6)
	switch r.Format {
	case load.ONNX:
		line("format", "ONNX opset %d by %s", r.Opset, r.Producer)
	case load.Native:
		line("format", "native")
	default:
		line("format", "PyTorch checkpoint, %s container, %s key names", r.Format, r.Family)
		at := "the file itself"
		if r.Wrapper != "" {
			at = fmt.Sprintf("under %q", r.Wrapper)
		}
		if r.Module != "" {
			at += ", a pickled " + r.Module
		}
		if r.Prefix != "" {
			at += fmt.Sprintf(", every key begins with %q", r.Prefix)
		}
		line("state dict", "%s", at)
		if len(r.Others) > 0 {
			line("others", "%s", strings.Join(r.Others, ", "))
		}
	}
	heads := "one head"
	if r.Distilled {
		heads = "two heads"
	}
	line("variant", "%s, %s form, %d classes, %s", cmp.Or(r.Variant, "unknown"), cmp.Or(r.Generation, "unknown"), r.Classes, heads)
	line("input", "%s", r.Input)
	for _, o := range r.Outputs {
		line("output", "%s", o)
	}
	var types []string
	for _, t := range slices.Sorted(maps.Keys(r.DTypes)) {
		types = append(types, fmt.Sprintf("%d %s", r.DTypes[t], t))
	}
	line("tensors", "%s", strings.Join(types, ", "))
	if n := len(r.Ignored); n > 0 {
		line("ignored", "%d keys outside the network: %s", n, strings.Join(r.Ignored, ", "))
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "part\tblocks\twidth\tSE\tparameters\tMMACs\t")
	for _, p := range r.Parts {
		blocks := ""
		if p.Blocks > 0 {
			blocks = fmt.Sprint(p.Blocks)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%d\t%.1f\t\n", p.Name, blocks, p.Width, clip(p.SE, 40), p.Parameters, float64(p.MACs)/1e6)
	}
	fmt.Fprintf(t, "total\t\t\t\t%d\t%.1f\t\n", r.Parameters, float64(r.MACs)/1e6)
	t.Flush()
}

// clip shortens text to n columns and keeps it on one line.
func clip(s string, n int) string {
	r := []rune(printable.Line(s))
	if len(r) > n {
		r = append(r[:n-1], '…')
	}
	return string(r)
}
