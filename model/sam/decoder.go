package sam

import (
	"fmt"
	"math"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
)

// What no tensor says.
const (
	heads     = 8    // of every attention
	normToken = 1e-5 // epsilon of LayerNorm over a token
	multimask = 2.5  // points, the padding among them, from which on the first mask is the answer
)

// decoding adds the prompt encoder and the mask decoder.
type decoding struct {
	*model.Builder
	err error // the first; methods do nothing behind it

	dim   int // of tokens and of the embedding's pixels
	masks int
	grid  int // rows and columns of the embedding
}

// decoder adds the network that makes masks of an embedding and of prompts. For a square of S pixels,
// M masks and any number of prompts P of N points each, all float32:
//
//	image_embeddings 1×D×S/16×S/16
//	point_coords     P×N×2, x and y in the square
//	point_labels     P×N: 0 outside, 1 inside, 2 and 3 a box's corners, −1 padding
//	mask_input       1×1×S/4×S/4, logits of an earlier mask
//	has_mask_input   1: 1 where mask_input counts, else 0
//	orig_im_size     2: the image's height and width
//
// They are those of segment_anything's ONNX export, where P is 1. The outputs are
//
//	sam      masks P×1×height×width, iou_predictions P×1, low_res_masks P×1×S/4×S/4: the mask that the
//	         export chooses
//	low      iou_predictions P×M, low_res_masks P×M×S/4×S/4; orig_im_size is no input
//	edgesam  scores P×M, how stable each mask is, and masks P×M×S/4×S/4; the inputs are the first three
//
// All of them are logits: what is above 0 is inside.
func decoder(b *model.Builder) error {
	if err := refuse(b, b.Prefix()); err != nil {
		return err
	}
	s, err := side(b)
	if err != nil {
		return err
	}
	o := b.SAM
	switch {
	case b.Features || b.Embedding || b.Softmax || b.Segment != "" || b.Detector != model.Detector{}:
		return fmt.Errorf("%w: found options of classifiers, segmenters or detectors for a decoder", model.ErrOptions)
	case o.Input != "" || o.Upsample != "" || o.Height != 0 || o.Width != 0:
		return fmt.Errorf("%w: found the layout, image size or upsampling of an encoder, expected none for a decoder", model.ErrOptions)
	}
	b.Info.Whole, b.Info.Head = Whole().Also, "none: masks"
	b.Info.Parts = []string{model.PartDecoder}
	d := &decoding{Builder: b, grid: s / stride}
	d.build(s)
	return d.err
}

func (d *decoding) build(s int) {
	g := d.Graph
	input := func(name string, dims ...graph.Dim) *graph.Value {
		v := &graph.Value{Name: name, Type: &graph.Type{DType: graph.Float32, Shape: dims}}
		g.Inputs = append(g.Inputs, v)
		return v
	}
	one, grid, low := graph.Fixed(1), graph.Fixed(d.grid), graph.Fixed(4*d.grid)
	prompts, points := graph.Symbol("prompts"), graph.Symbol("points")
	if d.Batch > 0 {
		prompts = graph.Fixed(d.Batch)
	}
	gaussian := d.weight("prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", 2, -1)
	if d.err != nil {
		return
	}
	d.dim = 2 * gaussian.Const.Shape[1]
	embedding := input("image_embeddings", one, graph.Fixed(d.dim), grid, grid)
	coords := input("point_coords", prompts, points, graph.Fixed(2))
	labels := input("point_labels", prompts, points)
	outputs := d.SAM.Outputs
	var dense *graph.Value
	if outputs == model.OutputsEdgeSAM {
		dense = d.reshaped("prompt_encoder.no_mask_embed.weight", []int{1, d.dim}, 1, d.dim, 1, 1)
		d.PassOver("prompt_encoder.mask_downscaling")
		d.PassOver("mask_decoder.iou_prediction_head")
	} else {
		mask := input("mask_input", one, one, low, low)
		has := input("has_mask_input", one)
		dense = d.dense(mask, has)
	}
	if d.err != nil {
		return
	}
	pad := d.add("padding", graph.Equal{}, labels, d.number("padding.label", -1)) // P×N
	padding := d.add("padding.points", graph.Reshape{Shape: []int{0, 0, 1}}, pad)
	own := d.tokens(padding)
	queries := d.add("tokens", graph.Concat{Axis: 1}, own, d.sparse(gaussian, coords, labels, padding, s))
	keys := d.add("source", graph.Add{}, embedding, dense)
	keys = d.add("source.pixels", graph.Transpose{Perm: []int{0, 2, 3, 1}}, keys)
	keys = d.add("pixels", graph.Reshape{Shape: []int{1, d.grid * d.grid, d.dim}}, keys)
	queries, keys = d.transformer(queries, keys, d.place(gaussian))
	if d.err != nil {
		return
	}
	all := d.all(queries, keys)
	if outputs == model.OutputsEdgeSAM {
		all.Name = "masks"
		g.Outputs = []*graph.Value{d.stability(all), all}
		return
	}
	iou := d.quality(queries)
	if d.err != nil {
		return
	}
	if outputs == model.OutputsLow {
		iou.Name, all.Name = "iou_predictions", "low_res_masks"
		g.Outputs = []*graph.Value{iou, all}
		return
	}
	best := d.choice(pad, iou)
	chosen := func(name string, x *graph.Value, shape ...int) *graph.Value {
		return d.add(name, graph.Reshape{Shape: shape}, d.add(name+".chosen", graph.GatherND{BatchDims: 1}, x, best))
	}
	iou = chosen("iou_predictions", iou, 0, 1)
	mask := chosen("low_res_masks", all, 0, 1, 4*d.grid, 4*d.grid)
	size := input("orig_im_size", graph.Fixed(2))
	g.Outputs = []*graph.Value{d.add("masks", graph.PostprocessMasks{Size: s}, mask, size), iou, mask}
}

// add adds a node.
func (d *decoding) add(name string, op graph.Op, in ...*graph.Value) *graph.Value {
	return d.Graph.Add(name, op, in...)
}

// weight returns a tensor of the checkpoint.
func (d *decoding) weight(key string, shape ...int) *graph.Value {
	if d.err != nil {
		return nil
	}
	w, err := d.Weight(key, shape...)
	if err != nil {
		d.err = err
		return nil
	}
	return w
}

// reshaped returns a tensor of the checkpoint with other axes.
func (d *decoding) reshaped(key string, shape []int, axes ...int) *graph.Value {
	w := d.weight(key, shape...)
	if w == nil {
		return nil
	}
	return graph.Weight(w.Name, graph.Float32Tensor(axes, w.Const.Float32s()))
}

// constant returns what is not trained.
func (d *decoding) constant(name string, shape []int, v []float32) *graph.Value {
	w := graph.Weight(name, graph.Float32Tensor(shape, v))
	w.Buffer = true
	return w
}

func (d *decoding) number(name string, v float64) *graph.Value {
	return d.constant(name, []int{}, []float32{float32(v)})
}

// dense is the embedding of a mask, 1×D×S/16×S/16, and that of none where there is none:
// has·down(mask) + (1 − has)·none. Programs give −1 for has, too.
func (d *decoding) dense(mask, has *graph.Value) *graph.Value {
	const key = "prompt_encoder.mask_downscaling."
	x, c := mask, 1
	for i, name := range []string{"0", "3", "6"} {
		k := model.Conv{In: c, Kernel: 2, Stride: [2]int{2, 2}}
		if i == 2 {
			k = model.Conv{In: c, Out: d.dim, Kernel: 1, Stride: model.Once}
		}
		if d.err == nil {
			x, c, d.err = d.FusedConv(key+name, key+name, x, k)
		}
		if i == 2 {
			break
		}
		norm := fmt.Sprintf("%s%d", key, 3*i+1)
		if d.err == nil {
			x, d.err = normChannels(d.Builder, norm, x, c)
		}
		x = d.add(fmt.Sprintf("%s%d", key, 3*i+2), graph.Gelu{}, x)
	}
	none := d.reshaped("prompt_encoder.no_mask_embed.weight", []int{1, d.dim}, 1, d.dim, 1, 1)
	x = d.add("mask.embedding", graph.Mul{}, x, has)
	without := d.add("mask.absent", graph.Sub{}, d.number("mask.one", 1), has)
	return d.add("mask.dense", graph.Add{}, x, d.add("mask.none", graph.Mul{}, without, none))
}

// tokens are those of the quality and of each mask, P×(1+M)×D, the same for every prompt. padding is
// P×N×1.
func (d *decoding) tokens(padding *graph.Value) *graph.Value {
	quality := d.weight("mask_decoder.iou_token.weight", 1, d.dim)
	masks := d.weight("mask_decoder.mask_tokens.weight", -1, d.dim)
	if d.err != nil {
		return nil
	}
	d.masks = masks.Const.Shape[0]
	all := append(append([]float32{}, quality.Const.Float32s()...), masks.Const.Float32s()...)
	w := graph.Weight("mask_decoder.tokens", graph.Float32Tensor([]int{1, 1 + d.masks, d.dim}, all))
	// Where chooses between the tokens and themselves: it repeats them for each prompt.
	first := d.add("prompts.each", graph.Slice{Axes: []int{1}, Starts: []int{0}, Ends: []int{1}, Steps: []int{1}}, padding)
	return d.add("tokens.own", graph.Where{}, first, w, w)
}

// sparse are the embeddings of points, P×N×D: their place, which padding has not, and what their
// label adds.
func (d *decoding) sparse(gaussian, coords, labels, padding *graph.Value, s int) *graph.Value {
	const key = "prompt_encoder."
	table := make([]float32, 0, 5*d.dim)
	for _, k := range []string{"not_a_point_embed", "point_embeddings.0", "point_embeddings.1", "point_embeddings.2", "point_embeddings.3"} {
		if w := d.weight(key+k+".weight", 1, d.dim); w != nil {
			table = append(table, w.Const.Float32s()...)
		}
	}
	if d.err != nil {
		return nil
	}
	x := d.add("points.centre", graph.Add{}, coords, d.number("points.half", 0.5))
	x = d.add("points.scaled", graph.Mul{}, x, d.number("points.scale", 2/float64(s)))
	x = d.add("points.unit", graph.Sub{}, x, d.number("points.one", 1))
	frequencies := make([]float32, gaussian.Const.Len())
	for i, v := range gaussian.Const.Float32s() {
		frequencies[i] = float32(2 * math.Pi * float64(v))
	}
	x = d.add("points.angles", graph.MatMul{}, x, d.constant(key+"frequencies", gaussian.Const.Shape, frequencies))
	x = d.add("points.place", graph.Concat{Axis: 2}, d.add("points.sin", graph.Sin{}, x), d.add("points.cos", graph.Cos{}, x))
	x = d.add("points.placed", graph.Where{}, padding, d.number("points.nowhere", 0), x)
	which := d.add("labels.points", graph.Reshape{Shape: []int{0, 0, 1}}, labels)
	which = d.add("labels.which", graph.Equal{}, which, d.constant("labels.all", []int{5}, []float32{-1, 0, 1, 2, 3}))
	which = d.add("labels.one", graph.Cast{To: graph.Float32}, which)
	y := d.add("labels.embedding", graph.MatMul{}, which, graph.Weight(key+"label_embeddings", graph.Float32Tensor([]int{5, d.dim}, table)))
	return d.add("points", graph.Add{}, x, y)
}

// place is that of the embedding's pixels, 1×S/16·S/16×D.
func (d *decoding) place(gaussian *graph.Value) *graph.Value {
	w, n := gaussian.Const.Float32s(), d.dim/2
	v := make([]float32, 0, d.grid*d.grid*d.dim)
	at := func(i int) float64 { return 2*(float64(i)+0.5)/float64(d.grid) - 1 }
	for row := range d.grid {
		for column := range d.grid {
			angle := func(k int) float64 {
				return 2 * math.Pi * (at(column)*float64(w[k]) + at(row)*float64(w[n+k]))
			}
			for k := range n {
				v = append(v, float32(math.Sin(angle(k))))
			}
			for k := range n {
				v = append(v, float32(math.Cos(angle(k))))
			}
		}
	}
	return d.constant("pixels.place", []int{1, d.grid * d.grid, d.dim}, v)
}

// linear adds a fully connected layer of the last axis.
func (d *decoding) linear(name, key string, x *graph.Value, in, out int) (*graph.Value, int) {
	w := d.weight(key+".weight", out, in)
	if d.err != nil {
		return nil, 0
	}
	out = w.Const.Shape[0]
	bias := d.weight(key+".bias", out)
	v, t := w.Const.Float32s(), make([]float32, in*out)
	for i := range out {
		for k := range in {
			t[k*out+i] = v[i*in+k]
		}
	}
	x = d.add(name+".product", graph.MatMul{}, x, graph.Weight(w.Name, graph.Float32Tensor([]int{in, out}, t)))
	return d.add(name, graph.Add{}, x, bias), out
}

// norm adds the LayerNorm of tokens at a key.
func (d *decoding) norm(key string, x *graph.Value) *graph.Value {
	key = decoderScope + ".transformer." + key
	if err := d.Attribute(key, "eps", normToken, fmt.Sprint(normToken)); err != nil && d.err == nil {
		d.err = err
	}
	return d.add(key, graph.LayerNorm{Axes: []int{-1}, Epsilon: normToken}, x, d.weight(key+".weight", d.dim), d.weight(key+".bias", d.dim))
}

// attention adds softmax(q·kᵀ/√(head's width))·v of eight heads, where q, k and v are projections.
func (d *decoding) attention(key string, q, k, v *graph.Value) *graph.Value {
	key = decoderScope + ".transformer." + key
	if err := d.Attribute(key, "num_heads", heads, fmt.Sprint(heads)); err != nil && d.err == nil {
		d.err = err
	}
	q, inner := d.linear(key+".q_proj", key+".q_proj", q, d.dim, -1)
	if d.err == nil && inner%heads != 0 {
		d.err = &model.KeyError{Key: key + ".q_proj.weight", Found: []int{inner, d.dim}, Want: fmt.Sprintf("rows for %d heads", heads)}
	}
	if d.err != nil {
		return nil
	}
	k, _ = d.linear(key+".k_proj", key+".k_proj", k, d.dim, inner)
	v, _ = d.linear(key+".v_proj", key+".v_proj", v, d.dim, inner)
	split := func(name string, x *graph.Value, perm ...int) *graph.Value {
		x = d.add(key+name+".parts", graph.Reshape{Shape: []int{0, 0, heads, inner / heads}}, x)
		return d.add(key+name+".heads", graph.Transpose{Perm: perm}, x)
	}
	q = d.add(key+".q", graph.Mul{}, q, d.number(key+".scale", 1/math.Sqrt(float64(inner/heads))))
	x := d.add(key+".scores", graph.MatMul{}, split(".q", q, 0, 2, 1, 3), split(".k", k, 0, 2, 3, 1))
	x = d.add(key+".weights", graph.Softmax{}, x)
	x = d.add(key+".sums", graph.MatMul{}, x, split(".v", v, 0, 2, 1, 3))
	x = d.add(key+".tokens", graph.Transpose{Perm: []int{0, 2, 1, 3}}, x)
	x = d.add(key+".joined", graph.Reshape{Shape: []int{0, 0, inner}}, x)
	x, _ = d.linear(key, key+".out_proj", x, inner, d.dim)
	return x
}

// transformer lets tokens and pixels look at each other, in both directions. A token is given what it
// was at first, and a pixel its place, whenever it looks or is looked at.
func (d *decoding) transformer(queries, keys, place *graph.Value) (*graph.Value, *graph.Value) {
	scope := decoderScope + ".transformer."
	tokens, n := queries, 0
	placed := func(x, at *graph.Value) *graph.Value {
		n++
		return d.add(fmt.Sprintf("placed.%d", n), graph.Add{}, x, at)
	}
	sum := func(name string, x, y *graph.Value) *graph.Value {
		return d.add(scope+name+".sum", graph.Add{}, x, y)
	}
	layers := d.Children(scope + "layers")
	if layers == 0 {
		layers = 1 // whose keys are missed by name
	}
	for i := range layers {
		l := fmt.Sprintf("layers.%d.", i)
		if i == 0 { // without places, and without what was there before
			queries = d.attention(l+"self_attn", queries, queries, queries)
		} else {
			q := placed(queries, tokens)
			queries = sum(l+"self_attn", queries, d.attention(l+"self_attn", q, q, queries))
		}
		queries = d.norm(l+"norm1", queries)
		k := placed(keys, place)
		queries = sum(l+"cross_attn_token_to_image", queries, d.attention(l+"cross_attn_token_to_image", placed(queries, tokens), k, keys))
		queries = d.norm(l+"norm2", queries)
		x, hidden := d.linear(scope+l+"mlp.lin1", scope+l+"mlp.lin1", queries, d.dim, -1)
		x = d.add(scope+l+"mlp.act", graph.Relu{}, x)
		x, _ = d.linear(scope+l+"mlp.lin2", scope+l+"mlp.lin2", x, hidden, d.dim)
		queries = d.norm(l+"norm3", sum(l+"mlp", queries, x))
		x = d.attention(l+"cross_attn_image_to_token", k, placed(queries, tokens), queries)
		keys = d.norm(l+"norm4", sum(l+"cross_attn_image_to_token", keys, x))
		if d.err != nil {
			return nil, nil
		}
	}
	x := d.attention("final_attn_token_to_image", placed(queries, tokens), placed(keys, place), keys)
	return d.norm("norm_final_attn", sum("final_attn_token_to_image", queries, x)), keys
}

// all are the masks, P×M×S/4×S/4: products of what each mask's token becomes and of the pixels, four
// times as many along each axis.
func (d *decoding) all(queries, keys *graph.Value) *graph.Value {
	const up = "mask_decoder.output_upscaling."
	x := d.add("pixels.rows", graph.Reshape{Shape: []int{0, d.grid, d.grid, d.dim}}, keys)
	x = d.add("pixels.map", graph.Transpose{Perm: []int{0, 3, 1, 2}}, x)
	x, c, err := d.ConvTranspose(up+"0", up+"0", x, d.dim, 2)
	if err == nil {
		x, err = normChannels(d.Builder, up+"1", x, c)
	}
	if err == nil {
		x, c, err = d.ConvTranspose(up+"3", up+"3", d.add(up+"2", graph.Gelu{}, x), c, 2)
	}
	if err != nil {
		d.err = err
		return nil
	}
	x = d.add("upscaled", graph.Reshape{Shape: []int{0, c, 16 * d.grid * d.grid}}, d.add(up+"4", graph.Gelu{}, x))
	tokens := d.add("masks.tokens", graph.Slice{Axes: []int{1}, Starts: []int{1}, Ends: []int{1 + d.masks}, Steps: []int{1}}, queries)
	y := d.add("masks.each", graph.Reshape{Shape: []int{0, d.masks, 1, d.dim}}, tokens)
	y, n := d.perceptrons(y)
	if d.err == nil && n != c {
		d.err = fmt.Errorf("%w: the masks' networks give %d channels, and the upscaled pixels have %d", model.ErrKey, n, c)
	}
	if d.err != nil {
		return nil
	}
	y = d.add("masks.channels", graph.Reshape{Shape: []int{0, d.masks, c}}, y)
	return d.add("all_masks", graph.Reshape{Shape: []int{0, d.masks, 4 * d.grid, 4 * d.grid}}, d.add("masks.pixels", graph.MatMul{}, y, x))
}

// perceptrons adds those of all masks at once, each its own, of P×M×1×D.
func (d *decoding) perceptrons(x *graph.Value) (*graph.Value, int) {
	const scope = "mask_decoder.output_hypernetworks_mlps"
	in, depth := d.dim, max(d.Children(scope+".0.layers"), 1)
	for i := range depth {
		var weights, biases []float32
		out := -1
		for m := range d.masks {
			key := fmt.Sprintf("%s.%d.layers.%d", scope, m, i)
			w := d.weight(key+".weight", out, in)
			if d.err != nil {
				return nil, 0
			}
			out = w.Const.Shape[0]
			bias := d.weight(key+".bias", out)
			if d.err != nil {
				return nil, 0
			}
			v := w.Const.Float32s()
			for k := range in {
				for o := range out {
					weights = append(weights, v[o*in+k])
				}
			}
			biases = append(biases, bias.Const.Float32s()...)
		}
		name := fmt.Sprintf("%s.%d", scope, i)
		x = d.add(name+".product", graph.MatMul{}, x, graph.Weight(name+".weight", graph.Float32Tensor([]int{d.masks, in, out}, weights)))
		x = d.add(name, graph.Add{}, x, graph.Weight(name+".bias", graph.Float32Tensor([]int{d.masks, 1, out}, biases)))
		if i < depth-1 {
			x = d.add(name+".act", graph.Relu{}, x)
		}
		in = out
	}
	return x, in
}

// quality are the predictions of each mask's IoU, P×M.
func (d *decoding) quality(queries *graph.Value) *graph.Value {
	const scope = "mask_decoder.iou_prediction_head"
	x := d.add("quality.token", graph.Slice{Axes: []int{1}, Starts: []int{0}, Ends: []int{1}, Steps: []int{1}}, queries)
	x = d.add("quality", graph.Reshape{Shape: []int{0, d.dim}}, x)
	in, depth := d.dim, max(d.Children(scope+".layers"), 1)
	for i := range depth {
		key, out := fmt.Sprintf("%s.layers.%d", scope, i), -1
		if i == depth-1 {
			out = d.masks
		}
		w := d.weight(key+".weight", out, in)
		if d.err != nil {
			return nil
		}
		in = w.Const.Shape[0]
		x = d.add(key, graph.Gemm{}, x, w, d.weight(key+".bias", in))
		if i < depth-1 {
			x = d.add(key+".act", graph.Relu{}, x)
		}
	}
	return x
}

// choice is the index of a mask for each prompt, P×1: with few points, padding among them, the best of
// those behind the first, else the first. pad has the shape of the labels.
func (d *decoding) choice(pad, iou *graph.Value) *graph.Value {
	one := d.number("count.one", 1)
	x := d.add("count", graph.ReduceSum{Axes: []int{-1}, KeepDims: true}, d.add("count.points", graph.Where{}, pad, one, one))
	x = d.add("count.more", graph.Sub{}, x, d.number("count.few", multimask))
	first := make([]float32, d.masks)
	first[0] = 1000
	x = d.add("choice.first", graph.Mul{}, x, d.constant("choice.weight", []int{d.masks}, first))
	return d.add("choice", graph.ArgMax{Axis: -1, KeepDims: true}, d.add("choice.scores", graph.Add{}, iou, x))
}

// stability is the part of each mask's pixels above −1 that are above 1 as well, P×M; 0 where there
// are none.
func (d *decoding) stability(all *graph.Value) *graph.Value {
	count := func(name string, over float64) *graph.Value {
		x := d.add(name+".above", graph.Greater{}, all, d.number(name+".threshold", over))
		x = d.add(name+".pixels", graph.Cast{To: graph.Float32}, x)
		return d.add(name, graph.ReduceSum{Axes: []int{-2, -1}}, x)
	}
	some := d.add("stability.some", graph.Max{}, count("stability.low", -1), d.number("stability.one", 1))
	return d.add("scores", graph.Div{}, count("stability.high", 1), some)
}
