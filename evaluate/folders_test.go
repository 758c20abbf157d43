package evaluate

import (
	"errors"
	"image/color"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
)

// tree makes a folder of images, each of one color.
func tree(t *testing.T, images map[string]color.Color) string {
	t.Helper()
	dir := t.TempDir()
	for name, c := range images {
		folder, file := filepath.Split(filepath.Join(dir, filepath.FromSlash(name)))
		if err := os.MkdirAll(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		paint(t, folder, map[string]color.Color{file: c})
	}
	return dir
}

var red, green, blue = color.RGBA{250, 10, 20, 255}, color.RGBA{20, 200, 60, 255}, color.RGBA{0, 100, 255, 255} // classes 0, 3 and 2

func TestClassFolders(t *testing.T) {
	dir := tree(t, map[string]color.Color{"b/x.png": red, "A/x.png": red, "ä/x.png": red, "10/x.png": red, "9/deep/er/x.png": red, ".hidden/x.png": red, ".thumb.png": red})
	elsewhere := tree(t, map[string]color.Color{"x.png": red})
	if err := os.WriteFile(filepath.Join(dir, "README"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	want := []string{"10", "9", "A", "b", "ä"} // as Python sorts
	if err := os.Symlink(elsewhere, filepath.Join(dir, "c")); err == nil {
		want = []string{"10", "9", "A", "b", "c", "ä"}
	}
	if got, err := ClassFolders(dir); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	flat := tree(t, map[string]color.Color{"x.png": red, "a/x.png": red})
	if got, err := ClassFolders(flat); err != nil || got != nil {
		t.Errorf("images beside folders: %q, %v", got, err)
	}
	if _, err := ClassFolders(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestRunFolders: the network has six classes.
func TestRunFolders(t *testing.T) {
	six := []string{"red", "green", "blue", "cyan", "magenta", "yellow"}
	for name, c := range map[string]struct {
		images map[string]color.Color
		names  []string
		want   string // the misses, or an error
		top1   float64
	}{
		"in order": {map[string]color.Color{"a/x.png": red, "b/x.png": red, "c/sub/y.png": blue, "c/x.PNG": blue, "d/.x.png": green, "d/.y/x.png": green, "d/x.jpg": green, "e/e.jpeg": blue, "f/notes": red},
			nil, "b/x.png:1 e/e.jpeg:4", 4. / 6},
		"by names": {map[string]color.Color{"yellow/x.png": red, "blue/x.png": blue, "cyan/x.png": green}, six, "yellow/x.png:5", 2. / 3},
		"all names, sorted otherwise than the classes": {map[string]color.Color{"red/x.png": red, "green/x.png": red, "blue/x.png": blue, "cyan/x.png": green, "magenta/x.png": green, "yellow/x.png": red}, six, "green/x.png:1 magenta/x.png:4 yellow/x.png:5", 0.5},
		"other names":           {map[string]color.Color{"n0/x.png": red, "n1/x.png": green, "n2/x.png": blue, "n3/x.png": green, "n4/x.png": red, "n5/x.png": red}, six, "n1/x.png:1 n4/x.png:4 n5/x.png:5", 0.5},
		"too few":               {map[string]color.Color{"a/x.png": red, "b/x.png": red}, nil, "found 2 folders, expected 6, one for each class", 0},
		"too many":              {map[string]color.Color{"0/x.png": red, "1/x.png": red, "2/x.png": red, "3/x.png": red, "4/x.png": red, "5/x.png": red, "6/x.png": red}, nil, "found 7 folders, expected 6", 0},
		"one is no name":        {map[string]color.Color{"red/x.png": red, "pink/x.png": red}, six, `found 2 folders, expected 6, one for each class, or names of the network's classes, and "pink" is none`, 0},
		"two classes of a name": {map[string]color.Color{"red/x.png": red, "blue/x.png": red}, []string{"red", "red", "blue", "", "", ""}, `and "red" is none`, 0},
		"names against the order": {map[string]color.Color{"a/x.png": red, "b/x.png": red, "c/x.png": red, "d/x.png": red, "e/x.png": red, "red/x.png": red}, six,
			`found the folder "red" in position 5, which is the name of class 0, expected names of the network's classes for all folders, and "e" is none`, 0},
		"no images": {map[string]color.Color{"a/.x.png": red}, nil, "found no images in the folder or those in it", 0},
	} {
		dir := tree(t, c.images)
		r, err := Run(t.Context(), Images{Dir: dir, Names: c.names, Preprocess: raw, Engine: colors(t, graph.Symbol("batch"), 1), Batch: 2})
		if err != nil {
			if c.top1 > 0 || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), dir) {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
			continue
		}
		var misses []string
		for _, m := range r.Misses {
			misses = append(misses, filepath.ToSlash(m.File)+":"+string(rune('0'+m.Label)))
		}
		if got := strings.Join(misses, " "); got != c.want || r.Top1 != c.top1 || !r.Labelled {
			t.Errorf("%s: misses %s, top-1 %v, want %s, %v", name, got, r.Top1, c.want, c.top1)
		}
	}
}

// TestRunLinkedFolders: subsets of a data set are often folders of links.
func TestRunLinkedFolders(t *testing.T) {
	set, dir := tree(t, map[string]color.Color{"n1/x.png": red, "n2/x.png": blue}), t.TempDir()
	for link, to := range map[string]string{"red": "n1", "blue": "n2"} {
		if err := os.Symlink(filepath.Join(set, to), filepath.Join(dir, link)); err != nil {
			t.Skip(err)
		}
	}
	r, err := Run(t.Context(), Images{Dir: dir, Names: []string{"red", "green", "blue"}, Preprocess: raw, Engine: colors(t, graph.Symbol("batch"), 1)})
	if err != nil || r.Images != 2 || r.Top1 != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
