// Package cmd holds the tests of the commands: stories in testdata, and every command that
// the documentation shows.
package cmd

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/repvit-go/repvit/internal/app/convertcmd"
	"github.com/repvit-go/repvit/internal/app/repvitcmd"
	"github.com/repvit-go/repvit/internal/app/verifycmd"
	"github.com/repvit-go/repvit/internal/torchtest"
)

// TestMain puts the commands into the path: copies of this program that run as one of them.
// So what the tests run is built from the sources that the cache of go test looks at.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"repvit":         func() { os.Exit(repvitcmd.Main()) },
		"repvit-convert": func() { os.Exit(convertcmd.Main()) },
		"repvit-verify":  func() { os.Exit(verifycmd.Main()) },
	})
}

// setup gives a script under testdata the repository's checkpoints and under sample the
// documentation's images; $PREPROCESS is where the images of that package's tests are.
func setup(env *testscript.Env) error {
	preprocess, err := filepath.Abs("../preprocess/testdata")
	if err != nil {
		return err
	}
	env.Setenv("PREPROCESS", preprocess)
	for name, folder := range map[string]string{"testdata": "../testdata", "sample": "../docs/sample"} {
		data, err := filepath.Abs(folder)
		if err != nil {
			return err
		}
		if err := os.Symlink(data, filepath.Join(env.WorkDir, name)); err != nil {
			return err
		}
	}
	return nil
}

var update = flag.Bool("update", false, "write what stories compare with, instead of comparing")

func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		UpdateScripts: *update,
		Dir:           "testdata",
		Setup:         setup,
		Condition: func(cond string) (bool, error) {
			if device, ok := strings.CutPrefix(cond, "device:"); ok {
				_, err := os.Stat(device)
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			// status N COMMAND… runs a command whose exit status must be N.
			"status": func(ts *testscript.TestScript, neg bool, args []string) {
				err := ts.Exec(args[1], args[2:]...)
				got := 0
				if e, ok := err.(*exec.ExitError); ok {
					got = e.ExitCode()
				} else if err != nil {
					ts.Fatalf("%v", err)
				}
				if fmt.Sprint(got) != args[0] {
					ts.Fatalf("exit status %d, want %s", got, args[0])
				}
			},
			// checkpoint FILE CHANNELS writes one that takes images of so many channels.
			"checkpoint": func(ts *testscript.TestScript, neg bool, args []string) {
				network := torchtest.Tiny()
				var err error
				network.Channels, err = strconv.Atoi(args[1])
				ts.Check(err)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), torchtest.CheckpointOf("model", network.StateDict()), 0o666))
			},
			// oneline FILE fails unless the file holds exactly one line.
			"oneline": func(ts *testscript.TestScript, neg bool, args []string) {
				text := ts.ReadFile(args[0])
				if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
					ts.Fatalf("%s is not one line:\n%s", args[0], text)
				}
			},
			// fields JSON TO writes what an object has, sorted: a line for each field with its type.
			"fields": func(ts *testscript.TestScript, neg bool, args []string) {
				ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(jsonFields(ts, ts.ReadFile(args[0])), "\n")+"\n"), 0o666))
			},
			// documented SECTION JSON fails unless a table of this section of docs/json.md has all fields.
			"documented": func(ts *testscript.TestScript, neg bool, args []string) {
				page, err := os.ReadFile("../docs/json.md")
				ts.Check(err)
				_, section, ok := strings.Cut(string(page), "\n## "+args[0]+"\n")
				if !ok {
					ts.Fatalf("docs/json.md has no section %q", args[0])
				}
				section, _, _ = strings.Cut(section, "\n## ")
				for _, field := range jsonFields(ts, ts.ReadFile(args[1])) {
					name, kind, _ := strings.Cut(strings.TrimPrefix(field, "results[]."), " ")
					switch {
					case name == "schema", strings.HasPrefix(name, "errors"), name == "results", strings.HasPrefix(name, "results[]"):
					case !strings.Contains(section, "\n| `"+name+"` |"):
						ts.Fatalf("docs/json.md does not say under %q what %s (%s) is", args[0], name, kind)
					}
				}
			},
			// alone DIR fails unless the folder holds just the files named.
			"alone": func(ts *testscript.TestScript, neg bool, args []string) {
				entries, err := os.ReadDir(ts.MkAbs(args[0]))
				ts.Check(err)
				var names []string
				for _, e := range entries {
					names = append(names, e.Name())
				}
				if got, want := strings.Join(names, " "), strings.Join(args[1:], " "); got != want {
					ts.Fatalf("%s holds %q, want %q", args[0], got, want)
				}
			},
		},
	})
}

// free are fields whose names are data.
var free = regexp.MustCompile(`^(results\[\]\.)?(metadata|dtypes)\.[^ ]+`)

// jsonFields returns the fields of one JSON object, sorted, each with its type. A field of results that
// stands in the object itself as well is not told twice.
func jsonFields(ts *testscript.TestScript, text string) []string {
	var all []string
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, v := range v {
				walk(strings.TrimPrefix(name+"."+k, "."), v)
			}
			return
		case []any:
			for _, v := range v {
				walk(name+"[]", v)
			}
			if len(v) == 0 {
				all = append(all, name+" array")
			}
			return
		}
		kind := map[string]string{"<nil>": "null", "float64": "number", "string": "string", "bool": "boolean"}[fmt.Sprintf("%T", v)]
		all = append(all, free.ReplaceAllString(name, "$1$2.NAME")+" "+kind)
	}
	var object map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	ts.Check(d.Decode(&object))
	if d.More() {
		ts.Fatalf("more than one JSON object: %s", text)
	}
	walk("", object)
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(field string) bool { // those of an only result stand above it, too
		own, ok := strings.CutPrefix(field, "results[].")
		return ok && slices.Contains(all, own)
	})
}

// TestDocumentedCommands runs every block marked "console" or "sh" of the documentation, by
// the rules that docs/README.md gives.
func TestDocumentedCommands(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the documentation shows a POSIX shell")
	}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no documentation: %v", err)
	}
	repository, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../README.md") {
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			dir, home := t.TempDir(), t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("../docs/sample")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(repository, "testdata"), filepath.Join(dir, "testdata")); err != nil {
				t.Fatal(err)
			}
			env := append(os.Environ(), "REPO="+repository)
			for _, c := range documentedCommands(string(text)) {
				cmd := exec.Command(c.shell, "-ec", c.text)
				cmd.Dir, cmd.Env = dir, env
				if c.shell == "bash" { // go build keeps its caches where it knows them from the real one
					cmd.Env = append(append([]string{"GOCACHE=" + goEnv("GOCACHE"), "GOMODCACHE=" + goEnv("GOMODCACHE")}, env...), "HOME="+home, "XDG_DATA_HOME=")
				}
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if err != nil && !errors.As(err, &exit) {
					t.Fatal(err)
				}
				if got := cmd.ProcessState.ExitCode(); got != c.status {
					t.Fatalf("$ %s\n%sexit status %d, want %d", c.text, out, got, c.status)
				}
			}
		})
	}
}

func goEnv(name string) string {
	out, _ := exec.Command("go", "env", name).Output()
	return strings.TrimSpace(string(out))
}

// documented is a command, or a block of them, that a page shows.
type documented struct {
	shell  string
	text   string
	status int
}

// documentedCommands returns the commands of a page. In blocks marked "console" they begin
// with "$ ", a trailing backslash continues one, and a line "exit status N" says how it ends.
// Blocks marked "sh" are scripts, behind what a comment "<!-- before: … -->" above them says.
func documentedCommands(page string) (commands []documented) {
	const console, script = "```console", "```sh"
	block, before := "", ""
	for line := range strings.SplitSeq(page, "\n") {
		line = strings.TrimSpace(line)
		last := len(commands) - 1
		switch {
		case block == "" && strings.HasPrefix(line, "<!-- before: "):
			before = strings.TrimSuffix(strings.TrimPrefix(line, "<!-- before: "), " -->") + "\n"
		case block == "" && (line == console || line == script):
			if block = line; block == script {
				commands = append(commands, documented{shell: "bash", text: before})
			}
			before = ""
		case block == "" && strings.HasPrefix(line, "```"):
			block = line
		case line == "```":
			block = ""
		case block == script:
			commands[last].text += line + "\n"
		case block != console:
		case strings.HasPrefix(line, "$ "):
			commands = append(commands, documented{shell: "sh", text: line[2:]})
		case last >= 0 && strings.HasSuffix(commands[last].text, "\\"):
			commands[last].text += "\n" + line
		case last >= 0 && strings.HasPrefix(line, "exit status "):
			fmt.Sscanf(line, "exit status %d", &commands[last].status)
		}
	}
	return commands
}

func TestDocumentedCommandsAreFound(t *testing.T) {
	page := "# T\n<!-- before: pip() { :; } -->\n```sh\npip install x\nls\n```\n```go\n$ no\n```\n  ```console\n  $ a \\\n    b\n  c\n  $ d\n  exit status 3\n  ```\n```sh\ne\n```\n"
	want := []documented{
		{"bash", "pip() { :; }\npip install x\nls\n", 0}, {"sh", "a \\\nb", 0}, {"sh", "d", 3}, {"bash", "e\n", 0},
	}
	if got := documentedCommands(page); !slices.Equal(got, want) {
		t.Errorf("found %+v, want %+v", got, want)
	}
}
