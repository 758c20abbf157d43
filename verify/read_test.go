package verify

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/pytorch"
)

// npz writes arrays into a file of NumPy's archive format.
func npz(t *testing.T, path string, names ...string) {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i, n := range names {
		m, err := w.Create(n + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		if err := npy.Write(m, graph.Float32Tensor([]int{1}, []float32{float32(i)})); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

// scalars writes a safetensors file that holds float64 tensors.
func scalars(t *testing.T, path string, names ...string) {
	t.Helper()
	header := "{"
	var body []byte
	for i, n := range names {
		if i > 0 {
			header += ","
		}
		from := string(rune('0'+8*i/10)) + string(rune('0'+8*i%10))
		to := string(rune('0'+(8*i+8)/10)) + string(rune('0'+(8*i+8)%10))
		header += `"` + n + `":{"dtype":"F64","shape":[1],"data_offsets":[` + strings.TrimPrefix(from, "0") + "," + strings.TrimPrefix(to, "0") + "]}"
		body = append(body, graph.Float64Tensor([]int{1}, []float64{float64(i)}).Bytes()...)
	}
	header += "}"
	header += strings.Repeat(" ", 7-(len(header)+7)%8)
	data := append([]byte{byte(len(header)), byte(len(header) >> 8), 0, 0, 0, 0, 0, 0}, header...)
	if err := os.WriteFile(path, append(data, body...), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestReadTensor(t *testing.T) {
	dir := t.TempDir()
	npz(t, filepath.Join(dir, "one.npz"), "anything")
	npz(t, filepath.Join(dir, "two.npz"), "labels", "logits")
	npz(t, filepath.Join(dir, "other.npz"), "a", "b")
	npz(t, filepath.Join(dir, "a:b.npz"), "c")
	scalars(t, filepath.Join(dir, "one.safetensors"), "y")
	scalars(t, filepath.Join(dir, "two.safetensors"), "x", "logits")
	for path, want := range map[string]float64{
		"one.npz": 0, "one.npz:anything": 0, "two.npz": 1, "two.npz:labels": 0, "other.npz:b": 1, "a:b.npz": 0, "a:b.npz:c": 0,
		"one.safetensors": 0, "two.safetensors": 1, "two.safetensors:x": 0,
	} {
		x, err := ReadTensor(filepath.Join(dir, path))
		if err != nil || !slices.Equal(x.Float64s(), []float64{want}) {
			t.Errorf("%s: %v, %v", path, x, err)
		}
	}
	x, err := ReadTensor(filepath.Join(testdata, "v2_release.logits64.npy"))
	if err != nil || x.DType != graph.Float64 || !slices.Equal(x.Shape, []int{2, 10}) {
		t.Errorf("logits: %v, %v", x, err)
	}
	// A checkpoint is a file of many tensors.
	key := "model.features.0.0.c.weight"
	x, err = ReadTensor(filepath.Join(testdata, "v2_release.pth:"+key))
	if err != nil || len(x.Shape) != 4 || x.DType != graph.Float32 {
		t.Errorf("%s: %v, %v", key, x, err)
	}
}

func TestReadTensorErrors(t *testing.T) {
	dir := t.TempDir()
	npz(t, filepath.Join(dir, "other.npz"), "a", "b")
	npz(t, filepath.Join(dir, "none.npz"))
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("empty.npy", "")
	write("text.npy", "hello")
	write("cut.npz", "PK\x03\x04")
	for path, want := range map[string]error{
		"other.npz": ErrAmbiguous, "other.npz:c": ErrAmbiguous, "none.npz": ErrAmbiguous, "missing.npy": fs.ErrNotExist,
		"missing.npz:a": fs.ErrNotExist, "cut.npz": npy.ErrFormat, "empty.npy": pytorch.ErrFormat, "text.npy": pytorch.ErrFormat,
	} {
		_, err := ReadTensor(filepath.Join(dir, path))
		file := filepath.Join(dir, path)
		if i := strings.LastIndexByte(path, ':'); i > 0 {
			file = filepath.Join(dir, path[:i])
		}
		if !errors.Is(err, want) || strings.Count(err.Error(), file) != 1 {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	_, err := ReadTensor(filepath.Join(dir, "other.npz"))
	if err == nil || !strings.HasSuffix(err.Error(), `found a, b, expected one tensor or one named "logits"; choose with FILE:NAME`) {
		t.Error(err)
	}
	if _, err = ReadTensor(filepath.Join(testdata, "v2_release.logits.npy:x")); err == nil {
		t.Error("a name in an .npy file was accepted")
	}
	if _, err = ReadTensor(filepath.Join(testdata, "v2_release.pth")); !errors.Is(err, ErrAmbiguous) || len(err.Error()) > 1000 {
		t.Error(err)
	}
}

// PyTorch's logits, as the command reads and compares them.
func TestPyTorchLogits(t *testing.T) {
	x, err := ReadTensor(filepath.Join(testdata, "input.npy"))
	if err != nil {
		t.Fatal(err)
	}
	g := checkpoint(t, "v2_release.pth")
	for name, equal := range map[string]bool{"v2_release": true, "v2_channels_last": false} {
		want, err := ReadTensor(filepath.Join(testdata, name+".logits.npy"))
		if err != nil {
			t.Fatal(err)
		}
		for engine, e := range map[string]Engine{"reference": truth(t, g), "fast": fast(t, g)} {
			got, err := e.Run(t.Context(), x)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Compare(got, want, DefaultTolerance)
			if err != nil || c.Equal != equal {
				t.Errorf("%s with the %s engine: %+v, %v", name, engine, c, err)
			}
		}
	}
}
