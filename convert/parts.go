package convert

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/verify"
)

// PartPath is the name of the file of a promptable segmenter's part, where both are written:
// "sam.encoder.onnx" for an output "sam.onnx".
func PartPath(output, part string) string {
	ext := filepath.Ext(output)
	return strings.TrimSuffix(output, ext) + "." + part + ext
}

// part is that of a promptable segmenter; empty for other networks.
func (j *job) part() string {
	if j.in.Model == nil || len(j.in.Model.Info.Parts) == 0 {
		return ""
	}
	return j.in.Model.Info.Parts[0]
}

// split makes a job for the encoder alone of one for both parts, and returns that for the decoder.
func (j *job) split() (*job, error) {
	if outfile.IsStdout(j.path) {
		return nil, fmt.Errorf("%s: found an encoder and a decoder, which are two files, expected one part for standard output", j.in.Path)
	}
	encoder, decoder := PartPath(j.path, model.PartEncoder), PartPath(j.path, model.PartDecoder)
	if err := outfile.Check(j.Options.inputs(j.in.Path), []outfile.Output{{Path: encoder, What: "the encoder of " + j.in.Path}, {Path: decoder, What: "the decoder of " + j.in.Path}}); err != nil {
		return nil, err
	}
	d := *j
	d.r = &Result{Input: j.r.Input}
	d.Int8, d.Reference = nil, nil // those are the encoder's
	d.Model.SAM = model.SAM{Part: model.PartDecoder, Outputs: j.Model.SAM.Outputs}
	j.path, d.path = encoder, decoder
	var err error
	d.in, err = load.Open(j.in.Path, load.Options{Weights: d.Weights, Model: d.model, Hash: true})
	return &d, err
}

// join makes one result of those of all parts.
func join(jobs []*job) *Result {
	r := jobs[0].r
	if jobs[0].part() != "" {
		for _, j := range jobs {
			r.Outputs = append(r.Outputs, j.r.Output)
		}
	}
	for _, j := range jobs[1:] {
		r.Variant = strings.TrimSuffix(r.Variant, " "+model.PartEncoder)
		r.Parameters += j.r.Parameters
		r.MACs += j.r.MACs
		if c := j.r.Check; c != nil {
			r.Check.MaxAbs, r.Check.RelL2 = max(r.Check.MaxAbs, c.MaxAbs), max(r.Check.RelL2, c.RelL2)
			r.Check.Inputs += c.Inputs
		}
		for _, w := range j.r.Warnings {
			if !slices.Contains(r.Warnings, w) {
				r.Warnings = append(r.Warnings, w)
			}
		}
	}
	return r
}

// inputs are what a proof runs both networks on: two random images, or one of a promptable
// segmenter, whose images are larger, or an embedding and prompts of many kinds.
func (j *job) inputs() ([][]*graph.Tensor, error) {
	switch part := j.part(); {
	case part == model.PartDecoder:
		return prompts(j.Training)
	case part == model.PartEncoder && j.Training.Inputs[0].Name != "image":
		x, err := pixels(j.Training.Inputs[0], j.Deploy)
		return [][]*graph.Tensor{{x}}, err
	default:
		batch := 2
		if part != "" {
			batch = 1
		}
		x, err := verify.RandomInput(load.InputShape(j.Training, batch, j.r.Height, j.r.Width), checkSeed)
		return [][]*graph.Tensor{{x}}, err
	}
}

// pixels returns a random image of 0…255 for an encoder's input, two thirds as high as its square, where
// any height and width may be.
func pixels(in *graph.Value, g *graph.Graph) (*graph.Tensor, error) {
	types, err := g.Infer()
	if err != nil {
		return nil, err
	}
	side := 16 * types[g.Outputs[0]].Shape[3].Size
	shape := make([]int, len(in.Type.Shape))
	for i, d := range in.Type.Shape {
		switch shape[i] = d.Size; {
		case d.Known():
		case d.Sym == "height":
			shape[i] = side * 2 / 3
		default:
			shape[i] = side
		}
	}
	x, err := verify.RandomInput(shape, checkSeed)
	if err != nil {
		return nil, err
	}
	v, levels := x.Float32s(), make([]uint8, x.Len())
	for i := range v {
		v[i] = float32(math.Round(min(max(120+60*float64(v[i]), 0), 255)))
		levels[i] = uint8(v[i])
	}
	if in.Type.DType == graph.Uint8 {
		return graph.NewTensor(graph.Uint8, shape, levels)
	}
	return graph.Float32Tensor(shape, v), nil
}

// prompts returns inputs of a decoder: one to five points, inside and outside, with and without
// padding, boxes, and masks, and several prompts at once.
func prompts(g *graph.Graph) ([][]*graph.Tensor, error) {
	const inside, outside, topLeft, bottomRight, padding = 1, 0, 2, 3, -1
	var sets [][]*graph.Tensor
	for i, p := range []struct {
		prompts int
		labels  []float32
		mask    float32 // has_mask_input
		size    []float32
	}{
		{1, []float32{inside}, 0, []float32{96, 150}},
		{1, []float32{inside, padding}, 1, []float32{150, 96}},
		{1, []float32{topLeft, bottomRight}, 0, []float32{64, 64}},
		{1, []float32{inside, outside, padding}, 0, []float32{33, 90}},
		{1, []float32{topLeft, bottomRight, inside, padding}, 1, []float32{300, 200}},
		{1, []float32{inside, inside, outside, outside, padding}, -1, []float32{77, 131}},
		{3, []float32{inside, padding}, 0, []float32{120, 121}},
	} {
		var inputs []*graph.Tensor
		for _, in := range g.Inputs {
			named := map[string]int{"prompts": p.prompts, "points": len(p.labels)}
			shape := make([]int, len(in.Type.Shape))
			for k, d := range in.Type.Shape {
				if shape[k] = d.Size; !d.Known() {
					shape[k] = named[d.Sym]
				}
			}
			x, err := verify.RandomInput(shape, checkSeed+uint64(i))
			if err != nil {
				return nil, err
			}
			v := x.Float32s()
			switch in.Name {
			case "point_coords":
				square := float64(16 * g.Inputs[0].Type.Shape[3].Size)
				for k := range v { // between 0 and the square's side
					v[k] = float32(square * min(max(0.5+float64(v[k])/6, 0), 1))
				}
			case "point_labels":
				for k := range v {
					v[k] = p.labels[k%len(p.labels)]
				}
			case "has_mask_input":
				v[0] = p.mask
			case "orig_im_size":
				copy(v, p.size)
			}
			inputs = append(inputs, graph.Float32Tensor(shape, v))
		}
		sets = append(sets, inputs)
	}
	return sets, nil
}
