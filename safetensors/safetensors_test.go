package safetensors

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"unsafe"

	foreign "github.com/nlpodyssey/safetensors"

	tt "github.com/repvit-go/repvit/internal/torchtest"
)

// file returns a file of metadata and tensors as Header says.
func file(t testing.TB, metadata [][2]string, tensors ...Tensor) []byte {
	t.Helper()
	data, err := Header(metadata, tensors)
	if err != nil {
		t.Fatal(err)
	}
	if len(data)%align != 0 {
		t.Errorf("the elements begin at byte %d", len(data))
	}
	for _, x := range tensors {
		data = append(data, x.Data...)
	}
	return data
}

func TestRoundTrip(t *testing.T) {
	for _, c := range []struct {
		metadata [][2]string
		tensors  []Tensor
	}{
		{nil, nil},
		{[][2]string{{"format", "pt"}, {"a", "<&>\"\n"}}, nil},
		{nil, []Tensor{{"x", "F32", []int{2, 1}, tt.Float32s(1, 2)}}},
		{[][2]string{{"z", ""}, {"", "ä"}}, []Tensor{
			{"scalar", "F64", nil, make([]byte, 8)}, {"empty", "F32", []int{math.MaxInt, 0, math.MaxInt}, nil}, {"", "BF16", []int{1}, []byte{1, 2}}, {"u", "U8", []int{3}, []byte{1, 2, 3}}}},
	} {
		data := file(t, c.metadata, c.tensors...)
		f, err := Decode(data, MaxHeader)
		if err != nil {
			t.Errorf("%v: %v", c.tensors, err)
			continue
		}
		want := map[string]string{}
		for _, m := range c.metadata {
			want[m[0]] = m[1]
			if got, ok := Metadata(data, m[0]); got != m[1] || !ok {
				t.Errorf("metadata %q: found %q, %v, expected %q", m[0], got, ok, m[1])
			}
		}
		if !maps.Equal(f.Metadata, want) {
			t.Errorf("found metadata %q, expected %q", f.Metadata, want)
		}
		if !slices.EqualFunc(f.Tensors, c.tensors, same) {
			t.Errorf("found %v, expected %v", f.Tensors, c.tensors)
		}
		if !Is(data) || Is(data[1:]) {
			t.Error("it is not told by its beginning")
		}
	}
}

func same(a, b Tensor) bool {
	return a.Name == b.Name && a.DType == b.DType && slices.Equal(a.Shape, b.Shape) && bytes.Equal(a.Data, b.Data)
}

func TestHeaderErrors(t *testing.T) {
	for name, c := range map[string]struct {
		metadata [][2]string
		tensor   Tensor
	}{
		"name":     {nil, Tensor{Name: "\xff", DType: "F32"}},
		"key":      {[][2]string{{"\xff", ""}}, Tensor{DType: "F32"}},
		"text":     {[][2]string{{"", "\xff"}}, Tensor{DType: "F32"}},
		"reserved": {nil, Tensor{Name: metadataKey, DType: "F32"}},
		"type":     {nil, Tensor{DType: "float32"}},
		"size":     {nil, Tensor{DType: "F32", Shape: []int{1 << 30, 1 << 30, 1 << 30}}},
	} {
		if _, err := Header(c.metadata, []Tensor{c.tensor}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestDecodeErrors is of what testdata/hostile does not hold.
func TestDecodeErrors(t *testing.T) {
	entry := `"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`
	for _, c := range []struct {
		data []byte
		want string
	}{
		{nil, "byte 0: found 0 bytes, expected a header's length"},
		{tt.SafetensorsOf("[]", nil), `header: found "[]      ", expected a JSON object`},
		{tt.SafetensorsOf("{"+entry+strings.Repeat(" ", 100)+"}", make([]byte, 8)), "expected at most 100"},
		{tt.SafetensorsOf("{"+entry+"}", make([]byte, 9)), "the end of the last tensor: found 1 more bytes, expected none"},
	} {
		_, err := Decode(c.data, 100)
		if e := (*Error)(nil); !errors.As(err, &e) || !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("found error %v, expected %q", err, c.want)
		}
	}
}

func TestUnknownType(t *testing.T) {
	f, err := Decode(tt.SafetensorsOf(`{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}`, make([]byte, 2)), MaxHeader)
	if err != nil || len(f.Tensors[0].Data) != 2 || f.Tensors[0].DType.Size() != 0 || f.Tensors[0].DType.Name() != "" {
		t.Errorf("found %v, %v", f, err)
	}
}

// FuzzDecode puts headers behind a right length, so that mutations reach them, and compares
// with another reader what both read.
func FuzzDecode(f *testing.F) {
	for _, header := range []string{
		`{}`, `{"__metadata__":{"format":"pt"}}`, `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`,
		`{"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[6],"data_offsets":[2,8]}}`,
		`{"a":{"dtype":"F32","shape":[0,9],"data_offsets":[0,0]},"b":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}`,
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		data := tt.SafetensorsOf(header, make([]byte, 8))
		Metadata(data, "format")
		got, err := Decode(data, MaxHeader)
		if err != nil {
			if !errors.Is(err, ErrFormat) || strings.Contains(err.Error(), "\n") {
				t.Errorf("found error %q", err)
			}
			return
		}
		size := 0
		for _, x := range got.Tensors {
			size += len(x.Data)
			if s, ok := x.size(); x.DType.Size() != 0 && (!ok || s != len(x.Data)) {
				t.Errorf("found %d bytes of %v", len(x.Data), x)
			}
		}
		if size != 8 {
			t.Errorf("found %d bytes of tensors, expected 8", size)
		}
		want, err := foreign.Deserialize(data)
		if err != nil {
			return
		}
		for _, x := range got.Tensors {
			v, ok := want.Tensor(x.Name)
			if !ok || v.DType().String() != string(x.DType) || strings.Trim(fmt.Sprint(v.Shape()), "[]") != strings.Trim(fmt.Sprint(x.Shape), "[]") || unsafe.SliceData(v.Data()) != unsafe.SliceData(x.Data) && len(x.Data) > 0 {
				t.Errorf("found %v, another reader %v", x, v)
			}
		}
	})
}
