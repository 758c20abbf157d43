package pytorch

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gotorch "github.com/nlpodyssey/gopickle/pytorch"
	"github.com/nlpodyssey/gopickle/types"

	tt "github.com/repvit-go/repvit/internal/torchtest"
)

// use does with a file what callers do, and checks what they rely on.
func use(t *testing.T, data []byte) {
	f, err := Decode("fuzz", data)
	if err != nil {
		if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsafe) && !errors.Is(err, ErrUnsupported) {
			t.Errorf("an error of no kind: %v", err)
		}
		return
	}
	sum := 0
	read := func(x *Tensor) {
		if sum += x.Len(); sum > 1<<22 {
			return // tensors may share their storage
		}
		narrow, err := x.Float32s()
		if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) {
			t.Errorf("an error of no kind: %v", err)
		}
		if err == nil && len(narrow) != x.Len() {
			t.Errorf("%d elements of shape %v", len(narrow), x.Shape)
		}
		if wide, err := x.Float64s(); err == nil && len(wide) != x.Len() {
			t.Errorf("%d elements of shape %v", len(wide), x.Shape)
		}
	}
	for _, x := range f.Tensors() {
		read(x.Tensor)
	}
	for _, s := range f.StateDicts() {
		chosen, err := f.StateDict(Options{Key: s.Path})
		if err != nil || s.Path == "" {
			continue
		}
		for _, k := range chosen.Keys() {
			x, ok := chosen.Get(k)
			if !ok {
				t.Errorf("no tensor %q", k)
				continue
			}
			read(x)
		}
	}
	_, _ = f.StateDict(Options{})
	_, _ = f.StateDict(Options{EMA: true})
	_, _ = f.StateDict(Options{Networks: func(s *StateDict) []string { return []string{"", s.Name()} }})
	for _, line := range f.Skipped() {
		if strings.ContainsAny(line, "\n\x1b") {
			t.Errorf("%q is not one line", line)
		}
	}
	for _, s := range f.StateDicts() {
		for _, path := range s.Modules() {
			for _, name := range []string{"eps", "stride", "kernel_size"} {
				_, _ = s.ModuleAt(path).Attribute(name)
			}
			_ = s.ModuleAt(path).Hooked()
		}
	}
	_, _ = f.Value("args.input_size")
}

func FuzzDecode(f *testing.F) {
	root := tt.Dict{"model", tt.Ordered{"module.a.weight", tt.Tensor(tt.Storage("FloatStorage", "0", 6), 0, []int{2, 3}, []int{1, 2})}, "epoch", 3}
	storage := tt.Record{Name: "0", Data: tt.Float32s(1, 2, 3, 4, 5, 6)}
	f.Add(tt.Checkpoint(root, storage))
	f.Add(tt.Legacy(root, 4, storage))
	f.Add(tt.Safetensors(tt.Named{Name: "a.weight", Shape: []int{2, 1}, Values: []float32{1, 2}}))
	files, err := filepath.Glob("../testdata/hostile/*")
	if err != nil || len(files) == 0 {
		f.Fatalf("no files: %v", err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 8<<10 {
			f.Add(data)
		}
	}
	f.Fuzz(use)
}

// FuzzArchive compares what this package reads out of zip archives with what the standard
// library does, where both read them.
func FuzzArchive(f *testing.F) {
	f.Add(tt.Zip(tt.Record{Name: "a/b", Data: []byte("content")}, tt.Record{Name: "c", Data: nil}))
	f.Add(archive64("content", nil))
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range []string{"x", "dir/", "dir/y"} {
		r, err := w.Create(name)
		if err != nil {
			f.Fatal(err)
		}
		if name != "dir/" {
			r.Write(bytes.Repeat([]byte(name), 50))
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := openArchive(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		for name, r := range a {
			got, ours := r.bytes()
			if ours != nil && !errors.Is(ours, ErrFormat) {
				t.Errorf("an error of no kind: %v", ours)
			}
			c, err := r.file.Open()
			if ours != nil || err != nil {
				continue
			}
			if want, err := io.ReadAll(io.LimitReader(c, int64(len(got))+1)); err == nil && !bytes.Equal(got, want) {
				t.Errorf("record %q holds %q, the standard library reads %q", name, got, want)
			}
		}
	})
}

// FuzzPickle runs the same in a well-formed archive, so that mutations reach the pickle.
func FuzzPickle(f *testing.F) {
	for _, v := range []any{
		nil, tt.Dict{"a", 1, "b", 2.5}, tt.List{"x", tt.Tuple{}}, tt.Raw("\x8a\x00"), tt.Raw("I12\n"), tt.Raw("L12L\n"), tt.Raw("F1e5\n"), tt.Raw("V\\u1234\n"), tt.Raw("S'a'\n"),
		tt.Ordered{"a.weight", tt.Tensor(tt.Storage("FloatStorage", "0", 6), 0, []int{2, 3}, []int{3, 1})},
		tt.Object{Class: tt.Global("torch.nn.modules.container Sequential"), State: tt.Dict{"_parameters", tt.Ordered{}, "_buffers", tt.Ordered{}, "_modules", tt.Ordered{}}},
		tt.Call{Func: tt.Global("torch._tensor _rebuild_from_type_v2"), Args: tt.Tuple{tt.Global("torch._utils _rebuild_tensor_v2"), nil, tt.Tuple{}, nil}},
		tt.Call{Func: tt.Global("copy_reg _reconstructor"), Args: tt.Tuple{tt.Global("argparse Namespace"), tt.Global("__builtin__ object"), nil}},
		tt.Raw("\x95\x02\x00\x00\x00\x00\x00\x00\x00N0\x8f(N\x90"), tt.Raw("(N\x91"), tt.Raw("}q\x00h\x00\x94"),
	} {
		f.Add(tt.Pickle(v))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		use(t, tt.Zip(tt.Record{Name: "a/data.pkl", Data: p}, tt.Record{Name: "a/data/0", Data: make([]byte, 24)}))
	})
}

// FuzzScan checks that a stream that was scanned ends where the scan says, whatever follows.
func FuzzScan(f *testing.F) {
	f.Add(tt.Pickle(tt.Dict{"a", tt.List{1, 2.5, "x", nil, true}}))
	f.Add([]byte("\x80\x04\x95\x03\x00\x00\x00\x00\x00\x00\x00K\x01."))
	f.Add([]byte("cposix\nsystem\nq\x00X\x01\x00\x00\x00ah\x00\x94."))
	f.Fuzz(func(t *testing.T, p []byte) {
		n, err := scan("p", p)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Error(err)
			}
			return
		}
		if n < 1 || n > len(p) || p[n-1] != '.' {
			t.Fatalf("it takes %d bytes", n)
		}
		if m, err := scan("p", append(p[:len(p):len(p)], "\xff\xff\xff"...)); m != n || err != nil {
			t.Errorf("with other bytes behind it: %d, %v; want %d", m, err, n)
		}
	})
}

// FuzzAgainstGopickle makes valid files and compares what this package and gopickle's own
// reader see in them.
func FuzzAgainstGopickle(f *testing.F) {
	f.Add(uint8(2), uint8(3), uint8(4), uint8(0), uint8(0), uint8(0), false)
	f.Add(uint8(3), uint8(1), uint8(5), uint8(4), uint8(7), uint8(1), false)
	f.Add(uint8(1), uint8(6), uint8(2), uint8(5), uint8(3), uint8(2), true)
	path := filepath.Join(f.TempDir(), "fuzz.pth")
	f.Fuzz(func(t *testing.T, a, b, c, permutation, offset, class uint8, legacy bool) {
		shape := []int{1 + int(a)%7, 1 + int(b)%7, 1 + int(c)%7}
		strides := []int{shape[1] * shape[2], shape[2], 1}
		n := shape[0]*shape[1]*shape[2] + int(offset)
		for i, j := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}[permutation%6] {
			if i < j {
				shape[i], shape[j], strides[i], strides[j] = shape[j], shape[i], strides[j], strides[i]
			}
		}
		var data []byte
		name, size := "FloatStorage", 4
		for i := range n {
			switch class % 3 {
			case 0:
				data = append(data, tt.Float32s(float32(i)*1.5)...)
			case 1:
				name, size = "LongStorage", 8
				data = binary.LittleEndian.AppendUint64(data, uint64(i)-3)
			case 2:
				name, size = "HalfStorage", 2
				data = binary.LittleEndian.AppendUint16(data, uint16(0x3c00+i))
			}
		}
		root := func(storage any) any { return tt.Ordered{"a.weight", tt.Tensor(storage, int(offset), shape, strides)} }
		file := tt.Checkpoint(root(tt.Storage(name, "0", int64(n))), tt.Record{Name: "0", Data: data})
		if legacy {
			file = tt.Legacy(root(tt.LegacyStorage(name, "0", int64(n), nil)), size, tt.Record{Name: "0", Data: data})
		}
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		obj, err := gotorch.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		want := foreign(t, obj.(*types.OrderedDict).MustGet("a.weight").(*gotorch.Tensor))
		if got := values(t, dict(t, decode(t, file), Options{}), "a.weight"); !slices.Equal(got, want) {
			t.Errorf("shape %v, strides %v, offset %d of %s: %v, want %v", shape, strides, offset, name, got, want)
		}
	})
}
