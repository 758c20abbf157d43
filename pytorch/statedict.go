package pytorch

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nlpodyssey/gopickle/types"
)

// StateDict is a network's weights by name, in the file's order.
type StateDict struct {
	// Path is where in the file the state dict was found: "" for the file itself, "model",
	// "checkpoint.ema".
	Path string
	// Prefix is what was taken off the front of every key ("module.").
	Prefix string
	// Module is the class of the pickled nn.Module that the weights were taken from; empty
	// for a plain state dict.
	Module string

	keys    []string
	tensors map[string]*Tensor
	alias   bool // the same dictionary as an earlier one, under another path
}

// Keys returns the names of the tensors in order. The caller must not change the list.
func (s *StateDict) Keys() []string { return s.keys }

// Get returns the tensor with the name given.
func (s *StateDict) Get(key string) (*Tensor, bool) {
	t, ok := s.tensors[key]
	return t, ok
}

func (s *StateDict) add(key string, t *Tensor) {
	if _, ok := s.tensors[key]; !ok {
		s.keys = append(s.keys, key)
	}
	s.tensors[key] = t
}

// Options says which state dict of a file is wanted.
type Options struct {
	// Key is the path to it, the keys of nested dictionaries joined by dots ("model",
	// "checkpoint.ema"). Empty for the one that training scripts mean: under "model", else
	// under "state_dict", else the file itself, else the only one there is besides averaged
	// weights.
	Key string
	// EMA asks for the exponential moving average of the weights: under "model_ema", as the
	// official training script writes it, else "state_dict_ema", "ema" or "ema_state_dict".
	EMA bool
}

// emaKeys are where training scripts store averaged weights.
var emaKeys = []string{"model_ema", "state_dict_ema", "ema_state_dict", "ema"}

const (
	// maxDepth is how deep inside dictionaries and lists a state dict is looked for.
	maxDepth = 6
	// maxName bounds the bytes of a name. Objects can share one string, so that the paths
	// through them could grow without end.
	maxName = 1024
	// maxFound bounds the paths to one state dict that are listed.
	maxFound = 1000
	// maxSteps bounds the entries that a search for weights looks at: modules that contain
	// each other have more paths than a file has bytes.
	maxSteps = 4 << 20
)

// StateDict returns the weights that opts asks for. The error names the file and wraps
// [ErrNoWeights] or an [*AmbiguousError].
func (f *File) StateDict(opts Options) (*StateDict, error) {
	s, err := f.stateDict(opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return s, nil
}

// StateDicts returns every state dict of the file in order: what Options.Key can choose.
func (f *File) StateDicts() []*StateDict {
	all, _ := f.search()
	return all
}

func (f *File) search() ([]*StateDict, error) {
	w := walker{seen: map[any]bool{}, dicts: map[any]*StateDict{}}
	w.walk("", f.root, 0)
	return w.found, w.err
}

func (f *File) stateDict(opts Options) (*StateDict, error) {
	all, err := f.search()
	if err != nil {
		return nil, err
	}
	s, err := f.choose(all, opts)
	if err != nil {
		return nil, err
	}
	return s, s.bounded()
}

func (f *File) choose(all []*StateDict, opts Options) (*StateDict, error) {
	paths := make([]string, len(all))
	for i, s := range all {
		paths[i] = s.Path
	}
	pick := func(path string) *StateDict {
		for _, s := range all {
			if s.Path == path {
				return s
			}
		}
		return nil
	}
	none := func(format string, args ...any) error {
		text := fmt.Sprintf(format, args...)
		switch {
		case len(all) == 1 && paths[0] == "":
			text += "; the file itself is a state dict"
		case len(all) > 0:
			text += "; there is one under " + quoteAll(paths)
		}
		return fmt.Errorf("%w: %s", ErrNoWeights, text)
	}
	if opts.Key != "" {
		if s := pick(opts.Key); s != nil {
			return s, nil
		}
		return nil, none("nothing with weights under %q", opts.Key)
	}
	if opts.EMA {
		for _, k := range emaKeys {
			if s := pick(k); s != nil {
				return s, nil
			}
			if s := pick(k + ".state_dict"); s != nil {
				return s, nil
			}
		}
		return nil, none("no averaged weights under %q", emaKeys[0])
	}
	for _, k := range []string{"model", "state_dict", "model.state_dict", ""} {
		if s := pick(k); s != nil {
			return s, nil
		}
	}
	var rest []*StateDict
	for _, s := range all {
		if !slices.Contains(emaKeys, s.Path) && !s.alias {
			rest = append(rest, s)
		}
	}
	switch {
	case len(rest) == 1:
		return rest[0], nil
	case len(rest) == 0 && len(all) == 1:
		return all[0], nil
	case len(all) > 1:
		return nil, &AmbiguousError{paths}
	}
	return nil, fmt.Errorf("%w: found %s, expected a dictionary of tensors with names like \"….weight\"", ErrNoWeights, describe(f.root))
}

// NamedTensor is a tensor and the path to it, keys and indexes joined by dots.
type NamedTensor struct {
	Name string
	*Tensor
}

// Tensors returns every tensor in the file in order, wherever it stands; the name is empty
// where the file holds nothing but one tensor.
func (f *File) Tensors() []NamedTensor {
	var out []NamedTensor
	seen := map[any]bool{}
	var walk func(path string, obj any, depth int)
	walk = func(path string, obj any, depth int) {
		if t, ok := obj.(*Tensor); ok {
			out = append(out, NamedTensor{path, t})
			return
		}
		if depth > maxDepth || !enter(seen, obj) {
			return
		}
		switch v := obj.(type) {
		case *flatDict:
			for _, k := range v.names {
				out = append(out, NamedTensor{join(path, k), v.tensors[k]})
			}
		case *types.List:
			for i, e := range *v {
				walk(join(path, fmt.Sprint(i)), e, depth+1)
			}
		case *types.Tuple:
			for i, e := range *v {
				walk(join(path, fmt.Sprint(i)), e, depth+1)
			}
		default:
			for k, e := range entries(obj) {
				if name, ok := keyText(k); ok {
					walk(join(path, name), e, depth+1)
				}
			}
		}
	}
	walk("", f.root, 0)
	return out
}

// keyText returns a key of a mapping as a part of a path. Longer strings than any name are
// not keys by which something is found.
func keyText(k any) (string, bool) {
	switch k := k.(type) {
	case string:
		return k, len(k) <= maxName
	case int:
		return fmt.Sprint(k), true
	}
	return "", false
}

// enter reports whether a container is seen for the first time. Pickles can share and
// nest containers in each other so that walking every path would never end.
func enter(seen map[any]bool, obj any) bool {
	if !isContainer(obj) || seen[obj] {
		return false
	}
	seen[obj] = true
	return true
}

func isContainer(obj any) bool {
	switch obj.(type) {
	case *types.Dict, *types.OrderedDict, *types.List, *types.Tuple, *object, *flatDict:
		return true
	}
	return false
}

// walker finds the state dicts of a file.
type walker struct {
	seen  map[any]bool
	dicts map[any]*StateDict
	found []*StateDict
	steps int
	err   error
}

// step counts an entry and reports whether the search goes on.
func (w *walker) step() bool {
	if w.steps++; w.steps > maxSteps && w.err == nil {
		w.err = malformed("the object", "found more than %d entries on the way to the weights, expected no modules that contain each other", maxSteps)
	}
	return w.err == nil
}

// add adds a tensor to a state dict.
func (w *walker) add(s *StateDict, key string, t *Tensor) {
	if len(key) > maxName {
		w.err = malformed(fmt.Sprintf("key %q", clip(key, 80)), "found a name of %d bytes, expected %d at most", len(key), maxName)
		return
	}
	s.add(key, t)
}

func (w *walker) walk(path string, obj any, depth int) {
	if depth > maxDepth || w.err != nil {
		return
	}
	if !enter(w.seen, obj) {
		if isContainer(obj) && w.dicts[obj] != nil && len(w.found) < maxFound {
			s := *w.dicts[obj]
			s.Path, s.alias = path, true
			w.found = append(w.found, &s)
		}
		return
	}
	n := size(obj)
	s := &StateDict{Path: path, keys: make([]string, 0, n), tensors: make(map[string]*Tensor, n)}
	switch v := obj.(type) {
	case *flatDict:
		s.keys, s.tensors = slices.Clone(v.names), maps.Clone(v.tensors)
	case *object:
		if isModule(v) {
			s.Module = v.class.name
			w.flatten(s, "", v, 0)
			break
		}
		w.collect(s, "", v)
	default:
		w.collect(s, "", obj)
	}
	if w.err == nil && looksTrained(s) {
		s.strip()
		w.found = append(w.found, s)
		w.dicts[obj] = s
		return
	}
	for k, v := range children(obj) {
		if name, ok := keyText(k); ok && w.step() {
			w.walk(join(path, name), v, depth+1)
		}
	}
}

// size returns the number of a mapping's entries, 0 for other objects.
func size(obj any) int {
	switch d := obj.(type) {
	case *types.Dict:
		return len(*d)
	case *types.OrderedDict:
		return len(d.Map)
	}
	return 0
}

// children iterates over a container's elements: a mapping's by their keys, a sequence's by
// their indexes.
func children(obj any) func(yield func(k, v any) bool) {
	var list []any
	switch v := obj.(type) {
	case *types.List:
		list = *v
	case *types.Tuple:
		list = *v
	default:
		return entries(obj)
	}
	return func(yield func(k, v any) bool) {
		for i, e := range list {
			if !yield(i, e) {
				return
			}
		}
	}
}

// collect gathers the tensors that stand directly in a mapping.
func (w *walker) collect(s *StateDict, prefix string, mapping any) {
	for k, v := range entries(mapping) {
		if !w.step() {
			return
		}
		name, ok1 := k.(string)
		t, ok2 := v.(*Tensor)
		if ok1 && ok2 {
			w.add(s, prefix+name, t)
		}
	}
}

// isModule reports whether an object is a pickled torch.nn.Module: they all have these
// three attributes.
func isModule(o *object) bool {
	have := 0
	for k := range entries(o) {
		if k == any("_parameters") || k == any("_buffers") || k == any("_modules") {
			have++
		}
	}
	return have >= 3
}

// flatten does what nn.Module.state_dict does: a module's parameters and buffers, then
// those of its children.
func (w *walker) flatten(s *StateDict, prefix string, o *object, depth int) {
	if depth > 32 || len(prefix) > maxName {
		return // deeper than any network, or a module inside itself
	}
	var parameters, buffers, modules any
	for k, v := range entries(o) {
		if !w.step() {
			return
		}
		switch k {
		case "_parameters":
			parameters = v
		case "_buffers":
			buffers = v
		case "_modules":
			modules = v
		}
	}
	w.collect(s, prefix, parameters)
	w.collect(s, prefix, buffers)
	for k, v := range entries(modules) {
		if !w.step() {
			return
		}
		key, ok1 := k.(string)
		child, ok2 := v.(*object)
		if ok1 && ok2 && len(key) <= maxName {
			w.flatten(s, prefix+key+".", child, depth+1)
		}
	}
}

// bounded checks that the tensors together are not much larger than the storages in which
// they lie. Converting and fusing costs memory for each tensor, and a small file could name
// one large storage a thousand times; networks that share weights do so in a few places.
func (s *StateDict) bounded() error {
	have := map[source]bool{}
	most := 1 << 20
	for _, k := range s.keys {
		if src := s.tensors[k].data; !have[src] {
			have[src] = true
			most += 2 * src.size()
		}
	}
	size := 0
	for _, k := range s.keys {
		t := s.tensors[k]
		if size += t.Len() * t.DType.Size(); size > most {
			return malformed(fmt.Sprintf("key %q", clip(k, 80)), "found tensors of more than %d bytes up to here, expected no more than twice the storages in which they lie", most)
		}
	}
	return nil
}

// looksTrained tells a network's weights from other tensors, such as an optimizer's.
func looksTrained(s *StateDict) bool {
	for _, k := range s.keys {
		if strings.HasSuffix(k, ".weight") {
			return true
		}
	}
	return false
}

// strip takes off what wrappers of modules put in front of every name:
// DistributedDataParallel, torch.compile, and the attribute under which trainers keep their
// network. The count of an AveragedModel stands beside them without a prefix.
func (s *StateDict) strip() {
	if _, ok := s.tensors["n_averaged"]; ok {
		s.keys = slices.DeleteFunc(s.keys, func(k string) bool { return k == "n_averaged" })
		delete(s.tensors, "n_averaged")
	}
	for again := true; again; {
		again = false
		for _, p := range []string{"module.", "_orig_mod.", "model."} {
			if slices.ContainsFunc(s.keys, func(k string) bool { return !strings.HasPrefix(k, p) }) {
				continue
			}
			keys, tensors := make([]string, len(s.keys)), make(map[string]*Tensor, len(s.keys))
			for i, k := range s.keys {
				keys[i] = k[len(p):]
				tensors[keys[i]] = s.tensors[k]
			}
			s.keys, s.tensors, s.Prefix, again = keys, tensors, s.Prefix+p, true
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// describe says what an object is, for errors.
func describe(obj any) string {
	names := func() string {
		var keys []string
		for k := range entries(obj) {
			if s, ok := keyText(k); ok {
				keys = append(keys, s)
			}
		}
		if len(keys) == 0 {
			return "an empty dictionary"
		}
		return "a dictionary with " + quoteAll(keys)
	}
	switch v := obj.(type) {
	case *Tensor:
		return fmt.Sprintf("a single tensor of shape %v", v.Shape)
	case *types.List:
		return fmt.Sprintf("a list of %d objects", len(*v))
	case *types.Tuple:
		return fmt.Sprintf("a tuple of %d objects", len(*v))
	case *types.Dict, *types.OrderedDict:
		return names()
	case *object:
		return "an object of class " + clip(v.class.name, 200)
	case *opaque, *storage, *storageClass, *class, function, wrapper:
		return "an object that is no tensor"
	case *flatDict:
		return fmt.Sprintf("%d tensors, %s", len(v.names), quoteAll(v.names))
	case string:
		return "a string"
	case nil:
		return "None"
	}
	return "a single value"
}
