package pytorch

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/types"
)

// unpickler executes one pickle on gopickle's machine, with names resolved from this
// package's list only.
type unpickler struct {
	place string // of the pickle, for errors
	// storage returns the storage with the key given and the number of its elements, after
	// checking that it can hold as many as the pickle says.
	storage func(key string, d DType, numel int) (src source, n int, err error)
}

// storage is what a persistent id resolves to.
type storage struct {
	dtype DType
	src   source
	first int // element of src at which the storage starts
	numel int
}

// run returns the decoded object and the number of bytes that the pickle takes.
func (u *unpickler) run(p []byte) (obj any, n int, err error) {
	n, err = scan(u.place, p)
	if err != nil {
		return nil, 0, err
	}
	// The machine indexes and type-asserts by what the stream says.
	defer func() {
		if r := recover(); r != nil {
			obj, n, err = nil, 0, malformed(u.place, "the opcodes do not fit together: %s", oneLine(fmt.Sprint(r)))
		}
	}()
	machine := pickle.NewUnpickler(bytes.NewReader(p[:n]))
	machine.FindClass = findClass
	machine.PersistentLoad = u.persistentLoad
	machine.GetExtension = func(int) (any, error) { return nil, errors.New("extensions are not supported") }
	obj, err = machine.Load()
	if err == nil {
		return obj, n, nil
	}
	if fe, ok := errors.AsType[*formatError](err); ok && fe.place == inPickle {
		return nil, 0, &formatError{u.place, fe.text}
	}
	if errors.Is(err, ErrUnsafe) {
		return nil, 0, fmt.Errorf("%s: %w", u.place, err)
	}
	if errors.Is(err, ErrFormat) || errors.Is(err, ErrUnsupported) {
		return nil, 0, err
	}
	return nil, 0, malformed(u.place, "%s", oneLine(err.Error()))
}

// inPickle is the place of an error in a function that does not know which pickle runs.
const inPickle = "pickle"

// persistentLoad resolves ('storage', class, key, location, numel) and what legacy streams
// append: None or (view name, offset, size).
func (u *unpickler) persistentLoad(id any) (any, error) {
	t, ok := id.(*types.Tuple)
	if ok && len(*t) >= 2 && (*t)[0] == any("module") {
		// Legacy streams write a module's class as ('module', class, source file, source).
		if c, ok := (*t)[1].(*class); ok {
			return c, nil
		}
	}
	if !ok || len(*t) < 5 || (*t)[0] != any("storage") {
		return nil, malformed(u.place, "found a persistent id that is not ('storage', class, key, location, count)")
	}
	f := *t
	class, ok1 := f[1].(*storageClass)
	key, ok2 := f[2].(string)
	numel, ok3 := f[4].(int)
	if !ok1 || !ok2 || !ok3 || numel < 0 {
		return nil, malformed(u.place, "found a persistent id that is not ('storage', class, key, location, count)")
	}
	if u.storage == nil {
		return nil, malformed(u.place, "found a storage, expected plain data")
	}
	src, n, err := u.storage(key, class.dtype, numel)
	if err != nil {
		return nil, err
	}
	s := &storage{dtype: class.dtype, src: src, numel: n}
	if len(f) > 5 && f[5] != nil {
		v, ok := f[5].(*types.Tuple)
		if !ok || len(*v) != 3 {
			return nil, malformed(src.place(), "found view metadata that is not (key, offset, size)")
		}
		from, ok1 := (*v)[1].(int)
		size, ok2 := (*v)[2].(int)
		if !ok1 || !ok2 || from < 0 || size < 0 || from > n-size {
			return nil, malformed(src.place(), "found a view of %s elements from %s, expected one inside the storage of %d elements", show((*v)[2]), show((*v)[1]), n)
		}
		s.first, s.numel = from, size
	}
	return s, nil
}

// storageClass is torch.FloatStorage and its siblings.
type storageClass struct{ dtype DType }

var storageClasses = map[string]DType{
	"FloatStorage": Float32, "DoubleStorage": Float64, "HalfStorage": Float16, "BFloat16Storage": BFloat16,
	"LongStorage": Int64, "IntStorage": Int32, "ShortStorage": Int16, "CharStorage": Int8,
	"ByteStorage": Uint8, "BoolStorage": Bool, "UntypedStorage": Uint8,
}

// show prints a plain value for an error message, and of others no more than what they are:
// containers can repeat a long string a million times.
func show(obj any) string {
	switch v := obj.(type) {
	case string:
		return fmt.Sprintf("%q", clip(v, 80))
	case int, bool, float64:
		return fmt.Sprint(v)
	}
	return describe(obj)
}

// function is a callable that a pickle may REDUCE.
type function func(args []any) (any, error)

// Call implements gopickle's Callable.
func (f function) Call(args ...any) (any, error) { return f(args) }

// wrapper is a callable that a pickle may REDUCE, whose arguments name another one. Being
// of its own type, it never calls a wrapper.
type wrapper func(args []any) (any, error)

// Call implements gopickle's Callable.
func (w wrapper) Call(args ...any) (any, error) { return w(args) }

// class is a class whose instances are inert records.
type class struct {
	name string
	// callable classes are also constructed by calling them; their arguments are plain data.
	callable bool
}

// object is an instance of a class: its attributes, in the stream's order.
type object struct {
	class *class
	state types.Dict
}

// PyNew implements gopickle's PyNewable.
func (c *class) PyNew(args ...any) (any, error) { return &object{class: c}, nil }

// Call implements gopickle's Callable.
func (c *class) Call(args ...any) (any, error) {
	if !c.callable {
		return nil, &UnsafeError{c.name + "()"}
	}
	return &object{class: c}, nil
}

// PySetState implements gopickle's PyStateSettable: the state becomes attributes.
func (o *object) PySetState(state any) error {
	if t, ok := state.(*types.Tuple); ok && len(*t) == 2 {
		state = (*t)[0]
	}
	for k, v := range entries(state) {
		o.state.Set(k, v)
	}
	return nil
}

// Set lets dictionary subclasses (mmengine's ConfigDict, collections.defaultdict) be filled.
func (o *object) Set(k, v any) { o.state.Set(k, v) }

// Append lets list subclasses (collections.deque) be filled; nothing reads the elements.
func (o *object) Append(any) {}

// entries iterates over a mapping's keys and values; over nothing for other objects.
func entries(obj any) func(yield func(k, v any) bool) {
	return func(yield func(k, v any) bool) {
		switch d := obj.(type) {
		case *types.Dict:
			for _, e := range *d {
				if !yield(e.Key, e.Value) {
					return
				}
			}
		case *types.OrderedDict:
			for e := d.List.Front(); e != nil; e = e.Next() {
				entry := e.Value.(*types.OrderedDictEntry)
				if !yield(entry.Key, entry.Value) {
					return
				}
			}
		case *object:
			for _, e := range d.state {
				if !yield(e.Key, e.Value) {
					return
				}
			}
		}
	}
}

// opaque stands for a value that nobody reads.
type opaque struct{}

func ignore([]any) (any, error) { return &opaque{}, nil }

// PySetState, Set, Append and Add let it be filled.
func (*opaque) PySetState(any) error { return nil }
func (*opaque) Set(any, any)         {}
func (*opaque) Append(any)           {}
func (*opaque) Add(any)              {}

// functions is the list of callables by module and name. None of them does more than
// build plain data.
var functions = map[string]function{
	"torch._utils._rebuild_tensor_v2":            rebuildTensor,
	"torch._utils._rebuild_tensor":               rebuildTensor,
	"torch._utils._rebuild_parameter":            first,
	"torch._utils._rebuild_parameter_with_state": first,
	"torch.Size":                      ignore,
	"torch.device":                    ignore,
	"torch.serialization._get_layout": ignore,
	"numpy.dtype":                     ignore,
	"numpy.core.multiarray.scalar":    ignore,
	"numpy._core.multiarray.scalar":   ignore,
	"_codecs.encode":                  ignore,
	"builtins.set":                    ignore,
	"__builtin__.set":                 ignore,
	"builtins.frozenset":              ignore,
	"__builtin__.frozenset":           ignore,
	"builtins.bytearray":              ignore,
	"__builtin__.bytearray":           ignore,
	"builtins.complex":                ignore,
	"__builtin__.complex":             ignore,
	"builtins.range":                  ignore,
	"__builtin__.xrange":              ignore,
	"builtins.slice":                  ignore,
	"__builtin__.slice":               ignore,
}

// classes is the list of classes outside torch.nn and timm whose instances stand in
// checkpoints. The value says whether they are constructed by calling them.
var classes = map[string]bool{
	"argparse.Namespace":                            false,
	"types.SimpleNamespace":                         true,
	"collections.defaultdict":                       true,
	"collections.Counter":                           true,
	"collections.deque":                             true,
	"builtins.dict":                                 true,
	"__builtin__.dict":                              true,
	"builtins.list":                                 true,
	"__builtin__.list":                              true,
	"builtins.int":                                  true,
	"__builtin__.int":                               true,
	"builtins.float":                                true,
	"__builtin__.float":                             true,
	"builtins.str":                                  true,
	"__builtin__.str":                               true,
	"pathlib.Path":                                  true,
	"pathlib.PosixPath":                             true,
	"pathlib.PurePosixPath":                         true,
	"pathlib.WindowsPath":                           true,
	"datetime.datetime":                             true,
	"datetime.timedelta":                            true,
	"numpy.ndarray":                                 false,
	"numpy.core.multiarray._reconstruct":            true,
	"numpy._core.multiarray._reconstruct":           true,
	"mmengine.config.config.Config":                 false,
	"mmengine.config.config.ConfigDict":             true,
	"mmengine.logging.history_buffer.HistoryBuffer": false,
	"torch.Tensor":                                  false,
	"torch.nn.parameter.Parameter":                  false,
	"torch.torch_version.TorchVersion":              true,
}

// networkClasses are the classes outside torch.nn and timm that make up a pickled network,
// in whichever module of a user's project they stand. Their instances are records: never
// constructed by a call, only filled.
var networkClasses = map[string]bool{
	"RepViT": true, "RepViTBlock": true, "RepVGGDW": true, "Conv2d_BN": true, "Residual": true, "BN_Linear": true,
	"Classfier": true, "Classifier": true, "SqueezeExcite": true, "SEModule": true,
}

// findClass resolves a GLOBAL. gopickle resolves collections.OrderedDict, object and
// copy_reg._reconstructor itself; the latter two build plain objects.
func findClass(module, name string) (any, error) {
	full := module + "." + name
	if len(full) > maxName {
		return nil, &UnsafeError{clip(full, 200)}
	}
	if d, ok := storageClasses[name]; ok && (module == "torch" || module == "torch.cuda" || module == "torch.storage") {
		return &storageClass{d}, nil
	}
	if f, ok := functions[full]; ok {
		return f, nil
	}
	if full == "torch._tensor._rebuild_from_type_v2" {
		return wrapper(rebuildFromType), nil
	}
	if callable, ok := classes[full]; ok {
		return &class{full, callable}, nil
	}
	if module == "torch" && slices.Contains([]string{"float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool",
		"strided", "contiguous_format", "channels_last", "preserve_format"}, name) {
		return &opaque{}, nil
	}
	if identifiers(module) && identifiers(name) && !strings.Contains(name, ".") {
		head, _, _ := strings.Cut(module, ".")
		switch {
		case strings.HasPrefix(module, "torch.nn.modules.") && upper(name),
			strings.HasPrefix(module, "torch.nn.parallel.") && upper(name),
			head == "timm" && upper(name),
			networkClasses[name]:
			return &class{full, false}, nil
		}
	}
	return nil, &UnsafeError{clip(full, 200)}
}

// upper reports whether a name is spelled like a class.
func upper(name string) bool { return name[0] >= 'A' && name[0] <= 'Z' }

// identifiers reports whether s is dotted ASCII identifiers.
func identifiers(s string) bool {
	for _, part := range strings.Split(s, ".") {
		if part == "" {
			return false
		}
		for i, c := range part {
			if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
				return false
			}
		}
	}
	return true
}

// first is torch._utils._rebuild_parameter(data, requires_grad, backward_hooks, …).
func first(args []any) (any, error) {
	if len(args) != 0 {
		if t, ok := args[0].(*Tensor); ok {
			return t, nil
		}
	}
	return nil, malformed(inPickle, "a parameter is not rebuilt from a tensor")
}

// rebuildTensor is torch._utils._rebuild_tensor_v2(storage, offset, size, stride, …).
func rebuildTensor(args []any) (any, error) {
	var s *storage
	var offset int
	var size, stride []int
	ok := len(args) >= 4
	if ok {
		var ok1, ok2, ok3, ok4 bool
		s, ok1 = args[0].(*storage)
		offset, ok2 = args[1].(int)
		size, ok3 = ints(args[2])
		stride, ok4 = ints(args[3])
		ok = ok1 && ok2 && ok3 && ok4
	}
	if !ok {
		return nil, malformed(inPickle, "a tensor is not rebuilt from (storage, offset, size, stride, …) with %d axes at most", maxAxes)
	}
	// Geometry counts inside the storage, which may be a part of what its source holds.
	t, err := newTensor(s.dtype, s.src, s.numel, offset, size, stride)
	if err != nil {
		return nil, err
	}
	t.offset += s.first
	return t, nil
}

// rebuildFromType is torch._tensor._rebuild_from_type_v2(func, type, args, state), which
// stands for a tensor with attributes.
func rebuildFromType(args []any) (any, error) {
	if len(args) == 4 {
		f, ok1 := args[0].(function)
		inner, ok2 := args[2].(*types.Tuple)
		if ok1 && ok2 {
			return f(*inner)
		}
	}
	return nil, malformed(inPickle, "a tensor is not rebuilt from (function, type, arguments, state)")
}

func ints(obj any) ([]int, bool) {
	var list []any
	switch v := obj.(type) {
	case *types.Tuple:
		list = *v
	case *types.List:
		list = *v
	default:
		return nil, false
	}
	if len(list) > maxAxes {
		return nil, false
	}
	out := make([]int, len(list))
	for i, e := range list {
		n, ok := e.(int)
		if !ok || n > math.MaxInt/2 {
			return nil, false
		}
		out[i] = n
	}
	return out, true
}
