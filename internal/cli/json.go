package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/internal/printable"
)

// Schema is the version of all that is printed with --json: fields are added under the same
// version, and renamed or removed under another. docs/json.md says what they mean.
const Schema = 1

// PrintJSON writes one JSON object, v with the version of the schema before its fields, and a
// newline.
func PrintJSON(w io.Writer, v any) error {
	object, err := Merge(map[string]int{"schema": Schema}, v)
	if err == nil {
		_, err = w.Write(append(object, '\n'))
	}
	return err
}

// PrintResults writes the one form of commands that take several files: an object with the results,
// and the problems of files that have none. Of an only file the fields stand in the object itself,
// too.
func PrintResults[T any](w io.Writer, results []T, problems []Problem) error {
	all := struct {
		Results []T       `json:"results"`
		Errors  []Problem `json:"errors"`
	}{append([]T{}, results...), append([]Problem{}, problems...)}
	if len(results) != 1 || len(problems) > 0 {
		return PrintJSON(w, all)
	}
	object, err := Merge(results[0], all)
	if err != nil {
		return err
	}
	return PrintJSON(w, object)
}

// Merge returns the JSON object with the fields of several values that are objects.
func Merge(values ...any) (json.RawMessage, error) {
	var fields [][]byte
	for _, v := range values {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			return nil, err
		}
		text := bytes.TrimSpace(b.Bytes())
		if len(text) < 2 || text[0] != '{' {
			return nil, fmt.Errorf("%T is no JSON object", v)
		}
		if inside := text[1 : len(text)-1]; len(inside) > 0 {
			fields = append(fields, inside)
		}
	}
	return slices.Concat([]byte{'{'}, bytes.Join(fields, []byte{','}), []byte{'}'}), nil
}

// Problem is an error as JSON.
type Problem struct {
	File    string `json:"file,omitempty"` // the argument that it is about, where it is about one
	Kind    string `json:"kind"`           // "usage", "failed", "missed" or "interrupted"
	Message string `json:"message"`
}

// problem is the one that ends a command. Errors name the file first that they are about.
func problem(err error, kind string, args []string) Problem {
	p := Problem{Kind: kind, Message: printable.Line(err.Error())}
	for _, a := range args[1:] {
		if a != "" && a[0] != '-' && strings.HasPrefix(p.Message, a+": ") {
			p.File = a
		}
	}
	return p
}

// asksJSON reports whether the flag --json is among arguments, which need not be right.
func asksJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.ContainsFunc(args, func(a string) bool { return a == "--json" || a == "-json" || a == "--json=true" })
}

// Failures collects what goes wrong with some of several files, which does not stop the others.
type Failures struct {
	Problems []Problem
	c        *cli.Context
	what     string
	total    int
}

// NewFailures is for so many files, of which messages speak as "checkpoints" or the like.
func NewFailures(c *cli.Context, what string, total int) *Failures {
	return &Failures{c: c, what: what, total: total}
}

// Add notes an error about a file. It returns one that the command is to end with: that of an only
// file, or of any once the command is interrupted.
func (f *Failures) Add(path string, err error) error {
	if f.total == 1 || f.c.Context.Err() != nil {
		return err
	}
	err = fileFirst(err)
	kind := "failed"
	if errors.As(err, new(missedError)) {
		kind = "missed"
	}
	f.Problems = append(f.Problems, Problem{File: path, Kind: kind, Message: printable.Line(err.Error())})
	return nil
}

// Err lists the errors, one a line, and returns what the command ends with; nil where there are
// none.
func (f *Failures) Err() error {
	if len(f.Problems) == 0 {
		return nil
	}
	missed := true
	for _, p := range f.Problems {
		fmt.Fprintf(f.c.App.ErrWriter, "%s: %s\n", f.c.App.Name, p.Message)
		missed = missed && p.Kind == "missed"
	}
	err := fmt.Errorf("%d of %d %s failed", len(f.Problems), f.total, f.what)
	if missed {
		return Missed(err)
	}
	return err
}
