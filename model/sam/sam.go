// Package sam knows the names of Segment Anything (arXiv 2304.02643) with a RepViT as the image
// encoder: RepViT-SAM (arXiv 2312.05760) and EdgeSAM (arXiv 2312.06660). Such a network is two: an
// encoder makes an embedding of an image, once; a decoder makes masks of an embedding and of
// prompts, which are points, boxes and masks. The decoder with its prompt encoder is that of all
// networks of the kind, whatever their encoder.
//
// # Stability
//
// Within a major version, what is read stays readable with the same result. The names of the package
// are for package family and may change with a minor version.
package sam

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
)

// First parts of keys.
const (
	encoderScope = "image_encoder"
	promptScope  = "prompt_encoder"
	decoderScope = "mask_decoder"
)

// Whole is Segment Anything for package model.
func Whole() model.Whole {
	return model.Whole{
		Name:     "SAM encoder",
		Also:     "SAM decoder",
		Outputs:  []string{"image_embeddings", "output", "masks", "iou_predictions", "low_res_masks", "scores"},
		Backbone: encoderScope + ".",
		Bare:     true,
		Scopes:   []string{encoderScope, promptScope, decoderScope, "neck", "fuse_stage2", "fuse_stage3"},
		Detect: func(k *model.Keys) bool {
			return hasNeck(k, encoderScope+".") || hasNeck(k, "")
		},
		Build:   encoder,
		Decoder: decoderOf,
		Fit:     preprocess.Letterbox(published),
		Size:    [2]int{published, published},
		SAM:     true,
	}
}

// hasNeck reports whether there is the neck of an image encoder.
func hasNeck(k *model.Keys, prefix string) bool {
	return k.HasWeight(prefix+"neck.0") && k.HasWeight(prefix+"neck.1") && k.HasWeight(prefix+"neck.2")
}

const (
	published = 1024 // side of the input of all published networks
	multiple  = 32   // of which sides are, so that the strides of fused stages fit each other
	stride    = 16   // of the embedding
)

// side is that of the square that the encoder sees.
func side(b *model.Builder) (int, error) {
	switch {
	case b.SizeUnsaid:
		b.Height, b.Width = published, published
	case b.Height == 0:
		return 0, fmt.Errorf("%w: found an input of any size, expected one: the embeddings of other sizes are other decoders'", model.ErrOptions)
	case b.Height != b.Width || b.Height%multiple != 0:
		return 0, fmt.Errorf("%w: found an input of %d×%d, expected a square whose sides are a multiple of %d", model.ErrOptions, b.Height, b.Width, multiple)
	}
	return b.Height, nil
}

// highQuality are parts of mask_decoder that only SAM-HQ (arXiv 2306.01567) has.
var highQuality = []string{"hf_token", "hf_mlp", "compress_vit_feat", "embedding_encoder", "embedding_maskfeature"}

// refuse refuses networks that have the names of Segment Anything and compute something else.
func refuse(b *model.Builder, root string) error {
	for _, k := range b.AllKeys() {
		rest, below := strings.CutPrefix(k, root)
		if !below {
			continue
		}
		unlike := func(what string) error {
			return &model.KeyError{Key: "/" + k, Found: append([]int{}, b.Shape("/"+k)...), Want: "no such key: " + what}
		}
		if part, ok := strings.CutPrefix(rest, decoderScope+"."); ok {
			if name, _, _ := strings.Cut(part, "."); slices.Contains(highQuality, name) {
				return unlike("it is SAM-HQ's, another network, which is not supported")
			}
		}
		for part := range strings.SplitSeq(rest, ".") {
			if part == "lora_A" || part == "lora_B" {
				return unlike("the weights beside these adapters (LoRA) are not those that the network computes with; call merge_and_unload() before saving")
			}
		}
	}
	return nil
}

// decoderOf finds a decoder among the keys.
func decoderOf(sd *pytorch.StateDict) (prefix string, n *model.Network, err error) {
	var roots []string
	for _, k := range sd.Keys() {
		i := strings.Index(k, decoderScope+".")
		if i < 0 || i > 0 && k[i-1] != '.' || slices.Contains(roots, k[:i]) {
			continue
		}
		if root := k[:i]; slices.ContainsFunc(sd.Keys(), func(k string) bool { return strings.HasPrefix(k, root+promptScope+".") }) {
			roots = append(roots, root)
		}
	}
	switch {
	case len(roots) == 0:
		return "", nil, nil
	case len(roots) > 1:
		return "", nil, fmt.Errorf("%w: %d decoders in one, under %.80q and %.80q, expected one", model.ErrFamily, len(roots), roots[0], roots[1])
	}
	name := Whole().Also
	return roots[0], &model.Network{Family: name, Naming: "official", Scopes: []string{promptScope, decoderScope}, Whole: decoder,
		Structures: []string{"Sam", "PromptEncoder", "PositionEmbeddingRandom", "MaskDecoder", "TwoWayTransformer", "TwoWayAttentionBlock", "Attention", "MLPBlock", "MLP", "LayerNorm2d"},
		Variant:    func(*model.Info) string { return name }}, nil
}
