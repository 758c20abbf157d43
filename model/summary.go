package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/repvit-go/repvit/graph"
)

// Part is a piece of a network that a table shows as one line: the stem, a stage, or the
// head.
type Part struct {
	Name       string `json:"name"` // "stem", "stage 1", …, "head"
	Blocks     int    `json:"blocks"`
	Width      int    `json:"width"`        // channels of the output; classes for the head
	SE         string `json:"se,omitempty"` // a digit for each block: 1 with squeeze-and-excitation
	Parameters int64  `json:"parameters"`
	MACs       int64  `json:"macs"` // for one image of the size asked for
}

// Parts divides a graph of this family, in whatever form, by the names of its values and
// counts each part for an input of height×width pixels, and prompts of two points. Its strided blocks
// begin stages. A graph whose values have other names is one part, "network".
func Parts(g *graph.Graph, height, width int) ([]Part, error) {
	sizes := map[string]int{"height": height, "width": width, "points": 2}
	var inputs []graph.Shape
	for _, v := range g.Inputs {
		in := slices.Clone(v.Type.Shape)
		for i, d := range in {
			switch size, named := sizes[d.Sym]; {
			case d.Known():
			case named && d.Div == 1:
				in[i] = graph.Fixed(size)
			case len(in) == 4 && i >= 2:
				in[i] = graph.Fixed([]int{height, width}[i-2])
			default:
				in[i] = graph.Fixed(1)
			}
		}
		inputs = append(inputs, in)
	}
	images := int64(1) // a batch is counted for one of them
	if first := inputs[0]; len(first) == 4 {
		images = int64(first[0].Size)
	}
	types, err := g.Infer(inputs...)
	if err != nil {
		return nil, err
	}
	strided, blocks := stridedBlocks(g)
	var parts []Part
	nodes := map[string]*graph.Graph{}
	index := map[string]int{} // of a part
	for _, n := range g.Nodes {
		name := "network"
		if blocks {
			name = partName(n.Name(), strided)
		}
		if nodes[name] == nil {
			nodes[name] = &graph.Graph{}
			index[name] = len(parts)
			parts = append(parts, Part{Name: name})
		}
		nodes[name].Nodes = append(nodes[name].Nodes, n)
		p := &parts[index[name]]
		p.MACs = graph.AddCounts(p.MACs, n.MACs(types)/images)
		if s := types[n.Output].Shape; len(s) > 1 && (len(s) == 2 || s[2].Size > 1) && s[1].Known() {
			p.Width = s[1].Size
		}
	}
	for i := range parts {
		part := nodes[parts[i].Name]
		parts[i].Parameters = part.Parameters()
		if strings.HasPrefix(parts[i].Name, "stage") {
			parts[i].SE = seDigits(part)
			parts[i].Blocks = len(parts[i].SE)
		}
	}
	return parts, nil
}

// blockIndex returns N of a value named "features.N" or below.
func blockIndex(name string) (int, bool) {
	rest, ok := strings.CutPrefix(name, "features.")
	if !ok {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, ".")
	// Rewritten graphs append to names: "features.3_quantized".
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	i, err := strconv.Atoi(digits)
	return i, err == nil
}

// stridedBlocks returns the blocks that begin a stage, in ascending order, and whether there
// are blocks at all.
func stridedBlocks(g *graph.Graph) (strided []int, blocks bool) {
	for _, n := range g.Nodes {
		i, ok := blockIndex(n.Name())
		blocks = blocks || ok
		if c, conv := n.Op.(graph.Conv); ok && conv && c.Strides[0] == 2 && i > 0 {
			strided = append(strided, i)
		}
	}
	slices.Sort(strided)
	return slices.Compact(strided), blocks
}

func partName(value string, strided []int) string {
	i, ok := blockIndex(value)
	switch {
	case strings.HasPrefix(value, "stage"): // an output of a backbone: the end of its stage
		digits := strings.TrimPrefix(value, "stage")
		if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
			digits = digits[:end]
		}
		return "stage " + digits
	case !ok:
		return "head"
	case i == 0:
		return "stem"
	}
	begun, _ := slices.BinarySearch(strided, i+1)
	return fmt.Sprintf("stage %d", 1+begun)
}

// seDigits returns a digit for each block of a stage: 1 where it has a Sigmoid, which
// nothing but squeeze-and-excitation has.
func seDigits(part *graph.Graph) string {
	var digits []byte
	at := map[int]int{} // a block's digit
	for _, n := range part.Nodes {
		i, ok := blockIndex(n.Name())
		if !ok {
			continue
		}
		if _, ok := at[i]; !ok {
			at[i] = len(digits)
			digits = append(digits, '0')
		}
		if _, ok := n.Op.(graph.Sigmoid); ok {
			digits[at[i]] = '1'
		}
	}
	return string(digits)
}
