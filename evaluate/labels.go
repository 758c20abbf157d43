package evaluate

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrLabels is wrapped by errors about a labels file.
var ErrLabels = errors.New("malformed labels")

// Label is one line of a labels file.
type Label struct {
	File  string // relative to the folder of images
	Class int    // index in the logits
}

// Limits of a labels file.
const (
	maxLine   = 4 << 10 // bytes of a line
	maxLabels = 1 << 24 // lines
)

// Names of the columns of a labels file, in any case.
var (
	fileColumns  = []string{"file", "image", "filename", "path"}
	labelColumns = []string{"label", "class", "target"}
)

// ParseLabels decodes a labels file: comma-separated values (RFC 4180) in UTF-8. The header names
// a column "file", "image", "filename" or "path", and one "label", "class" or "target"; others do
// not count. Every line has the path of an image, relative to the folder of images and inside it,
// and its class: the index, below classes if that is not zero, or one of the names, which may be
// nil. A number that is the index of one class and the name of another is refused.
// Lines are at most 4096 bytes long. The error wraps [ErrLabels] and begins with
// "NAME:LINE: ".
func ParseLabels(name string, data []byte, classes int, names []string) ([]Label, error) {
	bad := func(line int, format string, args ...any) error {
		return fmt.Errorf("%s:%d: %w: %s", name, line, ErrLabels, fmt.Sprintf(format, args...))
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if n, long := longLine(data); long {
		return nil, bad(n, "found a line of more than %d bytes, expected \"file,label\"", maxLine)
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	fields, err := r.Read()
	if err == io.EOF {
		return nil, bad(1, "found nothing, expected the header \"file,label\"")
	}
	known := byName(names)
	var labels []Label
	var columns, fileAt, labelAt int
	for ; err == nil; fields, err = r.Read() {
		line, _ := r.FieldPos(0)
		if labels == nil {
			columns, fileAt, labelAt = len(fields), column(fields, fileColumns), column(fields, labelColumns)
			if fileAt < 0 || labelAt < 0 {
				return nil, bad(line, "found the header %q, expected \"file,label\": one column of %s, and one of %s",
					clip(strings.Join(fields, ",")), strings.Join(fileColumns, ", "), strings.Join(labelColumns, ", "))
			}
			labels = []Label{}
			continue
		}
		if len(fields) != columns {
			return nil, bad(line, "found %d columns, expected %d, as many as in the header", len(fields), columns)
		}
		file, text := fields[fileAt], strings.TrimSpace(fields[labelAt])
		if !filepath.IsLocal(file) || strings.ContainsRune(file, 0) {
			return nil, bad(line, "found the file %q, expected a path inside the folder of images", clip(file))
		}
		class, err := strconv.Atoi(text)
		named, isName := known[text]
		switch {
		case isName && named != class && err == nil && class >= 0 && (classes == 0 || class < classes):
			return nil, bad(line, "found the label %q, which is the index of one class and the name of another, %d, expected a label that is not both; a folder of images for each class goes by names", clip(text), named)
		case isName:
			class = named
		case err != nil && names != nil:
			return nil, bad(line, "found the label %q, expected the index of a class, or a name that one of the network's classes has", clip(text))
		case err != nil || class < 0:
			return nil, bad(line, "found the label %q, expected the index of a class", clip(text))
		}
		switch {
		case classes > 0 && class >= classes:
			return nil, bad(line, "found the label %d, expected one below %d, the number of classes", class, classes)
		case len(labels) == maxLabels:
			return nil, bad(line, "found more than %d images", maxLabels)
		}
		labels = append(labels, Label{file, class})
	}
	var parse *csv.ParseError
	switch {
	case errors.As(err, &parse):
		return nil, bad(parse.Line, "found %v, expected comma-separated values", parse.Err)
	case err != io.EOF:
		return nil, fmt.Errorf("%s: %w: %w", name, ErrLabels, err)
	case len(labels) == 0:
		return nil, bad(2, "found no images, expected lines of \"file,label\"")
	}
	return labels, nil
}

// column returns the place of the only field that is one of the names, −1 for none or several.
func column(header, names []string) int {
	is := func(field string) bool { return slices.Contains(names, strings.ToLower(strings.TrimSpace(field))) }
	at := slices.IndexFunc(header, is)
	if at >= 0 && slices.ContainsFunc(header[at+1:], is) {
		return -1
	}
	return at
}

// longLine returns the first line that is longer than maxLine.
func longLine(data []byte) (number int, found bool) {
	for number = 1; len(data) > 0; number++ {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			end = len(data)
		}
		if end > maxLine {
			return number, true
		}
		data = data[min(end+1, len(data)):]
	}
	return 0, false
}

// clip shortens text that is quoted in an error.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
