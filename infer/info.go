package infer

import (
	"slices"
	"strconv"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/preprocess"
)

// Info says what network a session runs, for logs and for services that have several. What a file
// does not say is empty.
type Info struct {
	Variant      string   // such as RepViT-M0.9
	Quantization string   // scheme of an int8 network
	Classes      int      // 0 for a network without
	Labels       []string // of the classes
	Inputs       []Port
	Outputs      []Port
	// Preprocess says what [Session.Classify] does with images, and Fit what packages detect and
	// segment do. One is nil, or both where the network takes no images.
	Preprocess *preprocess.Config
	Fit        *preprocess.Fit
	// Stats say what the session runs with and what it holds in memory so far: see [Session.Stats].
	Stats Stats
	// Source is the name of the checkpoint that the file was made of, and SourceSHA256 of its bytes.
	Source, SourceSHA256 string
}

// Port is an input or output.
type Port struct {
	Name string
	Type graph.Type
	// Layout is the order of an image's axes: "NCHW", "NHWC" or "HWC". It is empty for what is not
	// an input of images.
	Layout string
}

// Info returns what the session's file and graph say. It may be changed. The error is one of
// [Session.Labels] or [Session.Preprocess].
func (s *Session) Info() (Info, error) {
	if err := s.ready(); err != nil {
		return Info{}, err
	}
	g := s.model.graph
	labels, err := s.Labels()
	if err != nil {
		return Info{}, err
	}
	i := Info{Variant: g.Metadata[metaVariant], Quantization: g.Metadata[metaQuantization], Labels: labels,
		Source: g.Metadata[metaSource], SourceSHA256: g.Metadata[metaSHA256]}
	if i.Classes, err = strconv.Atoi(g.Metadata[metaClasses]); err != nil {
		i.Classes = len(labels)
	}
	images := len(g.Inputs) > 0 && len(g.Inputs[0].Type.Shape) == 4
	if f, err := s.Fit(); err == nil {
		i.Fit = &f
	} else if c, err := s.Preprocess(); err == nil && images {
		i.Preprocess = &c
	} else if _, said := g.Metadata[metaPreprocess]; err != nil && said {
		return Info{}, err
	}
	i.Inputs, i.Outputs = s.ports(g.Inputs), s.ports(g.Outputs)
	consumers := g.Consumers()
	for k, v := range g.Inputs {
		i.Inputs[k].Layout = layoutOf(i.Inputs[k].Type, consumers[v])
	}
	i.Stats = s.Stats()
	return i, nil
}

func (s *Session) ports(values []*graph.Value) (all []Port) {
	for _, v := range values {
		t := s.model.types[v]
		t.Shape = slices.Clone(t.Shape)
		all = append(all, Port{Name: v.Name, Type: t})
	}
	return all
}

// layoutOf returns that of an input, which operators read as NCHW unless its axes are permuted first.
func layoutOf(t graph.Type, readers []*graph.Node) string {
	for _, n := range readers {
		if op, ok := n.Op.(graph.Transpose); ok {
			switch {
			case slices.Equal(op.Perm, []int{0, 3, 1, 2}):
				return "NHWC"
			case slices.Equal(op.Perm, []int{2, 0, 1}):
				return "HWC"
			}
		}
	}
	if len(t.Shape) == 4 {
		return "NCHW"
	}
	return ""
}
