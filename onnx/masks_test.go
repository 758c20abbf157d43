package onnx

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/onnx/internal/onnxpb"
)

// masksModel makes a model that resizes masks, x, to the image that size tells of.
func masksModel(opset int64, nodes []*onnxpb.NodeProto) *onnxpb.ModelProto {
	m := modelOf(opset, nodes...)
	m.Graph.Input = nil
	for name, shape := range map[string][]int{"x": {1, 4, 8, 8}, "size": {2}, "size2": {2}} {
		m.Graph.Input = append(m.Graph.Input, pbInfo(name, graph.Type{DType: graph.Float32, Shape: graph.FixedShape(shape...)}))
	}
	slices.SortFunc(m.Graph.Input, func(a, b *onnxpb.ValueInfoProto) int { return strings.Compare(b.GetName(), a.GetName()) })
	scalar := func(name string, v int64) *onnxpb.TensorProto {
		return &onnxpb.TensorProto{Name: proto.String(name), DataType: proto.Int32(7), Int64Data: []int64{v}}
	}
	m.Graph.Initializer = append(m.Graph.Initializer, floats("side", []float32{32}), floats("side3", []float32{48}), longs("square32", 32, 32), longs("square48", 48, 48), longs("to1432", 1, 4, 32, 32),
		longs("to2432", 2, 4, 32, 32), floats("by4", []float32{1, 1, 4, 4}, 4), floats("by5", []float32{1, 1, 5, 5}, 4), scalar("longSide", 32), scalar("at0", 0), scalar("at1", 1), longs("from", 0), longs("from2", 0, 0), longs("three3", 3), longs("one1", 1))
	return m
}

// exportedMasks is what PyTorch 1.13 makes of segment_anything's mask_postprocessing.
func exportedMasks() []*onnxpb.NodeProto {
	linear := []*onnxpb.AttributeProto{text("coordinate_transformation_mode", "half_pixel"), pbFloat("cubic_coeff_a", -0.75), text("mode", "linear"), text("nearest_mode", "floor")}
	axis0, float, int64s := pbInteger("axis", 0), pbInteger("to", 1), pbInteger("to", 7)
	return []*onnxpb.NodeProto{
		op("shape = Shape(x)"), op("nc = Slice(shape, from, two2, from)"), op("to = Concat(nc, square32)", axis0), op("big = Resize(x, , , to)", linear...),
		op("f = Cast(size)", float), op("most = ReduceMax(f)", pbInteger("keepdims", 0)), op("inverse = Reciprocal(most)"), op("scale = Mul(inverse, side)"), op("scaled = Mul(scale, f)"),
		op("more = Add(scaled, half)"), op("floor = Floor(more)"), op("crop0 = Cast(floor)", int64s), op("crop = Cast(crop0)", int64s),
		op("h = Gather(crop, at0)", axis0), op("w = Gather(crop, at1)", axis0), op("h1 = Unsqueeze(h, from)"), op("rows = Slice(big, from, h1, two2, one1)"), op("w1 = Unsqueeze(w, from)"), op("cut = Slice(rows, from, w1, three3, one1)"),
		op("i = Cast(f)", int64s), op("ih = Gather(i, at0)", axis0), op("iw = Gather(i, at1)", axis0), op("ih1 = Unsqueeze(ih, from)"), op("iw1 = Unsqueeze(iw, from)"), op("picture = Concat(ih1, iw1)", axis0),
		op("shape2 = Shape(cut)"), op("nc2 = Slice(shape2, from, two2, from)"), op("to2 = Concat(nc2, picture)", axis0), op("y = Resize(cut, , , to2)", linear...),
	}
}

// changed replaces nodes by those with the same output, which keep the attributes where they have none.
func changed(nodes []*onnxpb.NodeProto, by ...*onnxpb.NodeProto) []*onnxpb.NodeProto {
	nodes = slices.Clone(nodes)
	for _, n := range by {
		i := slices.IndexFunc(nodes, func(m *onnxpb.NodeProto) bool { return m.Output[0] == n.Output[0] })
		if i < 0 {
			panic("no node makes " + n.Output[0])
		}
		if n.Attribute == nil {
			n.Attribute = nodes[i].Attribute
		}
		nodes[i] = n
	}
	// What nothing reads any more would stay in the graph.
	read := map[string]bool{nodes[len(nodes)-1].Output[0]: true}
	for _, n := range slices.Backward(nodes) {
		if read[n.Output[0]] {
			for _, name := range n.Input {
				read[name] = true
			}
		}
	}
	return slices.DeleteFunc(nodes, func(n *onnxpb.NodeProto) bool { return !read[n.Output[0]] })
}

// The tail of Segment Anything's decoder is one operator, however it is spelled; what is not that
// operator is refused.
func TestMasksSpelledByOthers(t *testing.T) {
	const whole = "y = PostprocessMasks(x, size) {32 0 0}"
	linear := func(place string) []*onnxpb.AttributeProto {
		return []*onnxpb.AttributeProto{text("coordinate_transformation_mode", place), text("mode", "linear")}
	}
	none := []*onnxpb.AttributeProto{}
	plain := exportedMasks()
	// A value of the spelling is read by something else, too.
	read := append(slices.Clone(plain[:len(plain)-1]), op("other = Relu(big)"), plain[len(plain)-1])
	tests := []struct {
		name  string
		opset int64
		nodes []*onnxpb.NodeProto
		want  string // of the graph; of the error, where it has no operator
	}{
		{"PyTorch 1.13", 16, plain, whole},
		{"newer opset", 21, changed(plain, op("most = ReduceMax(f, from)")), whole},
		{"quotient", 16, changed(plain, op("inverse = Identity(most)", none...), op("scale = Div(side, inverse)")), whole},
		{"quotient of any size", 16, changed(plain, op("to = Concat(nc, square48)"), op("inverse = Identity(most)", none...), op("scale = Div(side3, inverse)")), "y = PostprocessMasks(x, size) {48 0 0}"},
		{"factors the other way round", 16, changed(plain, op("scale = Mul(side, inverse)"), op("scaled = Mul(f, scale)"), op("more = Add(half, scaled)")), whole},
		{"the larger side of two", 16, append([]*onnxpb.NodeProto{op("f0 = Gather(size, at0)"), op("f1 = Gather(size, at1)")}, changed(plain, op("most = Max(f0, f1)", none...))...), whole},
		{"rounded by the conversion", 16, changed(plain, op("floor = Identity(more)", none...)), whole},
		{"constant sizes", 16, changed(plain, op("big = Resize(x, , , to1432)")), whole},
		{"scales", 13, changed(plain, op("big = Resize(x, , by4)")), whole},
		{"sizes of two axes", 18, changed(plain, op("big = Resize(x, , , square32)", append(linear("half_pixel"), pbInts("axes", 2, 3))...), op("y = Resize(cut, , , picture)", append(linear("half_pixel"), pbInts("axes", -2, -1))...)), whole},
		{"one Slice", 16, changed(plain, op("rows = Identity(big)", none...), op("cut = Slice(rows, from2, crop, spatial)")), whole},
		{"sides as a list", 16, changed(plain, op("picture = Cast(size)", pbInteger("to", 7))), whole},
		{"older way to place the square's pixels", 16, changed(plain, op("big = Resize(x, , , to)", linear("pytorch_half_pixel")...)), whole},
		{"a value that something else reads", 16, read, "big = Resize(x) {linear half_pixel  [0 0] [32 32]}; other = Relu(big); " + whole},

		{"a side that isn't a power of two", 16, changed(plain, op("to = Concat(nc, square48)"), op("scale = Mul(inverse, side3)")), `"h1" is not a constant list`},
		{"another square", 16, changed(plain, op("to = Concat(nc, square48)")), `"h1" is not a constant list`},
		{"another input's size", 16, changed(plain, op("picture = Cast(size2)", pbInteger("to", 7))), `"h1" is not a constant list`},
		{"scaled by the smaller side", 16, changed(plain, op("most = ReduceMin(f)")), `"h1" is not a constant list`},
		{"not rounded", 16, changed(plain, op("more = Add(scaled, one)")), `"h1" is not a constant list`},
		{"width for height", 16, changed(plain, op("h = Gather(crop, at1)")), `"h1" is not a constant list`},
		{"turned", 16, changed(plain, op("ih = Gather(i, at1)"), op("iw = Gather(i, at0)")), `"h1" is not a constant list`},
		{"cut from the middle", 16, changed(plain, op("rows = Slice(big, one1, h1, two2, one1)")), `"h1" is not a constant list`},
		{"every second row", 16, changed(plain, op("rows = Slice(big, from, h1, two2, two2)")), `"h1" is not a constant list`},
		{"channels cut off", 16, changed(plain, op("rows = Slice(big, from, h1, one1, one1)")), `"h1" is not a constant list`},
		{"rows alone", 16, changed(plain, op("cut = Identity(rows)", none...)), `"h1" is not a constant list`},
		{"cubic", 16, changed(plain, op("y = Resize(cut, , , to2)", text("mode", "cubic"))), `"h1" is not a constant list`},
		{"corners aligned", 16, changed(plain, op("big = Resize(x, , , to)", linear("align_corners")...)), `"h1" is not a constant list`},
		{"sides of one pixel in another place", 16, changed(plain, op("y = Resize(cut, , , to2)", linear("pytorch_half_pixel")...)), `"h1" is not a constant list`},
		{"antialiased", 18, changed(plain, op("y = Resize(cut, , , to2)", append(linear("half_pixel"), pbInteger("antialias", 1))...)), `"h1" is not a constant list`},
		{"two images", 16, changed(plain, op("big = Resize(x, , , to2432)")), "found sizes [2 4] of an operand 1×4×8×8"},
		{"other scales", 16, changed(plain, op("big = Resize(x, , by5)")), "found scales [5 5] of an operand 1×4×8×8"},
		{"quotient of integers", 16, append([]*onnxpb.NodeProto{op("real = Cast(size)", pbInteger("to", 1))}, changed(plain, op("f = Cast(size)", pbInteger("to", 7)), op("inverse = Div(longSide, most)"), op("scale = Cast(inverse)", pbInteger("to", 1)), op("scaled = Mul(scale, real)"))...), `"h1" is not a constant list`},
	}
	for _, test := range tests {
		m, err := Decode(marshal(t, masksModel(test.opset, test.nodes)))
		if !strings.Contains(test.want, "(") {
			if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want unsupported with %q", test.name, err, test.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := summary(m.Graph); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
	}
}

// The operator comes back also where a tool has kept the nodes and dropped the metadata.
func TestMasksWithoutMetadata(t *testing.T) {
	g := &graph.Graph{Name: "g", Inputs: []*graph.Value{
		{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 4, 8, 8)}},
		{Name: "size", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(2)}},
	}}
	g.Outputs = []*graph.Value{g.Add("y", graph.PostprocessMasks{Size: 48}, g.Inputs...)}
	for _, opset := range opsets() {
		var m onnxpb.ModelProto
		if err := proto.Unmarshal(encode(t, g, opset), &m); err != nil {
			t.Fatal(err)
		}
		m.MetadataProps = nil
		read, err := Decode(marshal(t, &m))
		if err != nil {
			t.Errorf("opset %d: %v", opset, err)
			continue
		}
		if d := difference(g, read.Graph); d != "" {
			t.Errorf("opset %d: %s", opset, d)
		}
	}
}
