package convertcmd

import (
	"bufio"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/repvit-go/repvit/internal/infile"
)

// Bounds on a file of labels.
const (
	maxLabels    = 1 << 20
	maxLabelLine = 4096
)

// readLabels reads one class name a line; nil for no file. Blank lines at the end are
// dropped, others are names that are missing.
func readLabels(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	f, err := infile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var labels []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLabelLine)
	blank := 0 // line number of the first blank line since the last name
	for lines.Scan() {
		n := len(labels) + 1
		text := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		switch {
		case n > maxLabels:
			return nil, fmt.Errorf("%s:%d: found more than %d labels", path, n, maxLabels)
		case !utf8.ValidString(text):
			return nil, fmt.Errorf("%s:%d: found bytes that are not UTF-8", path, n)
		case text == "" && blank == 0:
			blank = n
		case text != "" && blank != 0:
			return nil, fmt.Errorf("%s:%d: found an empty line, expected a class name", path, blank)
		}
		labels = append(labels, text)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w, expected class names of at most %d bytes", path, len(labels)+1, err, maxLabelLine)
	}
	if blank != 0 {
		labels = labels[:blank-1]
	}
	if len(labels) == 0 {
		return nil, fmt.Errorf("%s: found no labels, expected one class name a line", path)
	}
	return labels, nil
}
