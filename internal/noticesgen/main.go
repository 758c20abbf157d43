// Command noticesgen writes the licences of all that the commands link: Go's own and those
// of the modules, for every system and processor that they are built for.
//
//	go run ./internal/noticesgen FILE
package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: noticesgen FILE")
		os.Exit(2)
	}
	text, err := notices()
	if err == nil {
		err = os.WriteFile(os.Args[1], text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "noticesgen:", err)
		os.Exit(1)
	}
}

func notices() ([]byte, error) {
	modules := map[string]string{} // folders by module and version
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, processor := range []string{"amd64", "arm64"} {
			cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}", "github.com/repvit-go/repvit/cmd/...")
			cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+processor, "CGO_ENABLED=0")
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				return nil, err
			}
			for line := range strings.Lines(string(out)) {
				if name, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
					modules[name] = dir
				}
			}
		}
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("The commands of this project contain the software below, under the licences that follow each name.\n")
	if err := add(&b, "The Go standard library and runtime", strings.TrimSpace(string(root))); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		if err := add(&b, name, modules[name]); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// add appends the licence files of a folder.
func add(b *bytes.Buffer, name, dir string) error {
	fmt.Fprintf(b, "\n%s\n\n%s\n", strings.Repeat("=", 80), name)
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		upper := strings.ToUpper(e.Name())
		if e.IsDir() || !slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE"}, func(s string) bool { return strings.Contains(upper, s) }) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		found = true
		fmt.Fprintf(b, "\n%s\n", strings.TrimRight(strings.ReplaceAll(string(text), "\r\n", "\n"), " \n"))
	}
	if !found {
		return fmt.Errorf("%s: found no licence in %s", name, dir)
	}
	return nil
}
