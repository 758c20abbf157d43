package cli

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// nearest returns the word that is most likely meant by one that is none of them; empty where none is
// like it.
func nearest(word string, words []string) (best string) {
	word = strings.ToLower(word)
	least := max(len(word)/3, 1) + 1
	for _, w := range words {
		if d := edits(word, w); d < least && d < len(w) {
			best, least = w, d
		}
	}
	return best
}

// edits is how many letters are missing, too many, wrong, or swapped with the next: the optimal string
// alignment distance.
func edits(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			wrong := 1
			if a[i] == b[j] {
				wrong = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+wrong)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

// DidYouMean ends a message about a word that is none of those expected; it is empty where none is like it.
func DidYouMean(word string, words []string) string {
	if w := nearest(word, words); w != "" {
		return fmt.Sprintf("; did you mean %s?", w)
	}
	return ""
}

// CommandNames are those of an app's commands.
func CommandNames(app *cli.App) (names []string) {
	for _, c := range app.Commands {
		names = append(names, c.Name)
	}
	return names
}

// unknownFlag makes an error about a flag say which is meant, or whose it is.
func unknownFlag(app *cli.App, flags []cli.Flag, err error) error {
	name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok {
		return err
	}
	name = strings.TrimLeft(name, "-")
	var known []string
	for _, f := range flags {
		for _, n := range f.Names() {
			if len(n) > 1 {
				known = append(known, n)
			}
		}
	}
	if w := nearest(name, known); w != "" {
		return fmt.Errorf("unknown flag --%s; did you mean --%s?", name, w)
	}
	var of []string
	for _, c := range app.Commands {
		if slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }) {
			of = append(of, c.Name)
		}
	}
	if len(of) > 0 {
		return fmt.Errorf("unknown flag --%s here; it is one of %s", name, strings.Join(of, ", "))
	}
	return fmt.Errorf("unknown flag --%s", name)
}

// unknownWord returns an error where a program's first argument is neither a command nor a file and
// seems to be meant as a command.
func unknownWord(app *cli.App, args []string) error {
	if len(args) == 0 || strings.ContainsAny(args[0], `./\`) {
		return nil
	}
	if _, err := os.Stat(args[0]); err == nil {
		return nil
	}
	if w := nearest(args[0], CommandNames(app)); w != "" {
		return Usagef("%q is neither a command nor a file; did you mean %s?", args[0], w)
	}
	return nil
}

var unknownValue = regexp.MustCompile(`^--([a-z0-9-]+) "([^"]*)": `)

// suggestValue makes an error about a flag's value say which of its choices is meant.
func suggestValue(app *cli.App, err error) error {
	m := unknownValue.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	choices, _ := app.Metadata[Choices].(map[string][]string)
	if text := DidYouMean(m[2], choices[m[1]]); text != "" {
		return fmt.Errorf("%w%s", err, text)
	}
	return err
}
