package repvit

import (
	"fmt"

	"github.com/repvit-go/repvit/model"
)

// block is one block of the network as the state dict's keys spell it. Fields are key
// prefixes; an empty one is a part that the block lacks.
type block struct {
	name       string // canonical name of the block's output, "features.3"
	token      string // RepVGGDW, or the strided depthwise convolution
	se         string // squeeze-and-excitation
	pointwise  string // the 1×1 convolution of a strided block, else empty
	mix1, mix2 string // the channel mixer's convolutions
	mixAct     string // and what stands between them
	stride     [2]int // of a strided block
}

func (b block) strided() bool { return b.pointwise != "" }

// layout is a network as the state dict's keys spell it.
type layout struct {
	naming       string   // "official" or "timm"
	scopes       []string // first parts of the keys of the network without its heads
	stem1, stem2 string
	stemAct      string
	blocks       []block
	strides      [][2]int // of the stem's two convolutions and of the strided blocks
	headScope    string
	head1, head2 string // the heads below it
}

// se returns prefix where squeeze-and-excitation has weights under it, else "".
func se(s *model.Keys, prefix string) string {
	if s.Below(prefix+".fc1") || s.Below(prefix+".fc2") {
		return prefix
	}
	return ""
}

// conv returns prefix where a convolution has weights under it, fused or not, else "".
func conv(s *model.Keys, prefix string) string {
	if s.Below(prefix+".c") || s.Below(prefix+".bn") || s.HasWeight(prefix) {
		return prefix
	}
	return ""
}

// detect reads the layout off the keys; nil where they are another family's.
func detect(s *model.Keys) (*layout, error) {
	switch {
	case s.Below("features.0.0") && (s.Below("features.1.token_mixer") || !s.Below("features.1")) || s.Below("features.1.token_mixer") || s.Below("features.1.channel_mixer"):
		return official(s)
	case s.Below("stages.0.blocks.0.token_mixer") || s.Below("stages.0.blocks.0.channel_mixer") || s.Below("stem.conv1") && (s.Below("stages.0") || s.Below("stages_0")):
		return timm(s)
	}
	return nil, nil
}

func official(s *model.Keys) (*layout, error) {
	l := &layout{naming: "official", scopes: []string{"features"}, stem1: "features.0.0", stem2: "features.0.2", stemAct: "features.0.1",
		headScope: "classifier", head1: "classifier.classifier", head2: "classifier.classifier_dist"}
	n := s.Count("features")
	if n < 2 {
		return nil, fmt.Errorf("%w: it has a stem but no blocks", model.ErrFamily)
	}
	for i := 1; i < n; i++ {
		p := fmt.Sprintf("features.%d", i)
		l.blocks = append(l.blocks, block{
			name:      p,
			token:     p + ".token_mixer.0",
			se:        se(s, p+".token_mixer.1"),
			pointwise: conv(s, p+".token_mixer.2"),
			mix1:      p + ".channel_mixer.m.0",
			mixAct:    p + ".channel_mixer.m.1",
			mix2:      p + ".channel_mixer.m.2",
		})
	}
	return l, nil
}

func timm(s *model.Keys) (*layout, error) {
	l := &layout{naming: "timm", scopes: []string{"stem", "stages"}, stem1: "stem.conv1", stem2: "stem.conv2", stemAct: "stem.act1",
		headScope: "head", head1: "head.head", head2: "head.head_dist"}
	add := func(key string) {
		l.blocks = append(l.blocks, block{
			name:   fmt.Sprintf("features.%d", len(l.blocks)+1),
			token:  key + ".token_mixer",
			se:     se(s, key+".se"),
			mix1:   key + ".channel_mixer.conv1",
			mixAct: key + ".channel_mixer.act",
			mix2:   key + ".channel_mixer.conv2",
		})
	}
	// Networks made with features_only have their stages as attributes: stages_0.
	stages, spelling := s.Count("stages"), "stages.%d"
	if s.Below("stages_0") {
		for stages, spelling = 0, "stages_%d"; s.Below(fmt.Sprintf(spelling, stages)); stages++ {
			l.scopes = append(l.scopes, fmt.Sprintf(spelling, stages))
		}
	}
	for i := range stages {
		stage := fmt.Sprintf(spelling, i)
		if i > 0 {
			// The official code counts pre_block as the last block of the stage before.
			down := stage + ".downsample"
			add(down + ".pre_block")
			l.blocks = append(l.blocks, block{
				name:      fmt.Sprintf("features.%d", len(l.blocks)+1),
				token:     down + ".spatial_downsample",
				pointwise: down + ".channel_downsample",
				mix1:      down + ".ffn.conv1",
				mixAct:    down + ".ffn.act",
				mix2:      down + ".ffn.conv2",
			})
		}
		for b := range s.Count(stage + ".blocks") {
			add(fmt.Sprintf("%s.blocks.%d", stage, b))
		}
	}
	if len(l.blocks) == 0 {
		return nil, fmt.Errorf("%w: it has a stem but no blocks", model.ErrFamily)
	}
	return l, nil
}
