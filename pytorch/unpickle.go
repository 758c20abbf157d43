package pytorch

import (
	"bytes"
	"errors"
	"fmt"
	"math"
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
	"QInt8Storage": "qint8", "QUInt8Storage": "quint8", "QInt32Storage": "qint32", "QUInt4x2Storage": "quint4x2", "QUInt2x4Storage": "quint2x4",
	"ComplexFloatStorage": Complex64, "ComplexDoubleStorage": Complex128,
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

// A name that is mentioned is data; only a name that is called is code. So a GLOBAL that
// nobody knows becomes a placeholder, and what Python would make of it an inert record:
// nothing but its class's name and the state that the pickle gives it. Calling a name that is
// no class ends the decoding, but for the functions listed here, which build plain data.

// function is a callable that a pickle may REDUCE.
type function func(args []any) (any, error)

// Call implements gopickle's Callable.
func (f function) Call(args ...any) (any, error) { return f(args) }

// wrapper is a callable that a pickle may REDUCE, whose arguments name another one. Being
// of its own type, it never calls a wrapper.
type wrapper func(args []any) (any, error)

// Call implements gopickle's Callable.
func (w wrapper) Call(args ...any) (any, error) { return w(args) }

// class stands for whatever a name that is mentioned may mean. Instances are inert records.
type class struct{ name string }

// object is an instance of a class: its attributes or entries, in the stream's order.
type object struct {
	class *class
	state types.Dict
}

// PyNew implements gopickle's PyNewable.
func (c *class) PyNew(args ...any) (any, error) { return &object{class: c}, nil }

// Call implements gopickle's Callable: constructing an instance, where the name is spelled
// like a class.
func (c *class) Call(args ...any) (any, error) {
	name := c.name[strings.LastIndexByte(c.name, '.')+1:]
	if name = strings.TrimLeft(name, "_"); name == "" || !upper(name) {
		return nil, &UnsafeError{Name: c.name, Called: true}
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

// Append and Add let subclasses of lists and sets be filled; nothing reads the elements.
func (o *object) Append(any) {}
func (o *object) Add(any)    {}

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

// inert stands for a value that nobody reads: what a constructor of plain data made, or an
// attribute of a placeholder. The name says what of.
type inert struct{ name string }

// Call refuses to call it, whatever it is.
func (v *inert) Call(...any) (any, error) { return nil, &UnsafeError{Name: v.name, Called: true} }

// PySetState, Set, Append and Add let it be filled.
func (*inert) PySetState(any) error { return nil }
func (*inert) Set(any, any)         {}
func (*inert) Append(any)           {}
func (*inert) Add(any)              {}

// set is a set's elements.
type set struct{ elements []any }

// Add lets it be filled.
func (s *set) Add(v any) { s.elements = append(s.elements, v) }

func newSet(args []any) (any, error) {
	s := &set{}
	if len(args) == 1 {
		if l, ok := args[0].(*types.List); ok {
			s.elements = *l
		}
	}
	return s, nil
}

// attribute is getattr(placeholder, name): what it would be, nobody asks.
func attribute(args []any) (any, error) {
	if len(args) == 2 {
		if name, ok := args[1].(string); ok {
			switch of := args[0].(type) {
			case *class:
				if f, ok := functions[of.name+"."+name]; ok {
					return f, nil // as if it had been named at once
				}
				return &inert{clip(of.name+"."+name, 200)}, nil
			case *object:
				return &inert{clip(of.class.name+"."+name, 200)}, nil
			case *inert:
				return &inert{clip(of.name+"."+name, 200)}, nil
			}
		}
	}
	return nil, &UnsafeError{Name: "getattr", Called: true}
}

// typeOf is type(value), by which NoneType is pickled. With more arguments it makes classes.
func typeOf(args []any) (any, error) {
	if len(args) != 1 {
		return nil, &UnsafeError{Name: "type", Called: true}
	}
	return &class{"type(" + describe(args[0]) + ")"}, nil
}

// reconstructor is copyreg._reconstructor(class, base, state), which makes an instance.
func reconstructor(args []any) (any, error) {
	if len(args) >= 2 {
		if c, ok := args[0].(*class); ok {
			return &object{class: c}, nil
		}
	}
	return nil, malformed(inPickle, "an object is not reconstructed from (class, base, state)")
}

// functions is the list of callables by module and name, Python 2's "__builtin__" spelled
// "builtins". None of them does more than build plain data.
var functions = map[string]function{
	"torch._utils._rebuild_tensor_v2":                     rebuildTensor,
	"torch._utils._rebuild_tensor":                        rebuildTensor,
	"torch._utils._rebuild_tensor_v3":                     rebuildTensorV3,
	"torch._utils._rebuild_parameter":                     first,
	"torch._utils._rebuild_parameter_with_state":          first,
	"torch._utils._rebuild_device_tensor_from_cpu_tensor": first,
	"torch._utils._rebuild_device_tensor_from_numpy":      unusable("a tensor of another device, stored by way of NumPy; call .cpu() on it and save again"),
	"torch._utils._rebuild_xla_tensor":                    unusable("a tensor of another device, stored by way of NumPy; call .cpu() on it and save again"),
	"torch._utils._rebuild_sparse_tensor":                 unusable("sparse; call .to_dense() on it and save again"),
	"torch._utils._rebuild_sparse_csr_tensor":             unusable("sparse; call .to_dense() on it and save again"),
	"torch._utils._rebuild_nested_tensor":                 unusable("a nested tensor; save plain tensors"),
	"torch._utils._rebuild_qtensor":                       unusable("quantized by PyTorch; give the float checkpoint that it was made from"),
	"torch._utils._rebuild_meta_tensor_no_storage":        unusable("on the meta device: it has a shape and no elements; save the network after its weights were loaded"),
	"torch._utils._rebuild_wrapper_subclass":              unusable("a subclass of Tensor that wraps others, distributed or quantized; save plain tensors"),
	"fastai.torch_core._fa_rebuild_tensor":                subclassed(rebuildTensor),
	"fastai.torch_core._fa_rebuild_qtensor":               unusable("quantized by PyTorch; give the float checkpoint that it was made from"),
	"torch.storage._load_from_bytes":                      plain,
	"torch.Size":                                          plain,
	"torch.device":                                        plain,
	"torch.serialization._get_layout":                     plain,
	"torch.get_default_dtype":                             plain,
	"numpy.dtype":                                         plain,
	"numpy.core.multiarray.scalar":                        plain,
	"numpy._core.multiarray.scalar":                       plain,
	"numpy.core.multiarray._reconstruct":                  newArray,
	"numpy._core.multiarray._reconstruct":                 newArray,
	"numpy.core.numeric._frombuffer":                      newArray,
	"numpy._core.numeric._frombuffer":                     newArray,
	"numpy.ma.core._mareconstruct":                        plain,
	"numpy.random._pickle.__randomstate_ctor":             plain,
	"numpy.random._pickle.__generator_ctor":               plain,
	"numpy.random._pickle.__bit_generator_ctor":           plain,
	"_codecs.encode":                                      plain,
	"builtins.set":                                        newSet,
	"builtins.frozenset":                                  newSet,
	"builtins.bytearray":                                  plain,
	"builtins.bytes":                                      plain,
	"builtins.complex":                                    plain,
	"builtins.range":                                      plain,
	"builtins.xrange":                                     plain,
	"builtins.slice":                                      plain,
	"builtins.type":                                       typeOf,
	"copyreg._reconstructor":                              reconstructor,
	"re._compile":                                         plain,
	"functools.partial":                                   plain,
	"datetime.datetime":                                   plain,
	"datetime.date":                                       plain,
	"datetime.time":                                       plain,
	"datetime.timedelta":                                  plain,
	"datetime.timezone":                                   plain,
	"zoneinfo.ZoneInfo._unpickle":                         plain,
	"pytz._p":                                             plain,
	"dateutil.tz.tz.tzutc":                                plain,
	"dateutil.tz.tz.tzlocal":                              plain,
	"dateutil.tz.tz.tzoffset":                             plain,
	"dateutil.tz.tz.tzfile":                               plain,
	"pandas._libs.tslibs.timestamps._unpickle_timestamp":  plain,
	"pandas._libs.tslibs.timedeltas._timedelta_unpickle":  plain,
	"torch.distributed.tensor._dtensor_spec.DTensorSpec":  plain,
	"torch.utils._pytree.treespec_loads":                  plain,
}

// containers are classes of the language whose instances are filled after they
// were made; they are spelled like functions.
var containers = map[string]bool{
	"builtins.dict": true, "builtins.list": true, "builtins.tuple": true, "builtins.int": true, "builtins.float": true, "builtins.str": true,
	"builtins.bool": true, "builtins.unicode": true, "builtins.long": true, "collections.defaultdict": true, "collections.deque": true,
}

// container makes an instance of such a class.
func container(name string) function {
	return func([]any) (any, error) { return &object{class: &class{name}}, nil }
}

// named is a function that can also be mentioned, compared and given a state: the class of a
// container.
type named struct {
	function
	name string
}

// PyNew implements gopickle's PyNewable.
func (n *named) PyNew(args ...any) (any, error) { return n.function(args) }

// plain makes a value that nobody reads.
func plain([]any) (any, error) { return &inert{plainValue}, nil }

const plainValue = "a plain value"

// Some modules run programs, load code or change the machine. No checkpoint has a reason to
// mention them, so one that does was made to attack its readers, and is refused whole although
// a mention alone does nothing here.
var (
	// refusedModules are refused with everything in them.
	refusedModules = words(`os posix nt posixpath ntpath subprocess _posixsubprocess popen2 commands pty sys importlib imp _imp runpy
		pkgutil zipimport ctypes _ctypes cffi pickle _pickle cPickle dill cloudpickle marshal shelve joblib code codeop pdb bdb timeit
		cProfile profile trace doctest shutil tempfile socket socketserver ssl http urllib urllib2 requests ftplib smtplib webbrowser
		asyncio signal pip setuptools distutils venv ensurepip _thread gc inspect linecache fileinput atexit site`)
	// refusedParts are those of them that are refused wherever they stand in a name: Python
	// finds "os" through "numpy.f2py.os" as well.
	refusedParts = words(`os posix nt subprocess sys importlib ctypes pickle cPickle marshal shutil socket runpy`)
	// refusedNames are single names, and modules inside of packages, of the same kind.
	refusedNames = words(`builtins.eval builtins.exec builtins.execfile builtins.compile builtins.open builtins.file builtins.__import__
		builtins.reload builtins.input builtins.raw_input builtins.breakpoint builtins.apply builtins.exit builtins.quit builtins.globals
		builtins.locals builtins.vars builtins.setattr builtins.delattr io.open io.FileIO io.open_code _io.open _io.FileIO codecs.open
		types.CodeType types.FunctionType types.LambdaType types.MethodType types.ModuleType operator.methodcaller operator.attrgetter
		operator.call torch.load torch.serialization.load torch.jit.load torch.hub torch.utils.cpp_extension numpy.load numpy.fromfile
		numpy.memmap multiprocessing.Process multiprocessing.process.Process threading.Thread`)
)

func words(text string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(text) {
		set[w] = true
	}
	return set
}

// refused reports whether a name is one of those whose mention is refused.
func refused(full string) bool {
	parts := strings.Split(full, ".")
	if refusedModules[parts[0]] {
		return true
	}
	for i, part := range parts {
		if refusedParts[part] || refusedNames[strings.Join(parts[:i+1], ".")] {
			return true
		}
	}
	return false
}

// findClass resolves a GLOBAL. gopickle resolves collections.OrderedDict, and Python 2's
// object and copy_reg._reconstructor itself; the latter two build plain objects.
func findClass(module, name string) (any, error) {
	spelled := module + "." + name
	switch module {
	case "__builtin__":
		module = "builtins"
	case "copy_reg":
		module = "copyreg"
	}
	full := module + "." + name
	if len(full) > maxName || !identifiers(module) || !identifiers(name) || refused(full) {
		return nil, &UnsafeError{Name: clip(spelled, 200)}
	}
	if d, ok := storageClasses[name]; ok && (module == "torch" || module == "torch.cuda" || module == "torch.storage") {
		return &storageClass{d}, nil
	}
	if f, ok := functions[full]; ok {
		return f, nil
	}
	if full == "builtins.getattr" {
		return function(attribute), nil
	}
	if containers[full] {
		return &named{container(full), full}, nil
	}
	if full == "torch._tensor._rebuild_from_type_v2" || full == "torch._tensor._rebuild_from_type" {
		return wrapper(rebuildFromType), nil
	}
	return &class{full}, nil
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

// first is torch._utils._rebuild_parameter(data, requires_grad, backward_hooks, …) and others
// that begin with the tensor.
func first(args []any) (any, error) {
	if len(args) != 0 {
		if t, ok := tensorOf(args[0]); ok {
			return t, nil
		}
	}
	return nil, malformed(inPickle, "a parameter is not rebuilt from a tensor")
}

// unusable makes tensors whose elements can't be read, for the reason given.
func unusable(reason string) function {
	return func([]any) (any, error) { return &Tensor{reason: reason}, nil }
}

// subclassed rebuilds a tensor whose class stands before the function's arguments.
func subclassed(f function) function {
	return func(args []any) (any, error) { return f(args[min(1, len(args)):]) }
}

// array is a NumPy array, whose shape comes as its state.
type array struct{ tensor *Tensor }

func newArray([]any) (any, error) {
	return &array{&Tensor{reason: "a NumPy array; make it a tensor with torch.from_numpy and save again"}}, nil
}

// PySetState takes (version, shape, dtype, Fortran order, elements).
func (a *array) PySetState(state any) error {
	if t, ok := state.(*types.Tuple); ok && len(*t) == 5 {
		if shape, ok := ints((*t)[1]); ok {
			a.tensor.Shape = shape
		}
	}
	return nil
}

// tensorOf returns what can stand in a state dict.
func tensorOf(obj any) (*Tensor, bool) {
	switch v := obj.(type) {
	case *Tensor:
		return v, true
	case *array:
		return v.tensor, true
	}
	return nil, false
}

// rebuildTensor is torch._utils._rebuild_tensor_v2(storage, offset, size, stride, …).
func rebuildTensor(args []any) (any, error) {
	return rebuild(args, func(s *storage) (DType, error) { return s.dtype, nil })
}

// rebuildTensorV3 is torch._utils._rebuild_tensor_v3(storage, offset, size, stride,
// requires_grad, hooks, dtype, …): the storage counts bytes.
func rebuildTensorV3(args []any) (any, error) {
	return rebuild(args, func(s *storage) (DType, error) {
		if len(args) >= 7 {
			if c, ok := args[6].(*class); ok && strings.HasPrefix(c.name, "torch.") {
				return DType(c.name[len("torch."):]), nil
			}
		}
		return "", malformed(inPickle, "a tensor is not rebuilt with a type of torch")
	})
}

func rebuild(args []any, dtype func(*storage) (DType, error)) (any, error) {
	var offset int
	var size, stride []int
	ok := len(args) >= 4
	if ok {
		var ok2, ok3, ok4 bool
		offset, ok2 = args[1].(int)
		size, ok3 = ints(args[2])
		stride, ok4 = ints(args[3])
		ok = ok2 && ok3 && ok4
	}
	if !ok {
		return nil, notRebuilt()
	}
	s, ok := args[0].(*storage)
	if !ok {
		if _, ok := args[0].(*inert); ok {
			return &Tensor{Shape: size, reason: "stored by plain pickle; write it with torch.save"}, nil
		}
		return nil, notRebuilt()
	}
	d, err := dtype(s)
	if err != nil {
		return nil, err
	}
	n := d.Size()
	if n == 0 {
		return &Tensor{Shape: size, DType: d, reason: fmt.Sprintf("of type %s; convert it to float32 and save again", oneLine(string(d)))}, nil
	}
	was := s.dtype.Size()
	if s.first*was%n != 0 {
		return nil, notRebuilt()
	}
	// Geometry counts inside the storage, which may be a part of what its source holds.
	t, err := newTensor(d, s.src, s.numel*was/n, offset, size, stride)
	if err != nil {
		return nil, err
	}
	t.offset += s.first * was / n
	return t, nil
}

func notRebuilt() error {
	return malformed(inPickle, "a tensor is not rebuilt from (storage, offset, size, stride, …) with %d axes at most", maxAxes)
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
