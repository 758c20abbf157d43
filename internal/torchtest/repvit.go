package torchtest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
)

// RepViT says what network [RepViT.StateDict] makes up weights for.
type RepViT struct {
	V1       bool // the first generation's token mixers
	Channels int  // of the images, 0 for 3
	Widths   []int
	SE       []string // of each stage, a digit for each block: 1 with squeeze-and-excitation
	Classes  int      // 0 for no classifier
	Heads    int      // 1 or 2
	// Constant is what all weights, biases, means and scales are; 0 for random ones that keep
	// activations near one. Variances are between 0.5 and 1.5 in either case.
	Constant float32
}

// Tiny is a network of 64 thousand parameters with every kind of block.
func Tiny() RepViT {
	return RepViT{Widths: []int{8, 16}, SE: []string{"10", "010"}, Classes: 10, Heads: 2}
}

// StateDict returns the tensors under the official names, in the order of
// nn.Module.state_dict but for num_batches_tracked, whose type is not float32.
func (r RepViT) StateDict() []Named {
	rng := rand.New(rand.NewPCG(1, 2))
	var out []Named
	var constant []float32 // which tensors may share
	add := func(name string, gain float64, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		var v []float32
		if r.Constant != 0 {
			for len(constant) < n {
				constant = append(constant, r.Constant)
			}
			v = constant[:n:n]
		} else {
			v = make([]float32, n)
			for i := range v {
				v[i] = float32(rng.NormFloat64() * gain)
			}
		}
		out = append(out, Named{name, shape, v})
	}
	bn := func(key string, n int) {
		add(key+".weight", 1, n)
		add(key+".bias", 0.3, n)
		add(key+".running_mean", 0.3, n)
		v := make([]float32, n)
		for i := range v {
			v[i] = 0.5 + rng.Float32()
		}
		out = append(out, Named{key + ".running_var", []int{n}, v})
	}
	conv := func(key string, gain float64, shape ...int) {
		add(key+".c.weight", gain, shape...)
		bn(key+".bn", shape[0])
	}
	mixer := func(key string, c int) {
		conv(key+".channel_mixer.m.0", 0.3, 2*c, c, 1, 1)
		conv(key+".channel_mixer.m.2", 0.2, c, 2*c, 1, 1)
	}
	squeeze := func(key string, c int) {
		r := max(8, (c/4+4)/8*8)
		add(key+".fc1.weight", 0.3, r, c, 1, 1)
		add(key+".fc1.bias", 0.3, r)
		add(key+".fc2.weight", 0.3, c, r, 1, 1)
		add(key+".fc2.bias", 0.3, c)
	}
	c := r.Widths[0]
	conv("features.0.0", 0.3, c/2, cmp.Or(r.Channels, 3), 3, 3)
	conv("features.0.2", 0.2, c, c/2, 3, 3)
	block := 0
	for stage, se := range r.SE {
		for i := range se {
			block++
			key := fmt.Sprintf("features.%d", block)
			token := key + ".token_mixer.0"
			switch {
			case stage > 0 && i == 0:
				conv(token, 0.3, c, 1, 3, 3)
			case r.V1:
				conv(token+".conv", 0.3, c, 1, 3, 3)
				conv(token+".conv1", 0.3, c, 1, 1, 1)
			default:
				conv(token+".conv", 0.3, c, 1, 3, 3)
				add(token+".conv1.weight", 0.3, c, 1, 1, 1)
				add(token+".conv1.bias", 0.3, c)
				bn(token+".bn", c)
			}
			if se[i] == '1' {
				squeeze(key+".token_mixer.1", c)
			}
			if stage > 0 && i == 0 {
				conv(key+".token_mixer.2", 0.3, r.Widths[stage], c, 1, 1)
				c = r.Widths[stage]
			}
			mixer(key, c)
		}
	}
	heads := []string{"classifier.classifier", "classifier.classifier_dist"}
	if r.Classes == 0 {
		return out
	}
	for _, key := range heads[:r.Heads] {
		bn(key+".bn", c)
		add(key+".l.weight", 0.2, r.Classes, c)
		add(key+".l.bias", 0.3, r.Classes)
	}
	return out
}

// Batches returns the number of BatchNorm layers in a state dict, each of which PyTorch
// gives a num_batches_tracked as well.
func Batches(tensors []Named) int {
	n := 0
	for _, t := range tensors {
		if len(t.Name) > 12 && t.Name[len(t.Name)-12:] == ".running_var" {
			n++
		}
	}
	return n
}

// CheckpointOf returns tensors as a zip checkpoint under a key, or as the file itself where
// the key is empty.
func CheckpointOf(key string, tensors []Named) []byte {
	dict := Ordered{}
	var storages []Record
	for i, t := range tensors {
		name := fmt.Sprint(i)
		strides := make([]int, len(t.Shape))
		n := 1
		for j := len(t.Shape) - 1; j >= 0; j-- {
			strides[j] = n
			n *= t.Shape[j]
		}
		dict = append(dict, t.Name, Tensor(Storage("FloatStorage", name, int64(n)), 0, t.Shape, strides))
		storages = append(storages, Record{name, Float32s(t.Values...)})
	}
	var root any = dict
	if key != "" {
		root = Dict{key, dict}
	}
	return Checkpoint(root, storages...)
}
