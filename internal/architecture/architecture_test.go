// Package architecture holds the repository to what CONTRIBUTING.md says of its packages.
package architecture

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/repvit-go/repvit/"

// row is a line of the table: packages, exact or as "folder/…", and what they may import.
type row struct {
	packages, imports []string
	any, above        bool // they may import everything, or everything in the rows above
}

var quoted = regexp.MustCompile("`([^`]+)`")

func quotes(s string) (all []string) {
	for _, m := range quoted.FindAllStringSubmatch(s, -1) {
		all = append(all, m[1])
	}
	return all
}

// table reads the rows of a document.
func table(t *testing.T, text string) (rows []row) {
	t.Helper()
	_, text, ok := strings.Cut(text, "| package | what it is | may import |\n|---|---|---|\n")
	if !ok {
		t.Fatal("no table")
	}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 3 {
			break
		}
		rows = append(rows, row{quotes(cells[0]), quotes(cells[2]),
			strings.TrimSuffix(cells[2], " |") == "everything", strings.Contains(cells[2], "everything above")})
	}
	return rows
}

// find returns the index of a package's row, the one of its exact name before that of its
// folder; -1 for none.
func find(rows []row, pkg string) int {
	for i, r := range rows {
		if slices.Contains(r.packages, pkg) {
			return i
		}
	}
	for ; pkg != "."; pkg = path.Dir(pkg) {
		for i, r := range rows {
			if slices.Contains(r.packages, pkg+"/…") {
				return i
			}
		}
	}
	return -1
}

// wrong returns why a package may not import another, empty where it may. Both are without
// the module's path where they are of it.
func wrong(rows []row, pkg, imported string) string {
	own := !strings.Contains(imported, ".")
	if base, _, ok := strings.Cut(imported, "/internal/"); ok && own && (pkg == base || strings.HasPrefix(pkg, base+"/")) {
		return "" // as Go itself holds it
	}
	if base, _, ok := strings.Cut(pkg, "/internal/"); ok {
		pkg = base
	}
	i := find(rows, pkg)
	if i < 0 {
		return "the package is in no row"
	}
	r := rows[i]
	if r.any || imported == pkg {
		return ""
	}
	if !own {
		if slices.ContainsFunc(r.imports, func(name string) bool { return slices.Contains(strings.Split(imported, "/"), name) }) {
			return ""
		}
		return "its row does not name the library"
	}
	j := find(rows, imported)
	switch {
	case j < 0:
		return "it is in no row"
	case j == 0: // the tools that all may use
		return ""
	case j > i:
		return "it stands below"
	case r.above && j < i:
		return ""
	}
	for _, p := range rows[j].packages {
		if slices.Contains(r.imports, p) && (p == imported || strings.HasSuffix(p, "/…")) {
			return ""
		}
	}
	return "its row does not name it"
}

func TestImports(t *testing.T) {
	text, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := table(t, string(text))
	if len(rows) < 15 {
		t.Fatalf("found %d rows", len(rows))
	}
	list := exec.Command("go", "list", "-tags", "foreign", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...")
	list.Dir, list.Stderr = "../..", os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0], module)
		if pkg == "internal/architecture" {
			continue
		}
		seen[find(rows, pkg)] = true
		for _, w := range words[1:] {
			imported := strings.TrimPrefix(w, module)
			if imported == w && !strings.Contains(strings.Split(w, "/")[0], ".") {
				continue // the standard library
			}
			if why := wrong(rows, pkg, imported); why != "" {
				t.Errorf("%s imports %s: %s in the table of CONTRIBUTING.md", pkg, imported, why)
			}
		}
	}
	for i, r := range rows {
		if !seen[i] {
			t.Errorf("no package is as in the row of %q", r.packages)
		}
		for _, name := range r.imports {
			if j := find(rows, strings.TrimSuffix(name, "/…")); j > i {
				t.Errorf("the row of %q names %q, which stands below", r.packages, name)
			}
		}
	}
}

// TestWrong checks that the test can fail.
func TestWrong(t *testing.T) {
	rows := table(t, "| package | what it is | may import |\n|---|---|---|\n"+
		"| `internal/tool` | x | each other |\n| `graph` | x | standard library |\n| `pytorch` | x | `gopickle` |\n| `model/…` | x | `graph`, `pytorch` |\n| `verify` | x | everything above |\n| `cmd/…` | x | everything |\n")
	for _, c := range []struct {
		pkg, imported string
		right         bool
	}{
		{"graph", "internal/tool", true},
		{"graph", "pytorch", false},
		{"graph", "golang.org/x/sys/unix", false},
		{"pytorch", "graph", false},
		{"pytorch", "github.com/nlpodyssey/gopickle/types", true},
		{"model/repvit", "graph", true},
		{"model/repvit", "verify", false},
		{"graph/internal/x", "pytorch", false},
		{"graph", "graph/internal/x", true},
		{"verify", "model/repvit", true},
		{"verify", "cmd/x", false},
		{"cmd/x", "verify", true},
		{"lost", "graph", false},
	} {
		if why := wrong(rows, c.pkg, c.imported); (why == "") != c.right {
			t.Errorf("%s imports %s: found %q", c.pkg, c.imported, why)
		}
	}
}

// TestNoServer: of the commands only repvit, which has a server, links net/http: it would make the
// others 4 MB larger and slower to start.
func TestNoServer(t *testing.T) {
	for command, want := range map[string]bool{"repvit": true, "repvit-convert": false, "repvit-verify": false} {
		list := exec.Command("go", "list", "-deps", "./cmd/"+command)
		list.Dir, list.Stderr = "../..", os.Stderr
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(strings.Fields(string(out)), "net/http"); got != want {
			t.Errorf("%s links net/http: %v, want %v", command, got, want)
		}
	}
}

// TestStability finds public packages that do not say what stays as it is.
func TestStability(t *testing.T) {
	list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{.Name}} {{.Dir}}`, "./...")
	list.Dir, list.Stderr = "../..", os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0], module)
		if words[1] == "main" || slices.ContainsFunc(strings.Split(pkg, "/"), func(p string) bool { return p == "internal" || p == "cmd" }) {
			continue
		}
		checked++
		files, err := filepath.Glob(filepath.Join(words[2], "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(f string) bool {
			text, err := os.ReadFile(f)
			doc, _, ok := strings.Cut(string(text), "\npackage ")
			return err == nil && ok && strings.Contains(doc, "\n// # Stability\n")
		}) {
			t.Errorf("%s: its documentation says nothing under \"# Stability\"", pkg)
		}
	}
	if checked < 10 {
		t.Errorf("found %d public packages", checked)
	}
}
