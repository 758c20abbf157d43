package outfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Output is a file that a run is going to write.
type Output struct {
	Path string // "" for none
	What string // for messages, such as "the report"
}

// Check makes sure, before any work, that no output of a run replaces a file that the run
// reads or another of its outputs, by whatever names they go: links of both kinds, relative
// paths, other spellings. Of a folder among the inputs every file is read. Standard output
// can be one output only; devices and other pipes are never refused. The error wraps [ErrTarget].
func Check(inputs []string, outputs []Output) error {
	var there []existing
	taken := map[string]Output{}
	for _, o := range outputs {
		if o.Path == "" {
			continue
		}
		info, err := os.Stat(o.Path)
		exists := err == nil
		out := o.Path == stdout || exists && info.Mode()&fs.ModeDevice == 0 && IsStdout(o.Path)
		if !out && exists && !info.Mode().IsRegular() {
			continue // Create says what is wrong with folders
		}
		key := stdout
		if !out {
			if key, err = canonical(o.Path); err != nil {
				return err
			}
		}
		if other, ok := taken[key]; ok {
			return fmt.Errorf("%s: %w: it would be both %s and %s, expected a file for each", o.Path, ErrTarget, other.What, o.What)
		}
		taken[key] = o
		if !out && exists {
			for _, e := range there {
				if os.SameFile(e.info, info) {
					return fmt.Errorf("%s: %w: it is the same file as %s, %s, expected another one for %s", o.Path, ErrTarget, e.Path, e.What, o.What)
				}
			}
			there = append(there, existing{o, info})
		}
	}
	if len(there) == 0 {
		return nil // what does not exist is not read
	}
	for _, in := range inputs {
		info, err := os.Stat(in)
		switch {
		case err != nil: // whoever reads it says so
		case !info.IsDir():
			err = replaced(there, in, info)
		default:
			err = filepath.WalkDir(in+string(filepath.Separator), func(path string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() {
					return nil
				}
				if info, err := os.Stat(path); err == nil {
					return replaced(there, path, info)
				}
				return nil
			})
		}
		if err != nil && info != nil {
			return err
		}
	}
	return nil
}

// existing is an output that replaces a file.
type existing struct {
	Output
	info fs.FileInfo
}

// replaced returns an error where one of the outputs is the input.
func replaced(outputs []existing, input string, info fs.FileInfo) error {
	for _, o := range outputs {
		if os.SameFile(o.info, info) {
			return fmt.Errorf("%s: %w: %s would replace %s, which this run reads; expected another name", o.Path, ErrTarget, o.What, input)
		}
	}
	return nil
}

// canonical returns one name for all names of a file that may not exist yet.
func canonical(path string) (string, error) {
	path, err := resolve(path)
	if err != nil {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	dir, name := filepath.Split(path)
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		name = strings.ToLower(name)
	}
	return filepath.Join(dir, name), nil
}
