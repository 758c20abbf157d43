package model_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	tt "github.com/repvit-go/repvit/internal/torchtest"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/pytorch"
)

// shapesText writes a state dict as a line for each tensor: name, then sizes.
func shapesText(tensors []tt.Named) string {
	var b strings.Builder
	for _, t := range tensors {
		b.WriteString(t.Name)
		for _, n := range t.Shape {
			fmt.Fprintf(&b, " %d", n)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// parseShapes reads such a text; what is no such line is left out.
func parseShapes(text string) []tt.Named {
	var out []tt.Named
	total := 0
	names := map[string]bool{}
	for line := range strings.SplitSeq(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || names[words[0]] || words[0] == "__metadata__" || strings.ContainsAny(words[0], `"\`) {
			continue
		}
		shape, n := []int{}, 1
		for _, w := range words[1:] {
			d, err := strconv.Atoi(w)
			if err != nil || d < 1 || d > 512 || len(shape) == 4 {
				break
			}
			shape, n = append(shape, d), n*d
		}
		if total += n; total > 1<<18 {
			break
		}
		names[words[0]] = true
		out = append(out, tt.Named{Name: words[0], Shape: shape, Values: slices.Repeat([]float32{0.1}, n)})
	}
	return out
}

// FuzzBuild builds what any names and shapes hold, with any options. Whatever is built has
// types, and every error is of a kind.
func FuzzBuild(f *testing.F) {
	net := shapesText(tt.Tiny().StateDict())
	for i, more := range []string{"", "fc.weight 3 16\nfc.bias 3\n", "1.weight 3 10\n", "rpn_head.conv.weight 4 4 3 3\n", "neck.0.weight 4 16 1 1\nfc.0.weight 8 16\nfc.1.running_mean 8\n"} {
		f.Add(net+more, uint8(i), uint8(i))
	}
	f.Add("teacher."+strings.ReplaceAll(net, "\n", "\nteacher."), uint8(0), uint8(2))
	f.Add("stem.conv1.c.weight 4 3 3 3\nstages_0.blocks.0.token_mixer.conv.c.weight 8 1 3 3\nhead.head.l.weight 3 8\n", uint8(1), uint8(2))
	for i, path := range []string{"../testdata/sam/repvit_sam.pt", "../testdata/sam/edge_sam.pth"} {
		sam, err := pytorch.Open(path)
		if err != nil {
			f.Fatal(err)
		}
		defer sam.Close()
		var tensors []tt.Named
		all := sam.StateDicts()[0]
		for _, k := range all.Keys() {
			x, _ := all.Get(k)
			tensors = append(tensors, tt.Named{Name: k, Shape: x.Shape})
		}
		for part := range uint8(3) {
			f.Add(shapesText(tensors), uint8(32), part+uint8(i)*3)
		}
	}
	f.Fuzz(func(t *testing.T, text string, flags, n uint8) {
		tensors := parseShapes(text)
		if len(tensors) == 0 {
			return
		}
		file, err := pytorch.Decode("fuzz", tt.Safetensors(tensors...))
		if err != nil {
			return
		}
		sd, err := file.StateDict(pytorch.Options{Networks: family.Networks})
		if err != nil {
			return
		}
		o := model.Options{Features: flags&1 != 0, Embedding: flags&2 != 0, Softmax: flags&4 != 0, IgnoreHead: flags&8 != 0}
		for i := range int(n) % 8 {
			o.Strides = append(o.Strides, [2]int{1 + i%3, 2})
		}
		if flags&16 != 0 {
			o.Taps.Blocks = []int{0, int(n) % 8}
		}
		if flags&32 != 0 { // a promptable segmenter
			o.Strides, o.Height, o.Width = nil, 64, 64
			o.SAM = model.SAM{Part: []string{"", model.PartEncoder, model.PartDecoder}[n%3], Input: []string{"", model.InputHWC, model.InputUint8}[n/3%3], Outputs: []string{"", model.OutputsLow, model.OutputsEdgeSAM}[n/9%3]}
		}
		m, err := family.Build(sd, o)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is not one line", err)
			}
			return
		}
		if flags&32 != 0 {
			if _, err := m.Graph.Infer(); err != nil {
				t.Errorf("the network that was built has no types: %v", err)
			}
			return
		}
		if _, err := m.Graph.Infer(graph.FixedShape(1, m.Graph.Inputs[0].Type.Shape[1].Size, 64, 64)); err != nil && !errors.Is(err, graph.ErrShape) {
			t.Errorf("the network that was built has no types: %v", err)
		}
	})
}
