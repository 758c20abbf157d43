package pytorch

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gotorch "github.com/nlpodyssey/gopickle/pytorch"
	"github.com/nlpodyssey/gopickle/types"
	"github.com/nlpodyssey/safetensors"

	tt "github.com/repvit-go/repvit/internal/torchtest"
)

const testdata = "../testdata/"

func open(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func decode(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := Decode("test", data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func dict(t testing.TB, f *File, opts Options) *StateDict {
	t.Helper()
	s, err := f.StateDict(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func values(t testing.TB, s *StateDict, key string) []float64 {
	t.Helper()
	x, ok := s.Get(key)
	if !ok {
		t.Fatalf("no key %q", key)
	}
	v, err := x.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestCheckpoints reads what PyTorch wrote: containers, wrappers, and every element.
func TestCheckpoints(t *testing.T) {
	for _, c := range []struct {
		file, format, path, prefix, module string
		keys                               int
		dtype                              DType
		first                              string
	}{
		{"v2_release.pth", "zip", "model", "", "", 314, Float32, "features.0.0.c.weight"},
		{"v2_train.pth", "zip", "model", "", "", 314, Float32, "features.0.0.c.weight"},
		{"v1_release.pth", "zip", "model", "", "", 306, Float32, "features.0.0.c.weight"},
		{"v2_channels_last.pth", "zip", "model", "", "", 314, Float32, "features.0.0.c.weight"},
		{"v2_flat_storage.pth", "zip", "state_dict", "", "", 314, Float32, "features.0.0.c.weight"},
		{"v2_fp16.pth", "zip", "model", "", "", 314, Float16, "features.0.0.c.weight"},
		{"v2_fused.pth", "zip", "model", "", "", 94, Float32, "features.0.0.weight"},
		{"v2_module.pt", "zip", "", "", "model.repvit.RepViT", 314, Float32, "features.0.0.c.weight"},
		{"timm_v2.pth", "zip", "", "", "", 289, Float32, "stem.conv1.c.weight"},
		{"v2_plain_legacy.pth", "legacy", "", "", "", 307, Float32, "features.0.0.c.weight"},
		{"v1_ddp_legacy.pth", "legacy", "state_dict", "module.", "", 306, Float32, "features.0.0.c.weight"},
		{"timm_v1.safetensors", "safetensors", "", "", "", 282, Float32, "stem.conv1.c.weight"},
	} {
		t.Run(c.file, func(t *testing.T) {
			f := open(t, testdata+c.file)
			s := dict(t, f, Options{})
			if f.Format != c.format || s.Path != c.path || s.Prefix != c.prefix || s.Module != c.module {
				t.Errorf("read as %s, path %q, prefix %q, module %q", f.Format, s.Path, s.Prefix, s.Module)
			}
			if len(s.Keys()) != c.keys || s.Keys()[0] != c.first {
				t.Errorf("%d keys, the first is %q", len(s.Keys()), s.Keys()[0])
			}
			for _, k := range s.Keys() {
				x, _ := s.Get(k)
				want := c.dtype
				if strings.HasSuffix(k, "num_batches_tracked") {
					want = Int64
				}
				if x.DType != want {
					t.Errorf("%s is %s, want %s", k, x.DType, want)
				}
				narrow, err := x.Float32s()
				if err != nil {
					t.Fatal(err)
				}
				wide := values(t, s, k)
				if len(narrow) != x.Len() || len(wide) != x.Len() {
					t.Fatalf("%s: %d and %d elements of shape %v", k, len(narrow), len(wide), x.Shape)
				}
				for i := range wide {
					if float32(wide[i]) != narrow[i] || math.Abs(wide[i]) > 1000 {
						t.Fatalf("%s: element %d is %v and %v", k, i, narrow[i], wide[i])
					}
				}
			}
		})
	}
}

// TestSameWeights compares files that hold the same weights in different ways.
func TestSameWeights(t *testing.T) {
	release := dict(t, open(t, testdata+"v2_release.pth"), Options{})
	train := open(t, testdata+"v2_train.pth")
	model, ema := dict(t, train, Options{}), dict(t, train, Options{EMA: true})
	if ema.Path != "model_ema" {
		t.Errorf("averaged weights under %q", ema.Path)
	}
	if !slices.Equal(release.Keys(), model.Keys()) || !slices.Equal(release.Keys(), ema.Keys()) {
		t.Fatal("keys differ")
	}
	differ := 0
	for _, k := range release.Keys() {
		want := values(t, release, k)
		if !slices.Equal(values(t, model, k), want) {
			t.Errorf("%s differs", k)
		}
		if !slices.Equal(values(t, ema, k), want) {
			differ++
		}
	}
	if differ == 0 {
		t.Error("the averaged weights are the weights")
	}
	module := dict(t, open(t, testdata+"v2_module.pt"), Options{})
	if !slices.Equal(release.Keys(), module.Keys()) {
		t.Error("a module's keys are not those of its state dict, in order")
	}
}

// TestAgainstGopickle compares every tensor with what gopickle's own reader makes of the
// files that it reads. It shares the pickle machine with this package, but neither the
// container, the storages nor the strides.
func TestAgainstGopickle(t *testing.T) {
	for _, c := range []struct{ file, key string }{
		{"v2_release.pth", "model"}, {"v1_release.pth", "model"}, {"v2_channels_last.pth", "model"},
		{"v2_flat_storage.pth", "state_dict"}, {"v2_fused.pth", "model"}, {"timm_v2.pth", ""}, {"v2_fp16.pth", "model"},
	} {
		t.Run(c.file, func(t *testing.T) {
			s := dict(t, open(t, testdata+c.file), Options{})
			obj, err := gotorch.Load(testdata + c.file)
			if err != nil {
				t.Fatal(err)
			}
			if c.key != "" {
				obj = obj.(*types.Dict).MustGet(c.key)
			}
			od := obj.(*types.OrderedDict)
			if od.Len() != len(s.Keys()) {
				t.Fatalf("%d keys, want %d", len(s.Keys()), od.Len())
			}
			e := od.List.Front()
			for _, k := range s.Keys() {
				entry := e.Value.(*types.OrderedDictEntry)
				e = e.Next()
				if entry.Key != any(k) {
					t.Fatalf("key %q, want %q", k, entry.Key)
				}
				got, want := values(t, s, k), foreign(t, entry.Value.(*gotorch.Tensor))
				same := func(a, b float64) bool {
					// gopickle gets subnormal halves wrong.
					return a == b || c.file == "v2_fp16.pth" && math.Abs(a) < 0x1p-14
				}
				if !slices.EqualFunc(got, want, same) {
					t.Errorf("%s differs", k)
				}
			}
		})
	}
}

// foreign returns the elements of gopickle's tensor in row-major order.
func foreign(t *testing.T, x *gotorch.Tensor) []float64 {
	var at func(i int) float64
	switch s := x.Source.(type) {
	case *gotorch.FloatStorage:
		at = func(i int) float64 { return float64(s.Data[i]) }
	case *gotorch.HalfStorage:
		at = func(i int) float64 { return float64(s.Data[i]) }
	case *gotorch.LongStorage:
		at = func(i int) float64 { return float64(s.Data[i]) }
	default:
		t.Fatalf("storage %T", s)
	}
	out := []float64{}
	var walk func(axis, offset int)
	walk = func(axis, offset int) {
		if axis == len(x.Size) {
			out = append(out, at(offset))
			return
		}
		for i := range x.Size[axis] {
			walk(axis+1, offset+i*x.Stride[axis])
		}
	}
	walk(0, x.StorageOffset)
	return out
}

// TestAgainstSafetensors compares with another reader of safetensors.
func TestAgainstSafetensors(t *testing.T) {
	path := testdata + "timm_v1.safetensors"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := safetensors.Deserialize(data)
	if err != nil {
		t.Fatal(err)
	}
	s := dict(t, open(t, path), Options{})
	if other.Len() != len(s.Keys()) {
		t.Fatalf("%d keys, want %d", len(s.Keys()), other.Len())
	}
	for _, k := range s.Keys() {
		x, _ := s.Get(k)
		o, ok := other.Tensor(k)
		if !ok {
			t.Fatalf("no key %q", k)
		}
		raw, err := x.data.bytes()
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(x.Shape) != fmt.Sprint(o.Shape()) || string(raw) != string(o.Data()) {
			t.Errorf("%s differs", k)
		}
	}
}

// TestTruncated cuts every kind of file at many places. No prefix of a checkpoint is one.
func TestTruncated(t *testing.T) {
	for _, file := range []string{"v2_release.pth", "v2_plain_legacy.pth", "timm_v1.safetensors"} {
		data, err := os.ReadFile(testdata + file)
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(data); n += 1 + len(data)/29 {
			_, err := Decode("test", data[:n:n])
			if !errors.Is(err, ErrFormat) {
				t.Errorf("%s cut at %d: %v", file, n, err)
			}
		}
	}
}

// TestBitRot flips single bits in the storages of a zip file, which its CRC-32 shows.
func TestBitRot(t *testing.T) {
	data := tt.CheckpointOf("", tt.Tiny().StateDict())
	whole := dict(t, decode(t, data), Options{})
	for _, k := range whole.Keys() {
		x, _ := whole.Get(k)
		raw, err := x.data.bytes()
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)/2] ^= 16 // a view of data
		y, _ := dict(t, decode(t, data), Options{}).Get(k)
		if _, err := y.Float32s(); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "CRC-32") {
			t.Errorf("%s: %v", k, err)
		}
		raw[len(raw)/2] ^= 16
	}
}

func TestOpenErrors(t *testing.T) {
	var pe *fs.PathError
	if _, err := Open(filepath.Join(t.TempDir(), "none.pth")); !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &pe) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a folder without a checkpoint: %v", err)
	}
	f := open(t, testdata+"v2_fused.pth")
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
}
