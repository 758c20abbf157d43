package optest

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
)

// rooms are the packages in which every operator has a file of its name.
var rooms = []string{"graph", "onnx", "infer", "verify/reference"}

func typeName(op graph.Op) string { return reflect.TypeOf(op).Name() }

func TestEveryOperatorHasItsFiles(t *testing.T) {
	for _, room := range rooms {
		files, err := filepath.Glob(filepath.Join("../..", room, "op_*.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, f := range files {
			found[filepath.Base(f)] = true
		}
		for _, op := range graph.Ops() {
			name := "op_" + strings.ToLower(typeName(op)) + ".go"
			if !found[name] {
				t.Errorf("package %s has no %s for the operator %s", room, name, op.Kind())
			}
			delete(found, name)
		}
		for name := range found {
			t.Errorf("package %s has %s, which is of no operator in graph.Ops", room, name)
		}
	}
}

func TestEveryOperatorHasACase(t *testing.T) {
	names := map[string]bool{}
	covered := map[string]bool{}
	for _, c := range Cases() {
		if names[c.Name] {
			t.Errorf("two cases are named %q", c.Name)
		}
		names[c.Name] = true
		uses := slices.ContainsFunc(c.Graph.Nodes, func(n *graph.Node) bool { return n.Op.Kind() == c.Op.Kind() })
		if !uses {
			t.Errorf("%s: the graph has no %s", c.Name, c.Op.Kind())
		}
		covered[c.Op.Kind()] = true
	}
	for _, op := range graph.Ops() {
		if !covered[op.Kind()] {
			t.Errorf("the operator %s has no case in package optest", op.Kind())
		}
	}
}

func TestKindsAreUnique(t *testing.T) {
	seen := map[string]graph.Op{}
	for _, op := range graph.Ops() {
		if old := seen[op.Kind()]; old != nil {
			t.Errorf("%T and %T are both %s", old, op, op.Kind())
		}
		seen[op.Kind()] = op
	}
}

// Every type in a file of package graph that has a Kind is listed.
func TestOperatorsAreListed(t *testing.T) {
	listed := map[string]bool{}
	for _, op := range graph.Ops() {
		listed[typeName(op)] = true
	}
	files, err := filepath.Glob("../../graph/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutSuffix(line[:strings.IndexAny(line+"{", "{")], ") Kind() string "); ok {
				if name = strings.TrimPrefix(name, "func ("); !listed[name] {
					t.Errorf("%s: %s is not in graph.Ops", f, name)
				}
			}
		}
	}
}

// Whatever the attributes and operands, types are derived or refused; nothing panics.
func TestHostileShapes(t *testing.T) {
	shapes := []graph.Shape{
		{}, graph.FixedShape(1), graph.FixedShape(0), graph.FixedShape(3, 4), graph.FixedShape(1, 12, 5, 5), graph.FixedShape(12, 1, 3, 3),
		graph.FixedShape(20, 12, 1, 1), graph.FixedShape(1<<30, 1<<30), graph.FixedShape(1, 1, math.MaxInt, math.MaxInt), graph.FixedShape(-1, 2, -3, 4),
		{graph.Symbol("n"), graph.Fixed(12), graph.Symbol("h"), graph.Dim{Div: 1}}, {graph.Symbol("n"), graph.Symbol("c")}, graph.FixedShape(1, 2, 3, 4, 5, 6, 7, 8),
	}
	numbers := []int64{0, 1, -1, 2, 1 << 31, 1 << 62, -1 << 63, 1<<63 - 1}
	cases := Cases()
	for _, op := range graph.Ops() {
		tried, derived := 0, 0
		variants(op, cases, numbers, func(op graph.Op) {
			for operands := 0; operands <= 5; operands++ {
				for i := range shapes {
					for k := range shapes {
						// What operators of floats and of truth values take, Where, DequantizeLinear, QuantizeLinear and Gather.
						for _, d := range [][3]graph.DType{{graph.Bool, graph.Bool, graph.Bool}, {graph.Bool, graph.Float32, graph.Float32}, {graph.Float32, graph.Float32, graph.Float32}, {graph.Uint8, graph.Float32, graph.Uint8}, {graph.Float32, graph.Float32, graph.Uint8}, {graph.Float32, graph.Int64, graph.Int64}} {
							tried++
							if infers(op, d, shapes[i], shapes[k], operands) {
								derived++
							}
						}
					}
				}
			}
		})
		for _, c := range cases { // some take operands that are not among these
			if c.Op.Kind() == op.Kind() && c.Graph.Validate() == nil {
				derived++
			}
		}
		if derived == 0 || derived == tried {
			t.Errorf("%s: %d of %d graphs have types", op.Kind(), derived, tried)
		}
	}
}

// infers reports whether a node of an operator has a type: operand 0 is a graph input, the
// others all have the second shape.
func infers(op graph.Op, d [3]graph.DType, first, others graph.Shape, operands int) bool {
	var in []*graph.Value
	for i := range max(operands, 1) {
		s, t := others, d[min(i, 2)]
		if i == 0 {
			s = first
		}
		in = append(in, &graph.Value{Name: string(rune('a' + i)), Type: &graph.Type{DType: t, Shape: s}})
	}
	for outputs := 1; outputs <= 3; outputs++ {
		g := &graph.Graph{Inputs: in}
		g.Outputs = g.AddSeveral([]string{"y", "z", "w"}[:outputs], op, in[:operands]...)
		if types, err := g.Infer(); err == nil {
			_ = g.Nodes[0].MACs(types)
			return true
		}
	}
	return false
}

// variants calls f with op for attributes that are all one of the numbers, or lists of them.
func variants(op graph.Op, cases []Case, numbers []int64, f func(graph.Op)) {
	f(op)
	if reflect.TypeOf(op).NumField() == 0 {
		return
	}
	for _, n := range numbers {
		v := reflect.New(reflect.TypeOf(op)).Elem()
		set(v, n)
		f(v.Interface().(graph.Op))
	}
	for _, c := range cases { // and as they should be
		if c.Op.Kind() == op.Kind() {
			for _, n := range c.Graph.Nodes {
				if n.Op.Kind() == op.Kind() {
					f(n.Op)
				}
			}
		}
	}
}

func set(v reflect.Value, n int64) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			set(v.Field(i), n)
		}
	case reflect.Array:
		for i := range v.Len() {
			set(v.Index(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 4, 4))
		for i := range 4 {
			set(v.Index(i), n)
		}
	case reflect.Int:
		v.SetInt(n)
	case reflect.Uint8:
		v.SetUint(uint64(n) & 255)
	case reflect.Float64, reflect.Float32:
		v.SetFloat(float64(n))
	case reflect.Bool:
		v.SetBool(n&1 == 1)
	}
}

func TestInt8(t *testing.T) {
	n := 0
	for _, c := range Cases() {
		g, _ := Int8(c.Graph)
		if g == nil {
			continue
		}
		n++
		if err := g.Validate(); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
	if n < 40 {
		t.Errorf("%d cases in int8, expected at least 40", n)
	}
}
