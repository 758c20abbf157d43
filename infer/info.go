package infer

import (
	"slices"
	"strconv"

	"github.com/repvit-go/repvit/graph"
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
	// Source is the name of the checkpoint that the file was made of, and SourceSHA256 of its bytes.
	Source, SourceSHA256 string
}

// Port is an input or output.
type Port struct {
	Name string
	Type graph.Type
}

// Info returns what the session's file and graph say. It may be changed. The error is one of
// [Session.Labels].
func (s *Session) Info() (Info, error) {
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
	ports := func(values []*graph.Value) (all []Port) {
		for _, v := range values {
			t := s.model.types[v]
			t.Shape = slices.Clone(t.Shape)
			all = append(all, Port{v.Name, t})
		}
		return all
	}
	i.Inputs, i.Outputs = ports(g.Inputs), ports(g.Outputs)
	return i, nil
}
