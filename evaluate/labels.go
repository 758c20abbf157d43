package evaluate

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
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

// ParseLabels decodes a labels file: comma-separated values (RFC 4180) in UTF-8 with the
// header "file,label", and on every line the path of an image, relative to the folder of
// images and inside it, and the index of its class, below classes if that is not zero.
// Lines are at most 4096 bytes long. The error wraps [ErrLabels] and begins with
// "NAME:LINE: ".
func ParseLabels(name string, data []byte, classes int) ([]Label, error) {
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
	header, err := r.Read()
	if err == io.EOF {
		return nil, bad(1, "found nothing, expected the header \"file,label\"")
	}
	var labels []Label
	for ; err == nil; header, err = r.Read() {
		line, _ := r.FieldPos(0)
		if len(header) != 2 {
			return nil, bad(line, "found %d columns, expected 2: file,label", len(header))
		}
		file, text := header[0], strings.TrimSpace(header[1])
		if labels == nil {
			if strings.TrimSpace(file) != "file" || text != "label" {
				return nil, bad(line, "found the header %q, expected \"file,label\"", clip(file+","+text))
			}
			labels = []Label{}
			continue
		}
		if !filepath.IsLocal(file) || strings.ContainsRune(file, 0) {
			return nil, bad(line, "found the file %q, expected a path inside the folder of images", clip(file))
		}
		class, err := strconv.Atoi(text)
		switch {
		case err != nil || class < 0:
			return nil, bad(line, "found the label %q, expected the index of a class", clip(text))
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
