package convert

import (
	"context"
	"fmt"
	"math"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
)

// Clicks says what int8 changes for whoever uses a promptable segmenter: the masks of clicks all over
// an image with the int8 encoder's embedding, beside those with the float one's.
type Clicks struct {
	Clicks   int     `json:"clicks"`
	MeanIoU  float64 `json:"mean_iou"` // of the masks, 1 where both are empty
	LeastIoU float64 `json:"least_iou"`
	// Embedding is the length of the embedding's change in that of the embedding.
	Embedding float64 `json:"embedding_rel_l2"`
}

// String is one line.
func (c *Clicks) String() string {
	return fmt.Sprintf("masks of %d clicks on one image overlap with those in float by %.3f, %.3f at least (IoU), its embedding is off by %.1f %%", c.Clicks, c.MeanIoU, c.LeastIoU, 100*c.Embedding)
}

// clickSide is how many clicks lie beside each other on the grid.
const clickSide = 5

// clicks compares an int8 encoder with the float one, through the decoder.
func clicks(ctx context.Context, encoder, decoder *job, image *graph.Tensor) (*Clicks, error) {
	threads := infer.Options{Threads: encoder.Threads}
	var embeddings, masks []*graph.Tensor
	for _, g := range []*graph.Graph{encoder.Deploy, encoder.Written} {
		e, err := outputOf(ctx, g, threads, g.Outputs[0].Name, image)
		if err != nil {
			return nil, err
		}
		inputs, err := grid(decoder.Deploy, e)
		if err != nil {
			return nil, err
		}
		name := "low_res_masks"
		if decoder.Deploy.Outputs[len(decoder.Deploy.Outputs)-1].Name != name {
			name = "masks" // of low resolution in the layout that has no others
		}
		m, err := outputOf(ctx, decoder.Deploy, threads, name, inputs...)
		if err != nil {
			return nil, err
		}
		embeddings, masks = append(embeddings, e), append(masks, m)
	}
	c := &Clicks{Clicks: clickSide * clickSide, LeastIoU: 1}
	var change, length float64
	want, got := embeddings[0].Float32s(), embeddings[1].Float32s()
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		change, length = change+d*d, length+float64(w)*float64(w)
	}
	c.Embedding = math.Sqrt(change / length)
	n := masks[0].Shape[0] * masks[0].Shape[1]
	size := masks[0].Len() / n
	for i := range n {
		iou := overlap(masks[1].Float32s()[i*size:][:size], masks[0].Float32s()[i*size:][:size])
		c.MeanIoU += iou / float64(n)
		c.LeastIoU = min(c.LeastIoU, iou)
	}
	return c, nil
}

// overlap is the share of pixels above 0 in either of two masks that are in both, 1 where there are none.
func overlap(got, want []float32) float64 {
	both, either := 0, 0
	for i, w := range want {
		if w > 0 && got[i] > 0 {
			both++
		}
		if w > 0 || got[i] > 0 {
			either++
		}
	}
	if either == 0 {
		return 1
	}
	return float64(both) / float64(either)
}

// grid returns a decoder's inputs for clicks in the middles of a grid's squares, each a prompt of its own
// with a point of padding.
func grid(g *graph.Graph, embedding *graph.Tensor) ([]*graph.Tensor, error) {
	const n = clickSide * clickSide
	side := 16 * float32(embedding.Shape[3])
	var inputs []*graph.Tensor
	for _, in := range g.Inputs {
		var shape []int
		for _, d := range in.Type.Shape {
			size := d.Size
			if !d.Known() {
				size = map[string]int{"prompts": n, "points": 2}[d.Sym]
			}
			shape = append(shape, size)
		}
		count, err := graph.Numel(shape)
		if err != nil {
			return nil, err
		}
		v := make([]float32, count)
		for i := range n {
			switch in.Name {
			case "point_coords":
				v[4*i], v[4*i+1] = side*(float32(i%clickSide)+0.5)/clickSide, side*(float32(i/clickSide)+0.5)/clickSide
			case "point_labels":
				v[2*i], v[2*i+1] = 1, -1
			}
		}
		switch in.Name {
		case "image_embeddings":
			inputs = append(inputs, embedding)
			continue
		case "orig_im_size":
			v[0], v[1] = 64, 64 // its masks are not used
		}
		inputs = append(inputs, graph.Float32Tensor(shape, v))
	}
	return inputs, nil
}

// outputOf runs a network once and returns the output of that name.
func outputOf(ctx context.Context, g *graph.Graph, o infer.Options, name string, inputs ...*graph.Tensor) (*graph.Tensor, error) {
	s, err := infer.New(g, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	outputs, err := s.RunInputs(ctx, inputs)
	if err != nil {
		return nil, err
	}
	for i, v := range g.Outputs {
		if v.Name == name {
			return outputs[i], nil
		}
	}
	return nil, fmt.Errorf("%w: no output %q", graph.ErrShape, name)
}
