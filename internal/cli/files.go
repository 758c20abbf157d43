package cli

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/internal/images"
)

// Inputs returns the files that a command reads besides its arguments: the values of flags
// that are marked with TakesFile, and of folders the images inside.
func Inputs(c *cli.Context) (inputs []string) {
	for _, f := range c.Command.Flags {
		s, ok := f.(*cli.StringFlag)
		if !ok || !s.TakesFile || c.String(s.Name) == "" {
			continue
		}
		path := c.String(s.Name)
		info, err := os.Stat(path)
		switch {
		case err != nil:
			if i := strings.LastIndexByte(path, ':'); i > 0 {
				path = path[:i] // FILE.npz:NAME
			}
			inputs = append(inputs, path)
		case info.IsDir():
			files, _ := images.List(path) // whoever reads them says what is wrong
			inputs = append(inputs, files...)
		default:
			inputs = append(inputs, path)
		}
	}
	return inputs
}

// Outputs are the names of flags that name what a command writes.
func Outputs() []string { return []string{"output", "output-dir", "report"} }

// Unmarked returns the flags of an app whose usage names a file or folder and which are
// neither inputs nor outputs: for tests that none is forgotten.
func Unmarked(app *cli.App) (names []string) {
	for _, f := range slices.Concat(app.Flags, commandFlags(app)) {
		s, ok := f.(*cli.StringFlag)
		if ok && !s.TakesFile && !slices.Contains(Outputs(), s.Name) && filePlaceholder.MatchString(s.Usage) {
			names = append(names, s.Name)
		}
	}
	return names
}

var filePlaceholder = regexp.MustCompile(`\b(FILE|DIR|OTHER|FOLDER|IMAGE)\b`)
