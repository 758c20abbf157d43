package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/urfave/cli/v2"
)

func app(action cli.ActionFunc) *cli.App {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}},
		&cli.IntFlag{Name: "n", Value: 7},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}},
	}
	return &cli.App{Name: "tool", Flags: flags, Action: action, Commands: []*cli.Command{{Name: "run", Flags: flags, Action: action}}}
}

func TestOrder(t *testing.T) {
	tests := []struct{ args, want string }{
		{"in -o out", " out 7 false [in]"},
		{"in -o=out", " out 7 false [in]"},
		{"in --output out -q", " out 7 true [in]"},
		{"--output=out in -n 3 other", " out 3 false [in other]"},
		{"-q -- -o in", "  7 true [-o in]"},
		{"in -- --quiet", "  7 false [in --quiet]"},
		{"run in -o out", "run out 7 false [in]"},
		{"-q run in", "run  7 true [in]"},
		{"-o run in", " run 7 false [in]"},
		{"in -n -3", "  -3 false [in]"},
		{"- -q", "  7 true [-]"},
		{"-q --quiet -o a in --output=b", " b 7 true [in]"},
		{"", "  7 false []"},
	}
	for _, tt := range tests {
		var got string
		a := app(func(c *cli.Context) error {
			name := c.Command.Name
			if name == "tool" {
				name = ""
			}
			got = fmt.Sprintf("%s %s %d %v %v", name, c.String("output"), c.Int("n"), c.Bool("quiet"), c.Args().Slice())
			return nil
		})
		if status := run(t.Context(), a, slices.Concat([]string{"tool"}, strings.Fields(tt.args))); status != StatusOK || got != tt.want {
			t.Errorf("%q: status %d, %q, want %q", tt.args, status, got, tt.want)
		}
	}
}

func TestStatus(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	terminated, stop := context.WithCancelCause(context.Background())
	stop(stopped{syscall.SIGTERM})
	tests := []struct {
		name string
		ctx  context.Context
		args []string
		err  error
		want int
		text string
	}{
		{"success", t.Context(), nil, nil, StatusOK, ""},
		{"failure", t.Context(), nil, errors.New("a\nb\x1b[31m"), StatusFailed, "tool: a b\\u001b[31m\n"},
		{"usage", t.Context(), nil, Usagef("bad"), StatusUsage, "tool: bad (see tool --help)\n"},
		{"wrapped usage", t.Context(), nil, fmt.Errorf("x: %w", Usagef("bad")), StatusUsage, "tool: x: bad (see tool --help)\n"},
		{"unknown flag", t.Context(), []string{"--nope"}, nil, StatusUsage, "tool: unknown flag --nope (see tool --help)\n"},
		{"unknown flag of a command", t.Context(), []string{"run", "--nope"}, nil, StatusUsage, "tool: unknown flag --nope (see tool --help)\n"},
		{"misspelt flag", t.Context(), []string{"run", "--outptu", "x"}, nil, StatusUsage, "tool: unknown flag --outptu; did you mean --output? (see tool --help)\n"},
		{"flag of a command", t.Context(), []string{"--form", "x"}, nil, StatusUsage, "tool: unknown flag --form here; it is one of other (see tool --help)\n"},
		{"misspelt command", t.Context(), []string{"rnu", "x"}, nil, StatusUsage, "tool: \"rnu\" is neither a command nor a file; did you mean run? (see tool --help)\n"},
		{"no command", t.Context(), []string{"model", "x"}, nil, StatusOK, ""},
		{"misspelt value", t.Context(), nil, Usagef("--kind %q: expected apple or pear", "aple"), StatusUsage, "tool: --kind \"aple\": expected apple or pear; did you mean apple? (see tool --help)\n"},
		{"no value", t.Context(), nil, Usagef("--kind %q: expected apple or pear", "stone"), StatusUsage, "tool: --kind \"stone\": expected apple or pear (see tool --help)\n"},
		{"missing value", t.Context(), []string{"in", "-o"}, nil, StatusUsage, "tool: flag -o needs a value (see tool --help)\n"},
		{"differs", t.Context(), nil, ErrDiffers, StatusDiffers, ""},
		{"missed", t.Context(), nil, fmt.Errorf("x: %w", Missed(errors.New("bad"))), StatusDiffers, "tool: x: bad\n"},
		{"interrupted", cancelled, nil, context.Canceled, 130, "tool: interrupted; nothing was written\n"},
		{"terminated", terminated, nil, fmt.Errorf("x: %w", context.Canceled), 143, "tool: interrupted; nothing was written\n"},
		{"failure as JSON", t.Context(), []string{"--json", "a"}, errors.New("a: \x1b"), StatusFailed, `{"schema":1,"results":[],"errors":[{"file":"a","kind":"failed","message":"a: \\u001b"}]}` + "\ntool: a: \\u001b\n"},
		{"usage as JSON", t.Context(), []string{"--json", "--nope"}, nil, StatusUsage, `{"schema":1,"results":[],"errors":[{"kind":"usage","message":"unknown flag --nope (see tool --help)"}]}` + "\ntool: unknown flag --nope (see tool --help)\n"},
		{"no JSON behind --", t.Context(), []string{"--", "--json"}, errors.New("a"), StatusFailed, "tool: a\n"},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		a := app(func(*cli.Context) error { return tt.err })
		a.Flags = append(a.Flags, &cli.BoolFlag{Name: "json"})
		a.Commands = append(a.Commands, &cli.Command{Name: "other", Flags: []cli.Flag{&cli.StringFlag{Name: "form"}}})
		a.Metadata = map[string]any{Choices: map[string][]string{"kind": {"apple", "pear"}}}
		a.Writer, a.ErrWriter = &out, &out
		if got := run(tt.ctx, a, append([]string{"tool"}, tt.args...)); got != tt.want || out.String() != tt.text {
			t.Errorf("%s: status %d, %q, want %d, %q", tt.name, got, out.String(), tt.want, tt.text)
		}
	}
}

// A panic is one line that asks for a report, and the others' exit status.
func TestPanic(t *testing.T) {
	var stderr bytes.Buffer
	a := app(func(*cli.Context) error {
		panic("made\nup")
	})
	a.ErrWriter = &stderr
	status := run(t.Context(), a, []string{"tool", "in"})
	text := stderr.String()
	if status != StatusFailed || strings.Count(text, "\n") != 1 || !strings.Contains(text, "please report it") || !strings.Contains(text, "made up (cli_test.go:") {
		t.Errorf("status %d, %q", status, text)
	}
}

func TestEngine(t *testing.T) {
	for args, want := range map[string]string{"": "0 0", "--threads 2": "2 0", "--threads -1": "usage", "--threads 1025": "usage", "--max-memory 3": "0 3145728", "--max-memory 0": "usage", "--max-memory -5": "usage", "--max-memory 99999999": "usage"} {
		got := ""
		a := &cli.App{Name: "tool", Flags: EngineFlags(), Action: func(c *cli.Context) error {
			threads, memory, err := Engine(c)
			if got = fmt.Sprint(threads, " ", memory); errors.As(err, new(usageError)) {
				got = "usage"
			}
			return nil
		}}
		if status := run(t.Context(), a, append([]string{"tool"}, strings.Fields(args)...)); status != StatusOK || got != want {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
	}
}

func TestProgressIsSilentWithoutTerminal(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out, false, false)
	p.Update("calibration", 1, 2)
	p.Done()
	if out.Len() != 0 {
		t.Errorf("progress wrote %q", out.String())
	}
}

// fullDisk takes no byte.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestFullDisk: what could not be printed is no success, and no difference either.
func TestFullDisk(t *testing.T) {
	for _, result := range []error{nil, ErrDiffers} {
		var stderr bytes.Buffer
		a := app(func(c *cli.Context) error {
			fmt.Fprintln(c.App.Writer, "equal")
			return result
		})
		a.Writer, a.ErrWriter = fullDisk{}, &stderr
		if got, want := run(t.Context(), a, []string{"tool", "in"}), StatusFailed; got != want || stderr.String() != "tool: standard output: no space left on device\n" {
			t.Errorf("%v: status %d, %q, want %d", result, got, stderr.String(), want)
		}
	}
}

// TestResults has the same form for one file and for many.
func TestResults(t *testing.T) {
	type result struct {
		File string `json:"file"`
	}
	for _, c := range []struct {
		results  []result
		problems []Problem
		want     string
	}{
		{nil, nil, `{"schema":1,"results":[],"errors":[]}`},
		{[]result{{"<a>"}}, nil, `{"schema":1,"file":"<a>","results":[{"file":"<a>"}],"errors":[]}`},
		{[]result{{"a"}, {"b"}}, nil, `{"schema":1,"results":[{"file":"a"},{"file":"b"}],"errors":[]}`},
		{[]result{{"a"}}, []Problem{{"b", "failed", "b: no"}}, `{"schema":1,"results":[{"file":"a"}],"errors":[{"file":"b","kind":"failed","message":"b: no"}]}`},
	} {
		var b bytes.Buffer
		if err := PrintResults(&b, c.results, c.problems); err != nil || b.String() != c.want+"\n" {
			t.Errorf("%v, %swant %s", err, b.String(), c.want)
		}
	}
	if err := PrintJSON(&bytes.Buffer{}, []int{1}); err == nil {
		t.Error("a list has no place for the schema's version, and no error")
	}
}

func TestNearest(t *testing.T) {
	for words, want := range map[string]int{"run run": 0, "rnu run": 1, "ru run": 1, "runs run": 1, "ran run": 1, "benhc bench": 1, "inspcet inspect": 1, "abc xyz": 3, "ca abc": 3} {
		a, b, _ := strings.Cut(words, " ")
		if got := edits(a, b); got != want || edits(b, a) != want {
			t.Errorf("%s: %d and %d edits, want %d", words, got, edits(b, a), want)
		}
	}
	for word, want := range map[string]string{"rnu": "run", "Bench": "bench", "presict": "predict", "model": "", "x": "", "": ""} {
		if got := nearest(word, []string{"run", "bench", "predict"}); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestProgressLines(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out, true, true)
	for done := range 1001 {
		p.Update("images", done, 1000)
	}
	p.Update("write\n", 0, 1)
	p.Done()
	lines := strings.SplitAfter(out.String(), "\n")
	if n := len(lines); n != 103 || lines[0] != "progress: images 0/1000\n" || lines[100] != "progress: images 1000/1000\n" || lines[101] != "progress: write  0/1\n" {
		t.Errorf("%d lines: %q", n, lines)
	}
}
