package convertcmd

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/format"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
)

// inspection is what inspect --json prints.
type inspection struct {
	File       string         `json:"file"`
	Format     string         `json:"format"` // container of a checkpoint, or a format's name
	Bytes      int64          `json:"bytes"`
	Wrapper    string         `json:"wrapper"`          // path of the state dict in the file
	Prefix     string         `json:"prefix,omitempty"` // taken off every key
	Module     string         `json:"module,omitempty"` // class of a pickled module
	Family     string         `json:"family,omitempty"` // "RepViT"
	Naming     string         `json:"naming,omitempty"` // whose names the keys are
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
	KeptFloat  []string       `json:"kept_float,omitempty"` // layers of an int8 network

	Head       string            `json:"head,omitempty"`
	BNEpsilon  float64           `json:"bn_epsilon,omitempty"`
	Warnings   []string          `json:"warnings,omitempty"`
	Notes      []string          `json:"notes,omitempty"`
	Skipped    []string          `json:"skipped,omitempty"`    // objects beside the weights, which were not run
	Metadata   map[string]string `json:"metadata,omitempty"`   // of a converted file
	Preprocess any               `json:"preprocess,omitempty"` // how images become the input: a preprocess.Config or preprocess.Fit

	Problem    string      `json:"problem,omitempty"`     // why the file does not convert as it is
	StateDicts []stateDict `json:"state_dicts,omitempty"` // what it holds, where it does not convert
}

// stateDict is one of a file's dictionaries of weights.
type stateDict struct {
	Name     string   `json:"name"`
	Tensors  int      `json:"tensors"`
	Elements int      `json:"elements"`
	Networks []string `json:"networks,omitempty"` // names of the RepViTs in it
	Averaged bool     `json:"averaged,omitempty"`
	First    string   `json:"first"` // name of the first tensor
}

func inspectCommand() *urfave.Command {
	return &urfave.Command{
		Name:      "inspect",
		Usage:     "say what a checkpoint or converted model holds",
		ArgsUsage: "FILE...",
		Flags: slices.Concat([]urfave.Flag{
			&urfave.StringFlag{Name: "size", Value: "224", DefaultText: "224", Usage: "resolution `N` or HxW that MACs are counted for"},
		}, cli.WeightFlags("look at the averaged weights (model_ema)", "`PATH` of the state dict in the file"), []urfave.Flag{
			&urfave.BoolFlag{Name: "json", Usage: "print one JSON object"},
		}),
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
			failed := cli.NewFailures(c, "files", c.Args().Len())
			for _, path := range c.Args().Slice() {
				r, err := inspect(path, pytorch.Options{Key: c.String("key"), EMA: c.Bool("ema")}, h, w)
				if err != nil {
					if err := failed.Add(path, err); err != nil {
						return err
					}
					continue
				}
				all = append(all, r)
				if !c.Bool("json") {
					if len(all) > 1 {
						fmt.Fprintln(c.App.Writer)
					}
					r.print(c.App.Writer)
				}
			}
			if c.Bool("json") {
				if err := cli.PrintResults(c.App.Writer, all, failed.Problems); err != nil {
					return err
				}
			}
			return failed.Err()
		},
	}
}

func inspect(path string, weights pytorch.Options, height, width int) (*inspection, error) {
	f, err := load.Open(path, load.Options{Weights: weights})
	problem := cli.Hint(err)
	if errors.Is(err, model.ErrHead) || errors.Is(err, model.ErrKey) {
		// The network may be whole and only its head be missing or another.
		f, err = load.Open(path, load.Options{Weights: weights, Model: func(model.Stated) model.Options { return model.Options{Features: true} }})
	}
	if err != nil {
		if r := survey(path, problem); r != nil {
			return r, nil
		}
		return nil, problem
	}
	defer f.Close()
	r := &inspection{File: path, Format: f.Format.Name, Bytes: f.Size, DTypes: map[string]int{}, Ignored: []string{}}
	info := model.InfoOf(f.Graph)
	if m := f.Converted; m != nil {
		r.Producer, r.Opset = strings.TrimSpace(m.Producer+" "+m.ProducerVersion), m.Opset
		r.Metadata = f.Graph.Metadata
		r.KeptFloat = storedList(r.Metadata, model.MetaKeptFloat)
		for _, v := range f.Graph.Weights() {
			r.DTypes[v.Const.DType.String()]++
		}
	} else {
		info = f.Model.Info
		r.Format, r.Wrapper, r.Prefix, r.Module, r.Family = f.Checkpoint.Format, f.State.Path, f.State.Prefix+f.State.Within, f.State.Module, info.Family
		r.Naming = info.Naming
		r.Ignored = append(r.Ignored, f.Model.Ignored...)
		r.Warnings, r.Notes, r.Skipped = f.Model.Warnings, slices.Concat(f.Model.Notes, f.Model.Stated), f.Checkpoint.Skipped()
		if info.Taps.Rule != "" {
			r.Notes = append(r.Notes, fmt.Sprintf("feature maps are the outputs of blocks %s", info.Taps))
		}
		if problem != nil {
			r.Notes = append(r.Notes, "shown as a backbone, since "+strings.TrimPrefix(problem.Error(), path+": "))
		}
		for _, s := range f.Checkpoint.StateDicts() {
			if s.Path != f.State.Path {
				r.Others = append(r.Others, cmp.Or(s.Path, "the file itself"))
			}
		}
		for _, s := range f.Networks() {
			if s.Path == f.State.Path && s.Within != f.State.Within && s.Name() != f.State.Name() {
				r.Others = append(r.Others, s.Name())
			}
		}
		for _, k := range f.State.Keys() {
			t, _ := f.State.Get(k)
			r.DTypes[cmp.Or(string(t.DType), "not readable")]++
		}
	}
	r.Variant, r.Generation, r.Classes, r.Distilled = info.Variant, info.Generation, info.Classes, info.Distilled
	r.Head, r.BNEpsilon = info.Head, info.BNEpsilon
	if fit, ok := f.Fit(); ok {
		r.Preprocess = fit
	} else if p, err := f.Preprocess(); err == nil {
		r.Preprocess = p
	}
	if say := f.Format.Normalization; say != nil {
		p := preprocess.ImageNet(0, 0, 0)
		r.Notes = append(r.Notes, fmt.Sprintf("%s files do not say how images are normalised, the conversion does; if as for ImageNet, %s", f.Format.Name, say(p.Mean, p.Std)))
	}
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

// survey lists what a checkpoint holds that does not convert as it is; nil for a file that can't
// be read.
func survey(path string, problem error) *inspection {
	f, err := pytorch.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	text := strings.TrimPrefix(problem.Error(), path+": ")
	r := &inspection{File: path, Format: f.Format, DTypes: map[string]int{}, Ignored: []string{}, Outputs: []string{}, Parts: []model.Part{}, Problem: text, Skipped: f.Skipped()}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		r.Bytes = info.Size()
	}
	for _, s := range f.StateDicts() {
		d := stateDict{Name: s.Name(), Tensors: len(s.Keys()), Averaged: s.Averaged()}
		for _, k := range s.Keys() {
			t, _ := s.Get(k)
			d.Elements += t.Len()
			r.DTypes[cmp.Or(string(t.DType), "not readable")]++
		}
		if d.Tensors > 0 {
			d.First = s.Keys()[0]
		}
		for _, within := range family.Networks(s) {
			n := *s
			n.Within = within
			d.Networks = append(d.Networks, cmp.Or(n.Name(), "the file itself"))
		}
		r.StateDicts = append(r.StateDicts, d)
	}
	return r
}

// print writes the inspection as a table of at most 100 columns.
func (r *inspection) print(w io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-11s %s\n", name, clip(fmt.Sprintf(format, args...), 88))
	}
	line("file", "%s (%.1f MB)", r.File, float64(r.Bytes)/1e6)
	switch {
	case r.Format == format.ONNX.Name:
		line("format", "ONNX opset %d by %s", r.Opset, r.Producer)
	case format.Named(r.Format) != nil:
		line("format", "%s", r.Format)
	default:
		line("format", "PyTorch checkpoint, %s container, %s key names", r.Format, cmp.Or(r.Naming, "unknown"))
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
		if r.Problem == "" {
			line("state dict", "%s", at)
		}
		if len(r.Others) > 0 {
			line("others", "%s", strings.Join(r.Others, ", "))
		}
	}
	if r.Problem != "" {
		r.printSurvey(w, line)
		return
	}
	heads := "one head"
	if r.Distilled {
		heads = "two heads"
	}
	if r.Head != "" {
		heads = r.Head
	}
	classes := fmt.Sprintf("%d classes, ", r.Classes)
	if r.Classes == 0 {
		classes = ""
	}
	line("variant", "%s, %s form, %s%s", cmp.Or(r.Variant, "unknown"), cmp.Or(r.Generation, "unknown"), classes, heads)
	if r.BNEpsilon != 0 && r.BNEpsilon != 1e-5 {
		line("bn epsilon", "%v", r.BNEpsilon)
	}
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
	switch p := r.Preprocess.(type) {
	case preprocess.Fit:
		line("images", "%v", p)
	case preprocess.Config:
		if len(p.Mean) == 0 {
			line("images", "%d×%d; the file does not say how they are made", p.Height, p.Width)
			break
		}
		line("images", "%d×%d, crop_pct %v, mean %v, std %v, %s", p.Height, p.Width, p.CropPct, p.Mean, p.Std, p.Interpolation)
	}
	if len(r.Skipped) > 0 {
		line("skipped", "%s", strings.Join(r.Skipped, ", "))
	}
	for _, k := range []string{model.MetaSource, model.MetaSourceSHA256, model.MetaStateDict, model.MetaVersion, model.MetaQuantization, model.MetaIntegers, model.MetaTaps, model.MetaHead, model.MetaEpsilon} {
		if v := r.Metadata[k]; v != "" {
			line(strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(k, "repvit."), "source_"), "_", " "), "%s", v)
		}
	}
	if n := len(r.KeptFloat); n > 0 {
		line("in float", "%d layers: %s", n, strings.Join(r.KeptFloat, ", "))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "%-11s %s\n", "note", printable.Line(n))
	}
	for _, n := range append(r.Warnings, storedList(r.Metadata, model.MetaWarnings)...) {
		fmt.Fprintf(w, "%-11s %s\n", "warning", printable.Line(n))
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

// storedList is one that a conversion put into its file.
func storedList(metadata map[string]string, key string) (list []string) {
	_ = json.Unmarshal([]byte(metadata[key]), &list) // a courtesy here
	return list
}

// printSurvey lists state dicts in place of a network.
func (r *inspection) printSurvey(w io.Writer, line func(name, format string, args ...any)) {
	var types []string
	for _, t := range slices.Sorted(maps.Keys(r.DTypes)) {
		types = append(types, fmt.Sprintf("%d %s", r.DTypes[t], t))
	}
	line("tensors", "%s", strings.Join(types, ", "))
	if len(r.Skipped) > 0 {
		line("skipped", "%s", strings.Join(r.Skipped, ", "))
	}
	fmt.Fprintf(w, "%-11s %s\n\n", "does not", "convert as it is: "+printable.Line(r.Problem))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "state dict\ttensors\telements\tRepViTs\tfirst name")
	for _, s := range r.StateDicts {
		name := cmp.Or(s.Name, "the file itself")
		if s.Averaged {
			name += " (averaged)"
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\n", clip(name, 40), s.Tensors, s.Elements, clip(cmp.Or(strings.Join(s.Networks, ", "), "none"), 40), clip(s.First, 40))
	}
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
