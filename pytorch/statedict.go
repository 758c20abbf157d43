package pytorch

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nlpodyssey/gopickle/types"
)

// StateDict is a network's weights by name, in the file's order. Names are spelled without
// what wrappers of modules put between their parts ("_orig_mod", "module").
type StateDict struct {
	// Path is where in the file the state dict was found: "" for the file itself, "model",
	// "checkpoint.ema".
	Path string
	// Prefix is what was taken off the front of every key ("module.").
	Prefix string
	// Within is the prefix of the keys that belong to the network that was asked for, where
	// the dictionary holds more: "backbone.", else "".
	Within string
	// Module is the class of the pickled nn.Module that the weights were taken from; empty
	// for a plain state dict.
	Module string

	keys    []string
	tensors map[string]*Tensor
	spelled map[string]string // names as the file spells them, where wrappers were taken out
	modules map[string]*Module
	paths   []string // of the modules, in order
	alias   bool     // the same dictionary as an earlier one, under another path
}

// Keys returns the names of the tensors in order. The caller must not change the list.
func (s *StateDict) Keys() []string { return s.keys }

// Get returns the tensor with the name given.
func (s *StateDict) Get(key string) (*Tensor, bool) {
	t, ok := s.tensors[key]
	return t, ok
}

// Spelled returns a name as the file spells it.
func (s *StateDict) Spelled(key string) string {
	if name, ok := s.spelled[key]; ok {
		return name
	}
	return s.Prefix + key
}

// Name says where the weights are: the path to the dictionary and the prefix inside it. It is
// what Options.Key chooses by.
func (s *StateDict) Name() string {
	return strings.Trim(join(s.Path, s.Prefix+s.Within), ".")
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
	// "checkpoint.ema"), to which a prefix of names may be joined ("state_dict.teacher").
	// Empty for the one that training scripts mean: under "model", else under "state_dict",
	// else the file itself, else the only one there is besides averaged weights.
	Key string
	// EMA asks for averaged weights: under "model_ema", as the official training script
	// writes it, else under another name of which a part is ema, swa, averaged or average.
	EMA bool
	// Networks returns the prefixes of names under which a state dict holds networks that
	// are wanted, so that others are passed over. Nil takes every state dict whole.
	Networks func(*StateDict) []string
}

// emaKeys are where training scripts store averaged weights, the first of them first.
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
	s, err := f.choose(candidates(all, opts.Networks), opts)
	if err != nil {
		return nil, err
	}
	return s, s.bounded()
}

// candidates are the networks of state dicts. Where none is recognised, all are, so that
// whoever reads the one that is chosen says what it misses.
func candidates(all []*StateDict, networks func(*StateDict) []string) []*StateDict {
	if networks == nil {
		return all
	}
	var found []*StateDict
	for _, s := range all {
		for _, within := range networks(s) {
			if len(found) < maxFound {
				c := *s
				c.Within = within
				found = append(found, &c)
			}
		}
	}
	if found == nil {
		return all
	}
	return found
}

// Averaged reports whether the names say that these are averaged weights.
func (s *StateDict) Averaged() bool {
	for _, part := range strings.Split(s.Name(), ".") {
		for _, word := range strings.Split(strings.ToLower(part), "_") {
			switch word {
			case "ema", "swa", "averaged", "average", "avg", "polyak":
				return true
			}
		}
	}
	return false
}

func (f *File) choose(all []*StateDict, opts Options) (*StateDict, error) {
	none := func(format string, args ...any) error {
		text := fmt.Sprintf(format, args...)
		switch {
		case len(all) == 1 && all[0].Name() == "":
			text += "; the file itself is a state dict"
		case len(all) > 0:
			text += "; there is one under " + quoteAll(names(all))
		}
		return fmt.Errorf("%w: %s", ErrNoWeights, text)
	}
	switch {
	case opts.Key != "":
		found := filter(all, func(s *StateDict) bool { return s.Name() == opts.Key || s.Path == opts.Key })
		if len(found) == 0 {
			found = filter(all, func(s *StateDict) bool { return strings.HasPrefix(s.Name(), opts.Key+".") })
		}
		if len(found) == 0 {
			return nil, none("nothing with weights under %q", opts.Key)
		}
		return one(found)
	case opts.EMA:
		averaged := filter(all, func(s *StateDict) bool { return s.Averaged() && !s.alias })
		for _, k := range emaKeys {
			for _, path := range []string{k, k + ".state_dict"} {
				if found := filter(averaged, func(s *StateDict) bool { return s.Path == path }); len(found) > 0 {
					return one(found)
				}
			}
		}
		if len(averaged) == 0 {
			return nil, none("no averaged weights under %q or another of their usual names", emaKeys[0])
		}
		return one(averaged)
	}
	rest := filter(all, func(s *StateDict) bool { return !s.Averaged() && !s.alias })
	for _, path := range []string{"model", "state_dict", "model.state_dict", ""} {
		if found := filter(rest, func(s *StateDict) bool { return s.Path == path }); len(found) > 0 {
			return one(found)
		}
	}
	switch {
	case len(rest) > 0:
		return one(rest)
	case len(all) > 0:
		return one(all)
	}
	return nil, fmt.Errorf("%w: found %s, expected a dictionary of tensors with names like \"….weight\"", ErrNoWeights, describe(f.root))
}

// one returns the only one, or of several in one dictionary the one that is not below others.
func one(found []*StateDict) (*StateDict, error) {
	for _, s := range found {
		if len(found) == 1 || s.Within == "" && s.Path == found[len(found)-1].Path && s.Path == found[0].Path {
			return s, nil
		}
	}
	return nil, &AmbiguousError{names(found)}
}

func filter(all []*StateDict, keep func(*StateDict) bool) (found []*StateDict) {
	for _, s := range all {
		if keep(s) {
			found = append(found, s)
		}
	}
	return found
}

func names(all []*StateDict) []string {
	list := make([]string, len(all))
	for i, s := range all {
		list[i] = s.Name()
	}
	return list
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
		if t, ok := tensorOf(obj); ok {
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
			s.Module, s.modules = v.class.name, map[string]*Module{}
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
		if !isContainer(v) {
			continue // every container is entered once, so what it holds is bounded by the file
		}
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

// maxList is how long a list may be in which state dicts are looked for; longer ones are logs.
const maxList = 1000

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
			if len(list) > maxList || !yield(i, e) {
				return
			}
		}
	}
}

// collect gathers the tensors that stand directly in a mapping. Mappings inside of modules are
// counted, since modules can share them.
func (w *walker) collect(s *StateDict, prefix string, mapping any) {
	for k, v := range entries(mapping) {
		if s.modules != nil && !w.step() {
			return
		}
		name, ok1 := k.(string)
		t, ok2 := tensorOf(v)
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
// those of its children. It notes every module.
func (w *walker) flatten(s *StateDict, prefix string, o *object, depth int) {
	if depth > 32 || len(prefix) > maxName {
		return // deeper than any network, or a module inside itself
	}
	m := &Module{Class: o.class.name, state: o}
	w.noteModule(s, strings.TrimSuffix(prefix, "."), m)
	var parameters, buffers, modules any
	var unsaved *set
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
		case "_non_persistent_buffers_set":
			unsaved, _ = v.(*set)
		}
	}
	w.collect(s, prefix, parameters)
	w.collect(s, prefix, buffers)
	if unsaved != nil {
		for _, name := range unsaved.elements {
			if name, ok := name.(string); ok && w.step() {
				s.drop(prefix + name)
			}
		}
	}
	for k, v := range entries(modules) {
		if !w.step() {
			return
		}
		key, ok := k.(string)
		if !ok || len(key) > maxName || v == nil {
			continue
		}
		m.Children = append(m.Children, key)
		if child, ok := v.(*object); ok {
			w.flatten(s, prefix+key+".", child, depth+1)
		} else {
			w.noteModule(s, prefix+key, &Module{Class: describe(v)})
		}
	}
}

// maxModules bounds the modules of a network; the largest published one has some two thousand.
const maxModules = 50_000

func (w *walker) noteModule(s *StateDict, path string, m *Module) {
	if len(s.paths) == maxModules && w.err == nil {
		w.err = malformed("the object", "found more than %d modules in one, expected no modules that contain each other", maxModules)
	}
	if s.modules[path] == nil {
		s.paths = append(s.paths, path)
		s.modules[path] = m
	}
}

// drop takes a tensor out.
func (s *StateDict) drop(key string) {
	if _, ok := s.tensors[key]; ok {
		s.keys = slices.DeleteFunc(s.keys, func(k string) bool { return k == key })
		delete(s.tensors, key)
	}
}

// bounded checks that the tensors together are not much larger than the storages in which
// they lie. Converting and fusing costs memory for each tensor, and a small file could name
// one large storage a thousand times; networks that share weights do so in a few places.
func (s *StateDict) bounded() error {
	have := map[source]bool{}
	most := 1 << 20
	for _, k := range s.keys {
		if src := s.tensors[k].data; src != nil && !have[src] {
			have[src] = true
			most += 2 * src.size()
		}
	}
	size := 0
	for _, k := range s.keys {
		t := s.tensors[k]
		if t.data == nil {
			continue
		}
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

// strip takes off what wrappers of modules put in front of every name, and the attribute
// under which trainers keep their network; then what wrappers put between the parts of names.
// The count of an AveragedModel stands beside them without a prefix.
func (s *StateDict) strip() {
	s.drop("n_averaged")
	for again := true; again; {
		again = false
		for _, p := range []string{"module.", "_orig_mod.", "model."} {
			if slices.ContainsFunc(s.keys, func(k string) bool { return !strings.HasPrefix(k, p) }) {
				continue
			}
			s.rename(func(k string) string { return strings.TrimPrefix(k, p) })
			s.renameModules(func(path string) string {
				if path+"." == p {
					return ""
				}
				return strings.TrimPrefix(path, p)
			})
			s.Prefix, again = s.Prefix+p, true
		}
	}
	s.spelled = map[string]string{}
	s.rename(func(k string) string {
		name := unwrapped(k)
		if _, taken := s.tensors[name]; name == k || taken || s.spelled[name] != "" {
			return k
		}
		s.spelled[name] = s.Prefix + k
		return name
	})
	s.renameModules(unwrapped)
}

// rename gives every tensor another name, in the same order.
func (s *StateDict) rename(name func(string) string) {
	tensors := make(map[string]*Tensor, len(s.keys))
	for i, k := range s.keys {
		s.keys[i] = name(k)
		tensors[s.keys[i]] = s.tensors[k]
	}
	s.tensors = tensors
}

// renameModules does so with modules. What a wrapper wraps takes its place.
func (s *StateDict) renameModules(name func(string) string) {
	modules := make(map[string]*Module, len(s.modules))
	var paths []string
	for _, path := range s.paths {
		to := name(path)
		if modules[to] == nil {
			paths = append(paths, to)
		}
		modules[to] = s.modules[path]
	}
	s.modules, s.paths = modules, paths
}

// wrappers are the parts of names that stand for a module inside another that computes the
// same: of DistributedDataParallel, torch.compile, FullyShardedDataParallel, activation
// checkpointing and DeepSpeed.
var wrappers = map[string]bool{"module": true, "_orig_mod": true, "_fsdp_wrapped_module": true, "_checkpoint_wrapped_module": true, "_forward_module": true}

func unwrapped(name string) string {
	if !strings.Contains(name, "mod") {
		return name
	}
	parts := strings.Split(name, ".")
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return wrappers[p] }), ".")
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
	case *array:
		return "a NumPy array"
	case *class:
		return "the name " + clip(v.name, 200)
	case *inert, *set, *storage, *storageClass, function, wrapper, *named:
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
