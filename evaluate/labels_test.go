package evaluate

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseLabels(t *testing.T) {
	for name, text := range map[string]string{
		"plain":          "file,label\na.png,0\nsub/b.png,4\n",
		"no last break":  "file,label\na.png,0\nsub/b.png,4",
		"windows":        "file,label\r\na.png,0\r\nsub/b.png,4\r\n",
		"byte order":     "\ufefffile,label\na.png,0\nsub/b.png,4\n",
		"quotes":         "\"file\",\"label\"\n\"a.png\",\"0\"\n\"sub/b.png\",4\n",
		"spaces, blanks": " file , label \n\na.png, 0\nsub/b.png,4 \n\n",
	} {
		got, err := ParseLabels("l.csv", []byte(text), 5, nil)
		if err != nil || !slices.Equal(got, []Label{{"a.png", 0}, {"sub/b.png", 4}}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	got, err := ParseLabels("l.csv", []byte("file,label\n\"a, \"\"b\"\".png\",999\n"), 0, nil)
	if err != nil || !slices.Equal(got, []Label{{`a, "b".png`, 999}}) {
		t.Errorf("quotes in a name: %v, %v", got, err)
	}
}

func TestParseLabelsColumnsAndNames(t *testing.T) {
	names := []string{"cat", "dog", "crane", "crane", "3"}
	for _, c := range []struct {
		text  string
		class int
		err   string
	}{
		{"label,file\n4,a.png\n", 4, ""},
		{",Filename,split,Class\n0,a.png,val,4\n", 4, ""},
		{"target,id,path\n4,x,a.png\n", 4, ""},
		{"image,label\na.png, 3 \n", 0, "l.csv:2: malformed labels: found the label \"3\", which is the index of one class and the name of another, 4"},
		{"image,label\na.png,dog\n", 1, ""},
		{"image,label\na.png,Dog\n", 0, `l.csv:2: malformed labels: found the label "Dog", expected the index of a class, or a name that one of the network's classes has`},
		{"image,label\na.png,crane\n", 0, `found the label "crane"`},
		{"image,label\na.png,\n", 0, `found the label ""`},
		{"file,label,class\na.png,1,dog\n", 0, `found the header "file,label,class"`},
		{"file,path,label\na.png,a.png,1\n", 0, `found the header "file,path,label"`},
		{"file,name,label\na.png,1\n", 0, "l.csv:2: malformed labels: found 2 columns, expected 3, as many as in the header"},
	} {
		got, err := ParseLabels("l.csv", []byte(c.text), 5, names)
		if c.err != "" {
			if !errors.Is(err, ErrLabels) || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v, %v, want %s", c.text, got, err, c.err)
			}
		} else if err != nil || !slices.Equal(got, []Label{{"a.png", c.class}}) {
			t.Errorf("%q: %v, %v, want class %d", c.text, got, err, c.class)
		}
	}
	// A number that is no index can only be a name.
	if got, err := ParseLabels("l.csv", []byte("file,label\na.png,7\n"), 2, []string{"5", "7"}); err != nil || got[0].Class != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestParseLabelsErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                               `l.csv:1: malformed labels: found nothing, expected the header "file,label"`,
		"a.png,0\n":                      `l.csv:1: malformed labels: found the header "a.png,0", expected "file,label": one column of file, image, filename, path, and one of label, class, target`,
		"file\n":                         `l.csv:1: malformed labels: found the header "file", expected "file,label": one column of file, image, filename, path, and one of label, class, target`,
		"file,label\n":                   `l.csv:2: malformed labels: found no images, expected lines of "file,label"`,
		"file,label\na.png,1,2\n":        `l.csv:2: malformed labels: found 3 columns, expected 2, as many as in the header`,
		"file,label\n\na.png,cat\n":      `l.csv:3: malformed labels: found the label "cat", expected the index of a class`,
		"file,label\na.png,-1\n":         `l.csv:2: malformed labels: found the label "-1", expected the index of a class`,
		"file,label\na.png,1.0\n":        `l.csv:2: malformed labels: found the label "1.0", expected the index of a class`,
		"file,label\na.png,1e99\n":       `l.csv:2: malformed labels: found the label "1e99", expected the index of a class`,
		"file,label\na.png,4\nb.png,5\n": `l.csv:3: malformed labels: found the label 5, expected one below 5, the number of classes`,
		"file,label\n../a.png,1\n":       `l.csv:2: malformed labels: found the file "../a.png", expected a path inside the folder of images`,
		"file,label\n/etc/passwd,1\n":    `l.csv:2: malformed labels: found the file "/etc/passwd", expected a path inside the folder of images`,
		"file,label\n,1\n":               `l.csv:2: malformed labels: found the file "", expected a path inside the folder of images`,
		"file,label\na\x00.png,1\n":      `l.csv:2: malformed labels: found the file "a\x00.png", expected a path inside the folder of images`,
		"file,label\n\"a.png,1\n":        `l.csv:2: malformed labels: found extraneous or missing " in quoted-field, expected comma-separated values`,
		"file,label\na\"b.png,1\n":       `l.csv:2: malformed labels: found bare " in non-quoted-field, expected comma-separated values`,
		"file,label\nx.png,1\n" + strings.Repeat("a", 5000): `l.csv:3: malformed labels: found a line of more than 4096 bytes, expected "file,label"`,
	} {
		_, err := ParseLabels("l.csv", []byte(text), 5, nil)
		if !errors.Is(err, ErrLabels) || err.Error() != want {
			t.Errorf("%.40q:\nfound %v\nwant  %v", text, err, want)
		}
	}
}

func FuzzParseLabels(f *testing.F) {
	f.Add([]byte("file,label\na.png,0\nsub/b.png,4\n"), 5)
	f.Add([]byte("\ufeff\"file\",label\r\n\"a\"\"\n.png\",0\r\n"), 0)
	f.Add([]byte("file,label\n../x,1"), 1)
	f.Fuzz(func(t *testing.T, data []byte, classes int) {
		labels, err := ParseLabels("l.csv", data, classes, nil)
		if err != nil {
			if !errors.Is(err, ErrLabels) || strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("error %q", err)
			}
			return
		}
		if len(labels) == 0 {
			t.Fatal("neither labels nor an error")
		}
		for _, l := range labels {
			if !filepath.IsLocal(l.File) || l.Class < 0 || classes > 0 && l.Class >= classes {
				t.Fatalf("%+v of %d classes", l, classes)
			}
		}
	})
}
