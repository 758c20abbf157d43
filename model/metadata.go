package model

import (
	"strconv"

	"github.com/repvit-go/repvit/graph"
)

// InfoOf returns what the metadata of a converted graph says about its network; a graph
// that [Build] did not begin has none. Family and Stages are empty: see [Parts].
func InfoOf(g *graph.Graph) Info {
	classes, err := strconv.Atoi(g.Metadata[MetaClasses])
	if err != nil && len(g.Outputs) == 1 { // a format without metadata
		if types, err := g.Infer(); err == nil {
			if s := types[g.Outputs[0]].Shape; len(s) == 2 && s[1].Known() {
				classes = s[1].Size
			}
		}
	}
	distilled, _ := strconv.ParseBool(g.Metadata[MetaDistilled])
	epsilon, _ := strconv.ParseFloat(g.Metadata[MetaEpsilon], 64)
	return Info{Variant: g.Metadata[MetaVariant], Generation: g.Metadata[MetaGeneration], Classes: classes, Distilled: distilled, Head: g.Metadata[MetaHead], Whole: g.Metadata[MetaWhole], BNEpsilon: epsilon}
}
