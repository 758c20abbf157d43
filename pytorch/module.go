package pytorch

import (
	"slices"
	"strings"

	"github.com/nlpodyssey/gopickle/types"
)

// Module is a pickled nn.Module as data: its class by name, its children and its attributes.
// What its class computes is not in the file.
type Module struct {
	Class    string   // module and name, "torch.nn.modules.conv.Conv2d"
	Children []string // names, in the order in which they were registered

	state *object
}

// Attribute returns an attribute as plain data: nil, bool, int, float64, string, or []any of
// these for lists and tuples. Of other values it is a [Name].
func (m *Module) Attribute(name string) (any, bool) {
	if m.state != nil {
		for k, v := range entries(m.state) {
			if k == any(name) {
				return value(v), true
			}
		}
	}
	return nil, false
}

// Hooked reports whether functions were registered that run before or after the module's
// own, or in its place.
func (m *Module) Hooked() bool {
	if m.state == nil {
		return false
	}
	for k, v := range entries(m.state) {
		switch k {
		case "_forward_hooks", "_forward_pre_hooks":
			for range entries(v) {
				return true
			}
		case "forward":
			return true
		}
	}
	return false
}

// Name stands for a value that is not plain data: what it is, for people.
type Name string

// value turns what a pickle holds into plain data.
func value(obj any) any {
	list := func(elements []any) []any {
		out := make([]any, len(elements))
		for i, e := range elements {
			switch e := e.(type) {
			case nil, bool, int, float64, string:
				out[i] = e
			default:
				out[i] = Name(describe(e))
			}
		}
		return out
	}
	switch v := obj.(type) {
	case nil, bool, int, float64, string:
		return v
	case *types.List:
		return list(*v)
	case *types.Tuple:
		return list(*v)
	}
	return Name(describe(obj))
}

// ModuleAt returns the module at a path of names, "features.3.token_mixer"; nil where the
// file has no whole module, or none there.
func (s *StateDict) ModuleAt(path string) *Module { return s.modules[path] }

// Modules returns the paths of all modules in order, the network's own "" first. It is empty
// for a plain state dict. The caller must not change the list.
func (s *StateDict) Modules() []string { return s.paths }

// Value returns what stands in the file under a path of keys and attributes joined by dots
// ("args.input_size", "meta.config"), as plain data: see [Module.Attribute].
func (f *File) Value(path string) (any, bool) {
	obj := f.root
	for _, part := range strings.Split(path, ".") {
		found := false
		for k, v := range entries(obj) {
			if k == any(part) {
				obj, found = v, true
				break
			}
		}
		if !found {
			return nil, false
		}
	}
	return value(obj), true
}

// maxSkipped bounds the names that Skipped lists.
const maxSkipped = 20

// Skipped says which objects beside the weights became inert records or names, and where the
// first of each stands: `__main__.Recorder under "recorder"`. Classes that hold plain data
// only, and the modules of networks, are not listed.
func (f *File) Skipped() []string {
	var list []string
	seen, listed := map[any]bool{}, map[string]bool{}
	note := func(path, name string) {
		if len(list) < maxSkipped && !listed[name] && !quiet(name) {
			listed[name] = true
			text := oneLine(name)
			if path != "" {
				text += " under " + quoteAll([]string{path})
			}
			list = append(list, text)
		}
	}
	steps := 0
	var walk func(path string, obj any, depth int)
	walk = func(path string, obj any, depth int) {
		switch v := obj.(type) {
		case *class:
			note(path, v.name)
		case *inert:
			if v.name != plainValue {
				note(path, v.name)
			}
		case *object:
			if isModule(v) {
				return
			}
			note(path, v.class.name)
		}
		if depth > maxDepth || len(path) > maxName || !enter(seen, obj) {
			return
		}
		for k, v := range children(obj) {
			if steps++; steps > maxSteps {
				return
			}
			if c, ok := k.(*class); ok {
				note(path, c.name)
			}
			switch v.(type) {
			case *class, *inert:
			default:
				if !isContainer(v) {
					continue
				}
			}
			name, ok := keyText(k)
			if !ok {
				name = "…"
			}
			walk(join(path, name), v, depth+1)
		}
	}
	walk("", f.root, 0)
	return list
}

// quiet reports whether a class holds plain data and nothing else.
func quiet(name string) bool {
	head, _, _ := strings.Cut(name, ".")
	return slices.Contains([]string{"argparse", "builtins", "collections", "pathlib", "datetime", "numpy", "torch", "types", "decimal", "uuid", "enum"}, head) &&
		!strings.HasPrefix(name, "torch.optim.") && !strings.HasPrefix(name, "torch.nn.") || strings.HasPrefix(name, "type(")
}
