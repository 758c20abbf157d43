package pytorch

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"github.com/nlpodyssey/gopickle/types"

	tt "github.com/repvit-go/repvit/internal/torchtest"
)

func TestScan(t *testing.T) {
	for _, c := range []struct {
		name, stream string
		n            int // bytes up to STOP, −1 for an error
		want         string
	}{
		{"nothing", ".", 1, ""},
		{"more behind STOP", "N.N.", 2, ""},
		{"lengths", "U\x01aX\x01\x00\x00\x00a\x8d\x01\x00\x00\x00\x00\x00\x00\x00aB\x01\x00\x00\x00aC\x01a.", 29, ""},
		{"lines", "I12\nF1.5\ncos\npath\nVa\n.", 22, ""},
		{"numbers", "K\x01M\x01\x02J\x01\x02\x03\x04G12345678\x8a\x02\x01\x02.", 24, ""},
		{"frame", "\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00N..", 13, ""},
		{"a string that looks like opcodes", "U\x03P..P..", -1, "byte 5 of p: found opcode 0x50"},
		{"end", "", -1, "byte 0 of p: found the end of the stream, expected the opcode STOP"},
		{"end in a number", "J\x01", -1, "byte 0 of p: found the end of the stream, expected 4 more bytes"},
		{"end in a length", "NX\x01", -1, "byte 1 of p: found the end of the stream, expected a length of 4 bytes"},
		{"end in a string", "NU\x05a", -1, "byte 1 of p: found a length of 5, expected at most the 1 bytes that are left"},
		{"end in a line", "c", -1, "found no end of line"},
		{"end in the second line", "ca\nb", -1, "found no end of line"},
		{"long integer", "\x8b\x01\x01\x00\x00" + strings.Repeat("a", 300), -1, "found a length of 257, expected at most 256"},
		{"unknown", "\x00", -1, "found opcode 0x00, expected one of pickle protocols 0 to 5"},
		{"marks", strings.Repeat("(1", 2000) + ".", 4001, ""},
		{"containers", strings.Repeat("}0", baseContainer+20_000) + ".", -1, "found more than 213750 containers"},
		{"opcodes", strings.Repeat("N", 2*baseOpcodes) + ".", -1, "found more than 1500000 opcodes"},
	} {
		n, err := scan("p", []byte(c.stream))
		switch {
		case c.n >= 0 && (err != nil || n != c.n):
			t.Errorf("%s: %d bytes, %v; want %d", c.name, n, err, c.n)
		case c.n < 0 && (!errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestScanRepeated follows strings through the memo and the stack.
func TestScanRepeated(t *testing.T) {
	text := "X\x00\x00\x01\x00" + strings.Repeat("a", 1<<16)
	for _, c := range []struct {
		name, stream string
		bad          bool
	}{
		{"few", text + "q\x00" + strings.Repeat("h\x00", 8), false},
		{"many by BINGET", text + "q\x00" + strings.Repeat("h\x00", 80), true},
		{"many by LONG_BINGET", text + "r\x01\x02\x03\x04" + strings.Repeat("j\x01\x02\x03\x04", 80), true},
		{"many by GET", text + "p77\n" + strings.Repeat("g77\n", 80), true},
		{"many by MEMOIZE", "N\x94" + text + "\x94" + strings.Repeat("h\x01", 80), true},
		{"many by DUP", text + strings.Repeat("2", 80), true},
		{"stored again", text + "q\x00q\x01" + strings.Repeat("h\x01", 80), true},
		{"loaded and stored again", text + "q\x00Nh\x00q\x01" + strings.Repeat("h\x01", 80), true},
		{"uncovered by POP", text + "N0q\x01" + strings.Repeat("h\x01", 80), true},
		{"uncovered by POP_MARK", text + "(N1q\x01" + strings.Repeat("h\x01", 80), true},
		{"left by BUILD", text + "Nbq\x01" + strings.Repeat("h\x01", 80), true},
		{"overwritten", text + "q\x00Nq\x00" + strings.Repeat("h\x00", 80), false},
		{"a tuple with it", text + "\x85q\x00" + strings.Repeat("h\x00", 80), false},
		{"another", text + "q\x00U\x01bq\x01" + strings.Repeat("h\x01", 80), false},
	} {
		_, err := scan("p", []byte(c.stream+"."))
		if bad := err != nil; bad != c.bad || bad && !strings.Contains(err.Error(), "found strings repeated to more than") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestNames resolves names as GLOBAL does: a name that is mentioned is data, but for those
// that are refused always.
func TestNames(t *testing.T) {
	for _, name := range []string{
		"torch FloatStorage", "torch.cuda HalfStorage", "torch.storage UntypedStorage", "torch._utils _rebuild_tensor_v2",
		"torch._tensor _rebuild_from_type_v2", "torch float32", "torch.nn.modules.conv Conv2d", "my.own.code.folder RepVGGDW", "__main__ Recorder",
		"numpy._core.multiarray _reconstruct", "collections defaultdict", "__builtin__ xrange", "builtins getattr", "functools partial",
		"torch._utils _import_dotted_name", "torch.nn.modules.module Module.forward", "torch.nn functional", "timm.models create_model",
		"numpy.core.multiarray frombuffer", "_codecs decode", "copyreg _reconstructor", "pytorch_lightning.profilers.profile X",
	} {
		module, class, _ := strings.Cut(name, " ")
		if _, err := findClass(module, class); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{
		"posix system", "os system", "nt system", "os.path join", "subprocess Popen", "builtins eval", "__builtin__ exec", "builtins __import__",
		"operator attrgetter", "importlib import_module", "pickle loads", "_pickle loads", "shutil rmtree", "torch load", "torch.serialization load",
		"torch.hub load", "torch.utils.cpp_extension load", "numpy load", "model.repvit os", "timm os.System", "", " ", ". .", "torch.nn.modules.. X",
		"torch.nn.modules.é É", "webbrowser open", "codecs open", "types FunctionType", "types CodeType", "sys exit", "numpy.f2py.os system",
		"torch.nn.modules.a\nos System",
	} {
		module, class, _ := strings.Cut(name, " ")
		_, err := findClass(module, class)
		var unsafe *UnsafeError
		if !errors.As(err, &unsafe) || !errors.Is(err, ErrUnsafe) || unsafe.Name != module+"."+class || unsafe.Called {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCalls calls names as REDUCE does: those spelled like classes make inert records, those
// listed make plain data, and nothing else is called.
func TestCalls(t *testing.T) {
	for _, name := range []string{
		"__main__ Recorder", "torch.nn.modules.module _IncompatibleKeys", "torchvision.transforms.functional InterpolationMode", "pytz _UTC",
		"argparse Namespace", "pathlib PosixPath", "uuid UUID", "functools partial", "datetime timezone", "dateutil.tz.tz tzutc", "numpy dtype",
		"collections deque", "builtins dict", "__builtin__ set", "torch Size", "omegaconf.dictconfig DictConfig", "_codecs encode",
	} {
		module, class, _ := strings.Cut(name, " ")
		v, err := findClass(module, class)
		if err != nil {
			t.Fatal(err)
		}
		callable, ok := v.(types.Callable)
		if !ok {
			t.Errorf("%s can't be called", name)
			continue
		}
		made, err := callable.Call()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if again, ok := made.(types.Callable); ok {
			if _, err := again.Call(); !errors.Is(err, ErrUnsafe) {
				t.Errorf("%s()(): %v", name, err)
			}
		}
	}
	for _, name := range []string{
		"torch._utils _import_dotted_name", "torch.nn.modules.module Module.forward", "torch.nn.modules.module register_forward_hook",
		"timm.models create_model", "numpy.core.multiarray frombuffer", "_codecs decode", "__main__ main", "__main__ _", "builtins map", "builtins print",
		"torch.nn.functional relu", "omegaconf omegaconf.create",
	} {
		module, class, _ := strings.Cut(name, " ")
		v, err := findClass(module, class)
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.(types.Callable).Call("x")
		var unsafe *UnsafeError
		if !errors.As(err, &unsafe) || unsafe.Name != module+"."+class || !unsafe.Called {
			t.Errorf("%s(): %v", name, err)
		}
	}
}

// TestUnsafe names the callable and the pickle that asked for it.
func TestUnsafe(t *testing.T) {
	_, err := Decode("evil.pth", tt.Checkpoint(tt.Call{Func: tt.Global("posix system"), Args: tt.Tuple{"true"}}))
	var unsafe *UnsafeError
	if !errors.As(err, &unsafe) || unsafe.Name != "posix.system" {
		t.Fatal(err)
	}
	const want = `evil.pth: record archive/data.pkl: the pickle names "posix.system", expected only tensors and plain data; it was not run`
	if err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

// TestAttacks decodes streams of some megabytes that are made to cost much.
func TestAttacks(t *testing.T) {
	mega := strings.Repeat("\x01", 1<<20)
	text := "X\x00\x00\x10\x00" + mega
	var zeros []tt.Record
	for range 10_000 {
		zeros = append(zeros, tt.Record{Name: "archive/data/" + strings.Repeat("0", len(zeros)%7) + string(rune('a'+len(zeros)%26)) + strings.Repeat("x", len(zeros)/26%40) + strings.Repeat("y", len(zeros)/1040)})
	}
	for _, c := range []struct{ name, stream string }{
		{"tuples", strings.Repeat("(t", 40_000)},
		{"empty tuples", strings.Repeat(")", 300_000)},
		{"nested tuples", strings.Repeat(")\x85", 100_000)},
		{"dictionaries", strings.Repeat("}", baseContainer)},
		{"ordered dictionaries", "ccollections\nOrderedDict\nq\x000" + strings.Repeat("h\x00)R", 190_000)},
		{"sets", strings.Repeat("\x8f", baseContainer)},
		{"memo", "N" + strings.Repeat("\x94", 300_000)},
		{"far memo", "N" + strings.Repeat("r\x00\x00\x00\xff", 200_000)},
		{"dictionary", "}(" + strings.Repeat("K\x01N", 100_000) + "u"},
		{"ordered dictionary printed", "ccollections\nOrderedDict\n)R(" + strings.Repeat("M\x01\x02N", 100_000) + "u)R"},
		{"strings printed", "(" + text + "q\x00" + strings.Repeat("h\x00", 3) + "t)R"},
		{"bytes printed", "(B\x00\x00\x10\x00" + mega + "q\x00" + strings.Repeat("h\x00", 3) + "t)R"},
		{"strings printed a million times", "(" + text + "q\x00" + strings.Repeat("h\x00", 900_000) + "t)R"},
		{"numbers printed", "(" + strings.Repeat("N", 200_000) + "t)R"},
		{"arguments printed", "ccollections\nOrderedDict\n(" + text + strings.Repeat("N", 100_000) + "tR"},
		{"name printed", "(" + text + text + "t" + text + "\x93"},
		{"wide shapes", "ctorch._utils\n_rebuild_tensor_v2\nq\x00(" + strings.Repeat("K\x01", 100_000) + "tq\x01" + strings.Repeat("h\x00(Nh\x01h\x01h\x01tR", 50_000)},
		{"frames", "\x95\x01\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat("N\x95\x01\x00\x00\x00\x00\x00\x00\x00", 50_000) + "N"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cheap(t, tt.Zip(tt.Record{Name: "archive/data.pkl", Data: []byte("\x80\x02" + c.stream + ".")}))
		})
	}
	t.Run("records", func(t *testing.T) { cheap(t, tt.Zip(zeros...)) })
	t.Run("safetensors header", func(t *testing.T) {
		cheap(t, tt.SafetensorsOf("{"+strings.TrimSuffix(strings.Repeat(`"":{},`, 500_000), ",")+"}", nil))
	})
}

// cheap decodes data and looks for weights, and checks that this costs no more memory than a
// small multiple of the input, kept or not.
func cheap(t *testing.T, data []byte) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f, err := Decode("test", data)
	if err == nil {
		if _, err = f.StateDict(Options{}); err == nil {
			t.Error("it has weights")
		}
		f.Tensors()
	}
	runtime.ReadMemStats(&after)
	mib := (after.TotalAlloc - before.TotalAlloc) >> 20
	t.Logf("%d KiB: %d MiB allocated; %.150v", len(data)>>10, mib, err)
	if mib > 256 { // the race detector drops what is pooled, and a buffer grows again
		t.Errorf("%d MiB allocated for a file of %d KiB", mib, len(data)>>10)
	}
	if err != nil && (len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n")) {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

// TestControlCharacters puts line ends and escape sequences where names stand in errors.
func TestControlCharacters(t *testing.T) {
	const name = "a\r\n\x1b[31m\x9b\u2028\xff"
	storage := tt.Record{Name: name, Data: make([]byte, 4)}
	tensor := tt.Tensor(tt.Storage("FloatStorage", name, 2), 0, []int{1}, []int{1})
	for _, data := range [][]byte{
		tt.Checkpoint(tt.Dict{name, tensor}, storage),
		tt.Checkpoint(tt.Dict{name, tensor}),
		tt.Checkpoint(nil, storage, storage),
		tt.Legacy(tt.Dict{name, tensor}, 4, storage),
		tt.Legacy(tt.Dict{name, tensor}, 4),
		tt.Safetensors(tt.Named{Name: name, Shape: []int{9}, Values: []float32{1}}),
		tt.Checkpoint(tt.Raw("\x8c" + string([]byte{byte(len(name))}) + name + "\x8c\x01a\x93")),
		tt.Checkpoint(tt.Raw("\x8c" + string([]byte{byte(len(name))}) + name + "\x85)R")),
		tt.Checkpoint(tt.Dict{name, 1}),
	} {
		f, err := Decode("test", data)
		if err == nil {
			_, err = f.StateDict(Options{})
		}
		if err == nil || strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q", err)
		}
	}
}
