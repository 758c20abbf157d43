package preprocess

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/npy"
)

// TestOpenCV compares with what mmcv's and SAM's preprocessing made of the same files; see
// testdata/README.md. PNG files must give the same levels.
func TestOpenCV(t *testing.T) {
	for kind, f := range map[string]Fit{"seg": Segmentation(48, 20), "det": Detection(48, 20), "sam": Letterbox(32)} {
		files, err := filepath.Glob("testdata/" + kind + ".*.npy")
		if err != nil || len(files) < 3 {
			t.Fatalf("%s: %d files, %v", kind, len(files), err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), kind+"."), ".npy")
			img, err := OpenUpright("testdata/" + name)
			if err != nil {
				t.Error(err)
				continue
			}
			got, at, err := f.Tensor(img)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := npy.Read(data)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Shape, want.Shape) || at.Input != image.Pt(want.Shape[3], want.Shape[2]) {
				t.Errorf("%s: shape %v, placement %v, expected %v", file, got.Shape, at, want.Shape)
				continue
			}
			levels := 1e-4
			if strings.HasSuffix(name, ".jpg") {
				levels = 3.001 // of another inverse cosine transform
			}
			worst, plane := 0.0, at.Input.X*at.Input.Y
			for i, v := range got.Float32s() {
				worst = max(worst, math.Abs(float64(v-want.Float32s()[i]))*f.Std[i/plane]*255)
			}
			if worst > levels {
				t.Errorf("%s: %.4f levels from OpenCV, expected at most %g", file, worst, levels)
			}
		}
	}
}

func TestPlace(t *testing.T) {
	pt := image.Pt
	for name, c := range map[string]struct {
		fit  Fit
		w, h int
		want Placement
	}{
		"COCO":                 {Detection(1333, 800), 640, 427, Placement{pt(640, 427), pt(1199, 800), pt(1216, 800)}},
		"upright":              {Detection(1333, 800), 427, 640, Placement{pt(427, 640), pt(800, 1199), pt(800, 1216)}},
		"the long side binds":  {Detection(1333, 800), 1000, 200, Placement{pt(1000, 200), pt(1333, 267), pt(1344, 288)}},
		"ADE20K":               {Segmentation(2048, 512), 683, 512, Placement{pt(683, 512), pt(704, 512), pt(704, 512)}},
		"thin":                 {Detection(1333, 800), 100000, 1, Placement{pt(100000, 1), pt(1333, 1), pt(1344, 32)}},
		"SAM":                  {Letterbox(1024), 480, 317, Placement{pt(480, 317), pt(1024, 676), pt(1024, 1024)}},
		"a fixed size":         {Segmentation(2048, 512).Sized(64, 128), 300, 300, Placement{pt(300, 300), pt(64, 64), pt(128, 64)}},
		"a fixed size, a line": {Detection(2048, 512).Sized(64, 128), 1, 300, Placement{pt(1, 300), pt(1, 64), pt(128, 64)}},
	} {
		if got, err := c.fit.Place(c.w, c.h); err != nil || got != c.want {
			t.Errorf("%s: found %v, %v, expected %v", name, got, err, c.want)
		}
	}
	if _, err := Letterbox(64).Place(0, 5); !errors.Is(err, ErrImage) {
		t.Errorf("no pixels: %v", err)
	}
	if _, _, err := Letterbox(64).Tensor(image.NewUniform(color.White)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("endless image: %v", err)
	}
}

func TestPlacement(t *testing.T) {
	p, err := Letterbox(1024).Place(480, 317)
	if err != nil {
		t.Fatal(err)
	}
	if x, y := p.ToInput(479, 316); math.Abs(x-1021.8666666666667) > 1e-9 || math.Abs(y-673.8675078864353) > 1e-9 {
		t.Errorf("ToInput gives %v, %v", x, y)
	}
	if x, y := p.ToImage(1024, 676); x != 480 || y != 317 {
		t.Errorf("ToImage gives %v, %v", x, y)
	}
}

// TestClasses maps a 4×2 input of which a 3×2 image, twice as large, fills the left.
func TestClasses(t *testing.T) {
	p := Placement{Image: image.Pt(6, 4), Resized: image.Pt(3, 2), Input: image.Pt(4, 2)}
	near := []int64{
		1, 1, 2, 2, 3, 3,
		1, 1, 2, 2, 3, 3,
		4, 4, 5, 5, 6, 6,
		4, 4, 5, 5, 6, 6,
	}
	for _, shape := range [][]int{{1, 1, 2, 4}, {1, 2, 4}} {
		if got, err := p.Classes(graph.Int64Tensor(shape, []int64{1, 2, 3, 9, 4, 5, 6, 9})); err != nil || !slices.Equal(got, near) {
			t.Errorf("%v: found %v, %v, expected %v", shape, got, err, near)
		}
	}
	// Class 1 is larger where 8x < 11, x being 0, 1, 2 along the row: from the centre
	// 1.375 on, which lies between the columns 3 (at 1.25) and 4 (at 1.75).
	logits := graph.Float32Tensor([]int{1, 2, 2, 4}, []float32{
		0, 8, 16, 99, 0, 8, 16, 99,
		11, 11, 11, 0, 11, 11, 11, 0,
	})
	want := slices.Repeat([]int64{1, 1, 1, 1, 0, 0}, 4)
	if got, err := p.Classes(logits); err != nil || !slices.Equal(got, want) {
		t.Errorf("logits: found %v, %v, expected %v", got, err, want)
	}
	draw := graph.Float32Tensor([]int{1, 2, 2, 4}, make([]float32, 16))
	if got, err := p.Classes(draw); err != nil || slices.Max(got) != 0 {
		t.Errorf("equal logits: found %v, %v, expected the first class", got, err)
	}
	for _, bad := range []*graph.Tensor{
		graph.Int64Tensor([]int{1, 2, 2, 4}, make([]int64, 16)),
		graph.Int64Tensor([]int{1, 1, 4, 2}, make([]int64, 8)),
		graph.Int64Tensor([]int{2, 4}, make([]int64, 8)),
		graph.Float32Tensor([]int{2, 1, 2, 4}, make([]float32, 16)),
		graph.Float32Tensor([]int{1, 0, 2, 4}, nil),
	} {
		if _, err := p.Classes(bad); !errors.Is(err, graph.ErrShape) {
			t.Errorf("%v of shape %v: %v", bad.DType, bad.Shape, err)
		}
	}
}

func TestFitJSON(t *testing.T) {
	const tail = `"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]}`
	for want, f := range map[string]Fit{
		`{"long":2048,"short":512,"divisor":32,"stretch":true,` + tail: Segmentation(2048, 512),
		`{"long":1333,"short":800,"divisor":32,` + tail:                Detection(1333, 800),
		`{"height":1024,"width":1024,"antialias":true,` + tail:         Letterbox(1024),
		`{"height":512,"width":256,` + tail:                            Segmentation(2048, 512).Sized(512, 256),
	} {
		text, err := json.Marshal(f)
		if err != nil || string(text) != want {
			t.Errorf("found %s, %v, expected %s", text, err, want)
		}
		if got, err := ParseFit(text); err != nil || !reflect.DeepEqual(got, f) {
			t.Errorf("read back %v, %v, expected %v", got, err, f)
		}
	}
	classifier, err := json.Marshal(ImageNet(224, 224, 0.875))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":                "",
		"more behind":            `{"height":64,"width":64,` + tail + "{}",
		"a classifier's":         string(classifier),
		"no size":                "{" + tail,
		"one side":               `{"height":64,` + tail,
		"a huge side":            `{"height":64,"width":1000000,` + tail,
		"both rules":             `{"height":64,"width":64,"divisor":32,` + tail,
		"no short side":          `{"long":64,"divisor":32,` + tail,
		"sides exchanged":        `{"long":64,"short":65,"divisor":32,` + tail,
		"no divisor":             `{"long":64,"short":64,` + tail,
		"a negative divisor":     `{"long":64,"short":64,"divisor":-32,` + tail,
		"no mean":                `{"height":64,"width":64}`,
		"gray":                   `{"height":64,"width":64,"mean":[0.5],"std":[0.5]}`,
		"a deviation of zero":    `{"height":64,"width":64,"mean":[0,0,0],"std":[1,0,1]}`,
		"deviations are missing": `{"height":64,"width":64,"mean":[0,0,0]}`,
	} {
		if _, err := ParseFit([]byte(text)); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for want, f := range map[string]Fit{
		"scaled to fit 2048×512, then to multiples of 32, mean [0.485 0.456 0.406], std [0.229 0.224 0.225], OpenCV's bilinear":     Segmentation(2048, 512),
		"scaled to fit 1333×800, zeros up to multiples of 32, mean [0.485 0.456 0.406], std [0.229 0.224 0.225], OpenCV's bilinear": Detection(1333, 800),
		"scaled to fit 64×64, zeros around, mean [0.485 0.456 0.406], std [0.229 0.224 0.225], PIL's bilinear":                      Letterbox(64),
	} {
		if f.String() != want {
			t.Errorf("found %q, expected %q", f, want)
		}
	}
	// A reader that only knows classifiers refuses the file.
	var c Config
	text, err := json.Marshal(Detection(1333, 800))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	c.Height, c.Width = 224, 224
	if err := c.Validate(); !errors.Is(err, ErrConfig) {
		t.Errorf("read as a classifier's: %v", err)
	}
}

// letters gives each pixel of an image a letter by its red.
func letters(m image.Image) string {
	var rows []string
	for y := range m.Bounds().Dy() {
		row := ""
		for x := range m.Bounds().Dx() {
			row += string(rune(m.At(x, y).(color.NRGBA).R))
		}
		rows = append(rows, row)
	}
	return strings.Join(rows, "/")
}

// withEXIF inserts an eXIf chunk behind a PNG's header. Its checksum is not right: readers of
// PNG do not look at chunks that they do not know.
func withEXIF(png, tiff []byte) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(tiff)))
	chunk = append(append(append(chunk, "eXIf"...), tiff...), 0, 0, 0, 0)
	return slices.Concat(png[:33], chunk, png[33:])
}

func tiffOf(order binary.AppendByteOrder, mark string, orientation uint16) []byte {
	b := order.AppendUint32(order.AppendUint16([]byte(mark), 42), 8)
	b = order.AppendUint16(b, 1)
	b = order.AppendUint32(order.AppendUint16(order.AppendUint16(b, 0x0112), 3), 1)
	return append(order.AppendUint16(b, orientation), 0, 0)
}

// webpOf returns a WebP file of chunks, each a name and a content.
func webpOf(chunks ...string) []byte {
	body := "WEBP"
	for i := 0; i < len(chunks); i += 2 {
		body += chunks[i] + string(binary.LittleEndian.AppendUint32(nil, uint32(len(chunks[i+1])))) + chunks[i+1]
		if len(chunks[i+1])%2 == 1 {
			body += "\x00"
		}
	}
	return slices.Concat([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(len(body))), []byte(body))
}

func TestUpright(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	for i, c := range []byte("abcdef") {
		copy(m.Pix[4*i:], []uint8{c, 0, 0, 200})
	}
	for i, want := range []string{"abc/def", "cba/fed", "fed/cba", "def/abc", "ad/be/cf", "da/eb/fc", "fc/eb/da", "cf/be/ad"} {
		if got := upright(m, i+1); letters(got) != want || got.At(0, 0).(color.NRGBA).A != 200 {
			t.Errorf("orientation %d: found %s, expected %s", i+1, letters(got), want)
		}
	}
}

func TestOrientation(t *testing.T) {
	big, little := tiffOf(binary.BigEndian, "MM", 6), tiffOf(binary.LittleEndian, "II", 8)
	file := encodePNG(t, noise(3, 2))
	exif := func(tiff []byte) []byte {
		segment := append([]byte("\xff\xe1"), byte(0), byte(2+6+len(tiff)))
		return slices.Concat(segment, []byte("Exif\x00\x00"), tiff)
	}
	photo := encodeJPEG(t, noise(3, 2))
	for name, c := range map[string]struct {
		data []byte
		want int
	}{
		"png without":                {file, 1},
		"png":                        {withEXIF(file, big), 6},
		"png, little endian":         {withEXIF(file, little), 8},
		"png, 0":                     {withEXIF(file, tiffOf(binary.BigEndian, "MM", 0)), 1},
		"png, 9":                     {withEXIF(file, tiffOf(binary.BigEndian, "MM", 9)), 1},
		"png, cut off":               {withEXIF(file, big[:12]), 1},
		"png, far directory":         {withEXIF(file, append(slices.Clone(big[:4]), 0xff, 0xff, 0xff, 0xff)), 1},
		"png, endless chunk":         {append(slices.Clone(file[:33]), 0xff, 0xff, 0xff, 0xff, 'e', 'X', 'I', 'f', 0, 0, 0, 0), 1},
		"jpeg without":               {photo, 1},
		"jpeg":                       {slices.Concat(photo[:2], exif(big), photo[2:]), 6},
		"jpeg, behind other content": {slices.Concat(photo[:2], []byte("\xff\xe1\x00\x06http\xff"), exif(little), photo[2:]), 8},
		"jpeg, cut off":              {slices.Concat(photo[:2], exif(big)[:20]), 1},
		"webp":                       {webpOf("VP8 ", "a", "EXIF", string(little)), 8},
		"webp, as in JPEG":           {webpOf("EXIF", "Exif\x00\x00"+string(big)), 6},
		"webp, without":              {webpOf("VP8L", "abc"), 1},
		"webp, cut off":              {webpOf("EXIF", string(big))[:30], 1},
		"jpeg, a segment of 1":       {append(photo[:2:2], 0xff, 0xe1, 0, 1, 0, 0), 1},
	} {
		if got := tiffOrientation(formatOf(c.data).exif(c.data)); got != c.want {
			t.Errorf("%s: found %d, expected %d", name, got, c.want)
		}
	}
}

func FuzzDecodeUpright(f *testing.F) {
	file := encodePNG(f, noise(9, 7))
	f.Add(withEXIF(file, tiffOf(binary.BigEndian, "MM", 6)))
	f.Add(withEXIF(file, tiffOf(binary.LittleEndian, "II", 3)))
	f.Add(encodeJPEG(f, noise(5, 5)))
	fit := Segmentation(64, 32)
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := DecodeUpright(t.Context(), data)
		if err != nil {
			if !errors.Is(err, ErrImage) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		x, at, err := fit.Tensor(img)
		if err != nil {
			t.Fatal(err)
		}
		if x.Len() != 3*at.Input.X*at.Input.Y || at.Input.X%32 != 0 || at.Input.Y%32 != 0 {
			t.Fatalf("%v for %v", x.Shape, at)
		}
	})
}
