// Package family lists the families of networks that checkpoints are read as.
//
// # Stability
//
// Families are added with minor versions; what is read stays readable with the same result.
package family

import (
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/mobilenetv3"
	"github.com/repvit-go/repvit/model/mobileone"
	"github.com/repvit-go/repvit/model/rcnn"
	"github.com/repvit-go/repvit/model/repvgg"
	"github.com/repvit-go/repvit/model/repvit"
	"github.com/repvit-go/repvit/model/sam"
	"github.com/repvit-go/repvit/model/semfpn"
	"github.com/repvit-go/repvit/pytorch"
)

// All returns the families, the most likely first.
func All() []model.Family {
	return []model.Family{repvit.Family(), mobilenetv3.Family(), mobileone.Family(), repvgg.Family()}
}

// Wholes returns the networks that have one of the families' as a backbone.
func Wholes() []model.Whole { return []model.Whole{semfpn.Whole(), rcnn.Whole(), sam.Whole()} }

// OutputsOf returns the names of all outputs that the network of a converted graph has with one option
// or another; nil where that is not known.
func OutputsOf(g *graph.Graph) []string {
	name := g.Metadata[model.MetaWhole]
	for _, w := range Wholes() {
		if name != "" && slices.Contains(w.Names(), name) {
			return w.Outputs
		}
	}
	return nil
}

// Build is [model.Build] with all families.
func Build(sd *pytorch.StateDict, opts model.Options) (*model.Model, error) {
	return model.Build(sd, opts, All(), Wholes())
}

// Networks is [model.Networks] with all families, for [pytorch.Options].
func Networks(sd *pytorch.StateDict) []string { return model.Networks(sd, All()) }
