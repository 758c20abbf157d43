package sam

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
)

// norm2D is the epsilon of LayerNorm over the channels of a pixel.
const norm2D = 1e-6

// encoder adds to a backbone's maps what makes them an embedding: EdgeSAM's last two stages are
// joined, and a neck follows. Its outputs are "image_embeddings", 1×D×S/16×S/16 for a square of S
// pixels, or "output" where the input is "input": see [model.EncoderInputs].
func encoder(b *model.Builder, maps []model.FeatureMap) error {
	root, bare := b.Root(), b.Prefix() == b.Root()
	if err := refuse(b, root); err != nil {
		return err
	}
	s, err := side(b)
	if err != nil {
		return err
	}
	o := b.SAM
	if len(maps) != 4 {
		return fmt.Errorf("%w: found %d stages, expected 4 of an image encoder", model.ErrFamily, len(maps))
	}
	fused := b.Has("fuse_stage2.weight")
	switch {
	case o.Outputs != "" && o.Part == model.PartEncoder:
		return fmt.Errorf("%w: found an encoder, expected a decoder for the layout %q of its outputs", model.ErrOptions, o.Outputs)
	case o.Upsample != "" && !fused:
		return fmt.Errorf("%w: found an encoder that does not join its stages, expected EdgeSAM's for %s upsampling", model.ErrOptions, o.Upsample)
	}
	b.SAM.Outputs = "" // which are the decoder's, where both are asked for
	b.Info.Family = "RepViT-SAM"
	if fused || b.Info.Generation == "v1" {
		b.Info.Family = "EdgeSAM"
	}
	b.Info.Classes, b.Info.Taps, b.Info.Head = 0, model.Taps{}, "none: an image's embedding"
	b.Info.Parts = []string{model.PartEncoder}
	if !bare {
		if b.KeysBeside().Below(decoderScope) {
			b.Info.Parts = append(b.Info.Parts, model.PartDecoder)
		}
		for _, scope := range []string{promptScope, decoderScope, encoderScope + ".classifier"} {
			b.PassOver(scope)
		}
	}
	if b.KeysBeside().Below("rpn_head") || b.KeysBeside().Below("fpn") {
		b.Note("fpn and rpn_head, which say how coarse EdgeSAM's masks shall be, are left out, as EdgeSAM's own exports leave them out")
	}
	x, c := maps[3].Value, maps[3].Channels
	if fused {
		if x, c, err = joined(b, maps); err != nil {
			return err
		}
	}
	once := func(in, kernel int) model.Conv { return model.Conv{In: in, Kernel: kernel, Stride: model.Once} }
	if x, c, err = b.Conv("neck.0", "neck.0", x, once(c, 1)); err != nil {
		return err
	}
	if x, err = normChannels(b, "neck.1", x, c); err != nil {
		return err
	}
	if x, c, err = b.Conv("neck.2", "neck.2", x, once(c, 3)); err != nil {
		return err
	}
	if x, err = normChannels(b, "neck.3", x, c); err != nil {
		return err
	}
	b.Graph.Outputs = []*graph.Value{x}
	return front(b, s)
}

// joined adds EdgeSAM's sum of the third stage and the fourth, which is half as large.
func joined(b *model.Builder, maps []model.FeatureMap) (*graph.Value, int, error) {
	point := func(in, out int) model.Conv { return model.Conv{In: in, Out: out, Kernel: 1, Stride: model.Once} }
	x, c, err := b.Conv("fuse_stage2", "fuse_stage2", maps[2].Value, point(maps[2].Channels, 0))
	if err != nil {
		return nil, 0, err
	}
	y, _, err := b.Conv("fuse_stage3.op_list.0", "fuse_stage3.op_list.0", maps[3].Value, point(maps[3].Channels, c))
	if err != nil {
		return nil, 0, err
	}
	mode := "linear"
	if b.SAM.Upsample != model.UpsampleBilinear {
		mode = "cubic"
		b.Note("the last two stages are joined by bicubic upsampling, as PyTorch runs EdgeSAM; its ONNX and Core ML exports have bilinear upsampling (--upsample)")
	}
	y = b.Graph.Add("fuse_stage3", graph.Resize{Mode: mode, Coordinates: "half_pixel", Scales: [2]float64{2, 2}}, y)
	return b.Graph.Add("fused", graph.Add{}, x, y), c, nil
}

// normChannels adds the LayerNorm over the channels of every pixel that stands at a key.
func normChannels(b *model.Builder, key string, x *graph.Value, c int) (*graph.Value, error) {
	if err := b.Attribute(key, "eps", norm2D, fmt.Sprint(norm2D)); err != nil {
		return nil, err
	}
	in := []*graph.Value{x}
	for _, suffix := range []string{".weight", ".bias"} {
		w, err := b.Weight(key+suffix, c)
		if err != nil {
			return nil, err
		}
		in = append(in, graph.Weight(w.Name, graph.Float32Tensor([]int{c, 1, 1}, w.Const.Float32s())))
	}
	return b.Graph.Add(key, graph.LayerNorm{Axes: []int{-3}, Epsilon: norm2D}, in...), nil
}

// front names the input and the output, and adds what makes a normalised square of other inputs.
func front(b *model.Builder, s int) error {
	g := b.Graph
	x, y := g.Inputs[0], g.Outputs[0]
	x.Name, y.Name = "image", "image_embeddings"
	x.Type.Shape[2], x.Type.Shape[3] = graph.Fixed(s), graph.Fixed(s)
	o := b.SAM
	hwc := o.Input == model.InputHWC
	if !hwc && o.Input != model.InputUint8 {
		if o.Height != 0 || o.Width != 0 {
			return fmt.Errorf("%w: found an image size of %d×%d for an input that is a square, expected the layout %s or %s", model.ErrOptions, o.Height, o.Width, model.InputHWC, model.InputUint8)
		}
		return nil
	}
	if c := x.Type.Shape[1]; c != graph.Fixed(3) {
		return fmt.Errorf("%w: found a network for %v channels, expected 3 for the layout %s", model.ErrOptions, c, o.Input)
	}
	if b.Batch > 1 || o.Height > s || o.Width > s || (o.Height == 0) != (o.Width == 0) {
		return fmt.Errorf("%w: found a batch of %d and images of %d×%d, expected one image of at most %d×%d", model.ErrOptions, max(b.Batch, 1), o.Height, o.Width, s, s)
	}
	size := func(n int, sym string) graph.Dim {
		if n > 0 {
			return graph.Fixed(n)
		}
		return graph.Symbol(sym)
	}
	h, w := size(o.Height, "height"), size(o.Width, "width")
	in := &graph.Value{Name: "input_image", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{h, w, graph.Fixed(3)}}}
	axes := []int{0, 1} // rows and columns
	if !hwc {
		in = &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Uint8, Shape: graph.Shape{graph.Fixed(1), graph.Fixed(3), h, w}}}
		axes = []int{2, 3}
		y.Name = "output"
	}
	// These nodes come first, and their last result is what the backbone takes.
	nodes := g.Nodes
	g.Nodes, g.Inputs = nil, []*graph.Value{in}
	z := in
	if !hwc {
		z = g.Add("image.float", graph.Cast{To: graph.Float32}, z)
	}
	fit := Whole().Fit
	shape := []int{1, 3, 1, 1}
	if hwc {
		shape = []int{3}
	}
	z = g.Add("image.centred", graph.Sub{}, z, levels("image.mean", shape, fit.Mean))
	z = g.Add("image.normalised", graph.Div{}, z, levels("image.std", shape, fit.Std))
	rank := len(in.Type.Shape)
	for _, axis := range axes {
		pad, known := graph.Pad{Mode: "constant", Pads: make([]int, 2*rank)}, in.Type.Shape[axis]
		name := fmt.Sprintf("image.padded.%d", axis)
		if known.Known() {
			pad.Pads[rank+axis] = s - known.Size
			z = g.Add(name, pad, z)
			continue
		}
		// As many zeros as there may have to be, of which what is needed is kept.
		pad.Pads[rank+axis] = s - 1
		part := graph.Slice{Axes: []int{axis}, Starts: []int{0}, Ends: []int{s}, Steps: []int{1}}
		z = g.Add(fmt.Sprintf("image.square.%d", axis), part, g.Add(name, pad, z))
	}
	if hwc {
		z = g.Add("image.channels", graph.Transpose{Perm: []int{2, 0, 1}}, z)
	}
	g.Add("image", graph.Reshape{Shape: []int{1, 3, s, s}}, z)
	x.Type = nil
	g.Nodes[len(g.Nodes)-1].Output = x
	g.Nodes = append(g.Nodes, nodes...)
	return nil
}

// levels are constants for the channels of an image of 0…255.
func levels(name string, shape []int, of []float64) *graph.Value {
	v := make([]float32, len(of))
	for i, x := range of {
		v[i] = float32(255 * x)
	}
	w := graph.Weight(name, graph.Float32Tensor(shape, v))
	w.Buffer = true
	return w
}
