package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
		{"unknown flag", t.Context(), []string{"--nope"}, nil, StatusUsage, "tool: flag provided but not defined: -nope (see tool --help)\n"},
		{"unknown flag of a command", t.Context(), []string{"run", "--nope"}, nil, StatusUsage, "tool: flag provided but not defined: -nope (see tool --help)\n"},
		{"missing value", t.Context(), []string{"in", "-o"}, nil, StatusUsage, "tool: flag -o needs a value (see tool --help)\n"},
		{"differs", t.Context(), nil, ErrDiffers, StatusFailed, ""},
		{"interrupted", cancelled, nil, context.Canceled, StatusFailed, "tool: interrupted; nothing was written\n"},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		a := app(func(*cli.Context) error { return tt.err })
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
