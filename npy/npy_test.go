package npy

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/repvit-go/repvit/graph"
)

// file returns an .npy file with a header of the version given and elements.
func file(version byte, header string, body []byte) []byte {
	b := append([]byte(magic), version, 0)
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(header)))
	}
	return append(append(b, header...), body...)
}

func dict(descr, order, shape string) string {
	return fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n", descr, order, shape)
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name   string
		file   []byte
		dtype  graph.DType
		shape  []int
		values []float64
	}{
		{"uint8", file(1, dict("|u1", "False", "(3,)"), []byte{1, 2, 255}), graph.Uint8, []int{3}, []float64{1, 2, 255}},
		{"int8", file(2, dict("|i1", "False", "(2, 1)"), []byte{1, 255}), graph.Int8, []int{2, 1}, []float64{1, -1}},
		{"bool", file(3, dict("|b1", "False", "(2,)"), []byte{1, 0}), graph.Bool, []int{2}, []float64{1, 0}},
		{"scalar", file(1, dict("<i4", "False", "()"), []byte{1, 0, 0, 128}), graph.Int32, []int{}, []float64{-1<<31 + 1}},
		{"empty", file(1, dict("<f4", "False", "(0, 7)"), nil), graph.Float32, []int{0, 7}, nil},
		{"float16", file(1, dict("<f2", "False", "(2,)"), []byte{0, 0x3c, 0, 0xc0}), graph.Float16, []int{2}, []float64{1, -2}},
		{"big float16", file(1, dict(">f2", "False", "(2,)"), []byte{0x3c, 0, 0xc0, 0}), graph.Float16, []int{2}, []float64{1, -2}},
		{"big float64", file(1, dict(">f8", "False", "(1,)"), []byte{0xbf, 0xf0, 0, 0, 0, 0, 0, 0}), graph.Float64, []int{1}, []float64{-1}},
		{"big int64", file(1, dict(">i8", "False", "(1,)"), []byte{0, 0, 0, 0, 0, 0, 1, 2}), graph.Int64, []int{1}, []float64{258}},
		{"int16", file(1, dict("<i2", "False", "(2,)"), []byte{0xff, 0xff, 1, 2}), graph.Int32, []int{2}, []float64{-1, 513}},
		{"big uint16", file(1, dict(">u2", "False", "(2,)"), []byte{0xff, 0xff, 1, 2}), graph.Int32, []int{2}, []float64{65535, 258}},
		{"uint32", file(1, dict("<u4", "False", "(1,)"), []byte{0xff, 0xff, 0xff, 0xff}), graph.Int64, []int{1}, []float64{1<<32 - 1}},
		{"fortran", file(1, dict("|u1", "True", "(2, 3)"), []byte{0, 3, 1, 4, 2, 5}), graph.Uint8, []int{2, 3}, []float64{0, 1, 2, 3, 4, 5}},
		{"fortran of three axes", file(1, dict(">i2", "True", "(2, 2, 2)"), []byte{0, 0, 0, 4, 0, 2, 0, 6, 0, 1, 0, 5, 0, 3, 0, 7}), graph.Int32, []int{2, 2, 2}, []float64{0, 1, 2, 3, 4, 5, 6, 7}},
		{"fortran, empty", file(1, dict("|u1", "True", "(2, 0)"), nil), graph.Uint8, []int{2, 0}, nil},
		{"fortran, one axis", file(1, dict("|u1", "True", "(2,)"), []byte{1, 2}), graph.Uint8, []int{2}, []float64{1, 2}},
		{"other spelling", file(1, `{"shape":(2L,1L),"fortran_order":False,"descr":"|u1"}`, []byte{1, 2}), graph.Uint8, []int{2, 1}, []float64{1, 2}},
	} {
		got, err := Read(c.file)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got.DType != c.dtype || !slices.Equal(got.Shape, c.shape) || !slices.Equal(got.Float64s(), c.values) {
			t.Errorf("%s: found %v %v %v, expected %v %v %v", c.name, got.DType, got.Shape, got.Float64s(), c.dtype, c.shape, c.values)
		}
	}
}

func TestReadErrors(t *testing.T) {
	zeros := make([]byte, 16)
	for _, c := range []struct {
		file []byte
		want error
		text string
	}{
		{nil, ErrFormat, "byte 0"},
		{[]byte("\x93NUMPY\x01"), ErrFormat, "byte 0"},
		{[]byte("\x80NUMPY\x01\x00\x00\x00"), ErrFormat, "byte 0"},
		{[]byte("\x93NUMPY\x04\x00\x00\x00"), ErrFormat, "version 4.0"},
		{[]byte("\x93NUMPY\x01\x01\x00\x00"), ErrFormat, "version 1.1"},
		{[]byte("\x93NUMPY\x02\x00\x00\x00"), ErrFormat, "end of the file"},
		{[]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{}"), ErrFormat, "at most 2"},
		{file(2, strings.Repeat(" ", maxHeader+1), nil), ErrFormat, "at most 65536"},
		{file(1, dict("<f4", "False", "(4,)"), zeros[:15]), ErrFormat, "found 15 bytes behind the header, expected 16"},
		{file(1, dict("<f4", "False", "(4,)"), append(zeros, 0)), ErrFormat, "found 17 bytes"},
		{file(1, dict("|O", "False", "(1,)"), zeros), ErrUnsupported, "pickled"},
		{file(1, dict("<c8", "False", "(2,)"), zeros), ErrUnsupported, `"<c8"`},
		{file(1, dict("<u8", "False", "(2,)"), zeros), ErrUnsupported, `"<u8"`},
		{file(1, dict("|f4", "False", "(4,)"), zeros), ErrUnsupported, `"|f4"`},
		{file(1, dict("=f4", "False", "(4,)"), zeros), ErrUnsupported, `"=f4"`},
		{file(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", zeros), ErrUnsupported, "structured"},
		{file(1, dict("|b1", "False", "(1,)"), []byte{2}), ErrFormat, "expected a bool"},
		{file(1, dict("<f4", "0", "(4,)"), zeros), ErrFormat, "True or False"},
		{file(1, dict("<f4", "False", "(4)"), zeros), ErrFormat, "comma"},
		{file(1, dict("<f4", "False", "[4]"), zeros), ErrFormat, `expected "("`},
		{file(1, dict("<f4", "False", "(-4,)"), zeros), ErrFormat, "expected a size"},
		{file(1, dict("<f4", "False", "(2+2,)"), zeros), ErrFormat, "comma"},
		{file(1, dict("<f4", "False", "(99999999999999999999,)"), zeros), ErrFormat, "beyond"},
		{file(1, dict("<f4", "False", "(4611686018427387904, 8)"), zeros), ErrFormat, "counted"},
		{file(1, dict("<f4", "False", "(2305843009213693952,)"), zeros), ErrFormat, "counted"},
		{file(1, dict("<f4", "False", "("+strings.Repeat("1, ", 65)+")"), zeros[:4]), ErrFormat, "axes"},
		{file(1, "{'descr': '<f4', 'descr': '<f4'}", nil), ErrFormat, "twice"},
		{file(1, "{'descr': '<f4', 'shape': (1,)}", zeros[:4]), ErrFormat, "2 keys"},
		{file(1, "{'descr': '<f4', 'order': True}", nil), ErrFormat, `key "order"`},
		{file(1, dict("<f4", "False", "(4,)")+"x", zeros), ErrFormat, "behind the dictionary"},
		{file(1, "__import__('os').system('id')", nil), ErrFormat, "header, byte 0"},
		{file(1, "{", nil), ErrFormat, "expected a string"},
		{file(1, `{'descr': '\x41'`, nil), ErrFormat, "expected a string"},
	} {
		_, err := Read(c.file)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%.90q: found error %v, expected %v with %q", c.file, err, c.want, c.text)
		}
	}
}

func TestWrite(t *testing.T) {
	for _, x := range []*graph.Tensor{
		graph.Float32Tensor([]int{2, 3}, []float32{1, 2, 3, 4, 5, -6}),
		graph.Float64Tensor([]int{}, []float64{1e300}),
		graph.Int8Tensor([]int{1, 2, 1}, []int8{-128, 127}),
		graph.Uint8Tensor([]int{0}, nil),
		graph.Int32Tensor([]int{1}, []int32{-7}),
		graph.Int64Tensor([]int{2}, []int64{1 << 62, -1}),
		graph.Float32Tensor([]int{3}, []float32{0.5, 1, 2}).Half(),
	} {
		var b bytes.Buffer
		if err := Write(&b, x); err != nil {
			t.Fatal(err)
		}
		if n := b.Len() - len(x.Bytes()); n%headerAlign != 0 || b.Bytes()[n-1] != '\n' {
			t.Errorf("%v: header of %d bytes, ending in %q", x.Shape, n, b.Bytes()[n-1])
		}
		got, err := Read(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got.DType != x.DType || !slices.Equal(got.Shape, x.Shape) || !bytes.Equal(got.Bytes(), x.Bytes()) {
			t.Errorf("wrote %v, read %v", x, got)
		}
	}
	if err := Write(io.Discard, &graph.Tensor{DType: graph.Int8, Shape: []int{2}}); !errors.Is(err, graph.ErrShape) {
		t.Errorf("a tensor without data: %v", err)
	}
}

// TestNumPy reads what NumPy wrote and writes the same bytes.
func TestNumPy(t *testing.T) {
	data, err := os.ReadFile("../testdata/input.npy")
	if err != nil {
		t.Fatal(err)
	}
	x, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	if x.DType != graph.Float32 || len(x.Shape) != 4 || x.Shape[1] != 3 {
		t.Errorf("found %v %v, expected images", x.DType, x.Shape)
	}
	var b bytes.Buffer
	if err := Write(&b, x); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), data) {
		t.Error("written again, the file differs")
	}
	data, err = os.ReadFile("../testdata/v1_release.features.npz")
	if err != nil {
		t.Fatal(err)
	}
	arrays, err := ReadZip(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(arrays) == 0 || arrays[0].Tensor.Len() == 0 {
		t.Errorf("found %d arrays", len(arrays))
	}
}

func TestReadViews(t *testing.T) {
	head := dict("<f4", "False", "(2,)")
	head = head[:len(head)-1] + strings.Repeat(" ", 128-10-len(head)) + "\n"
	data := file(1, head, make([]byte, 8))
	x, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	if unsafe.SliceData(x.Bytes()) != &data[len(data)-8] {
		t.Error("aligned elements were copied, expected a view")
	}
	shifted := append([]byte{0}, data...)[1:]
	if x, err = Read(shifted); err != nil {
		t.Fatal(err)
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(x.Bytes())))%4 != 0 {
		t.Error("elements are not aligned")
	}
}

func archive(t testing.TB, method uint16, members ...any) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		f, err := w.CreateHeader(&zip.FileHeader{Name: members[i].(string), Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(members[i+1].([]byte)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadZip(t *testing.T) {
	one := file(1, dict("<i4", "False", "(1,)"), []byte{1, 0, 0, 0})
	two := file(1, dict("|u1", "False", "(2,)"), []byte{3, 4})
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		data := archive(t, method, "b.npy", one, "a/x.npy", two)
		arrays, err := ReadZip(data)
		if err != nil {
			t.Fatal(err)
		}
		if len(arrays) != 2 || arrays[0].Name != "b" || arrays[1].Name != "a/x" ||
			arrays[0].Tensor.Int32s()[0] != 1 || arrays[1].Tensor.Uint8s()[1] != 4 {
			t.Errorf("method %d: found %v", method, arrays)
		}
	}
}

func TestReadZipErrors(t *testing.T) {
	one := file(1, dict("<i4", "False", "(1,)"), []byte{1, 0, 0, 0})
	stored := archive(t, zip.Store, "a.npy", one)
	rotten := slices.Clone(stored)
	rotten[bytes.Index(stored, one)+len(one)-4]++
	deflated := archive(t, zip.Deflate, "a.npy", one)
	crc := slices.Clone(deflated)
	crc[bytes.LastIndex(crc, []byte("PK\x01\x02"))+16]++
	longer := slices.Clone(deflated)
	longer[bytes.LastIndex(longer, []byte("PK\x01\x02"))+24]++
	shorter := slices.Clone(deflated)
	shorter[bytes.LastIndex(shorter, []byte("PK\x01\x02"))+24]--
	huge := slices.Clone(deflated)
	binary.LittleEndian.PutUint32(huge[bytes.LastIndex(huge, []byte("PK\x01\x02"))+24:], 1<<31)
	big := slices.Clone(deflated)
	binary.LittleEndian.PutUint32(big[bytes.LastIndex(big, []byte("PK\x01\x02"))+24:], 1<<24)
	for _, c := range []struct {
		name string
		file []byte
		want error
		text string
	}{
		{"no zip", []byte("x"), ErrFormat, "zip"},
		{"other member", archive(t, zip.Store, "readme", one), ErrFormat, `member "readme"`},
		{"same name", archive(t, zip.Store, "a.npy", one, "a.npy", one), ErrFormat, "twice"},
		{"not npy", archive(t, zip.Store, "a.npy", one[1:]), ErrFormat, `array "a"`},
		{"rotten", rotten, ErrFormat, "CRC-32"},
		{"wrong sum", crc, ErrFormat, "CRC-32"},
		{"too long", longer, ErrFormat, "fewer"},
		{"too short", shorter, ErrFormat, "more bytes"},
		{"beyond the limit", huge, ErrFormat, "at most"},
		{"beyond deflate's ratio", big, ErrFormat, "ratio"},
	} {
		_, err := ReadZip(c.file)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: found error %v, expected %v with %q", c.name, err, c.want, c.text)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file(1, dict("<f4", "False", "(1, 2)"), make([]byte, 8)))
	f.Add(file(2, dict(">i2", "True", "(2, 2)"), make([]byte, 8)))
	f.Add(file(3, dict("|b1", "False", "()"), []byte{1}))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := Read(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		var b bytes.Buffer
		if err := Write(&b, x); err != nil {
			t.Fatal(err)
		}
		y, err := Read(b.Bytes())
		if err != nil || y.DType != x.DType || !slices.Equal(y.Shape, x.Shape) || !bytes.Equal(y.Bytes(), x.Bytes()) {
			t.Fatalf("read %v %v, after writing %v %v", x.DType, x.Shape, y, err)
		}
	})
}

func FuzzReadZip(f *testing.F) {
	one := file(1, dict("<i4", "False", "(1,)"), []byte{1, 0, 0, 0})
	f.Add(archive(f, zip.Store, "a.npy", one))
	f.Add(archive(f, zip.Deflate, "a.npy", one, "b.npy", one))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := ReadZip(data); err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) {
			t.Fatalf("error of no kind: %v", err)
		}
	})
}
