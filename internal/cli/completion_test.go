package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func completing() *cli.App {
	a := app(nil)
	a.Flags = append(a.Flags, &cli.StringFlag{Name: "form", Usage: "`FORM` of it"})
	a.Metadata = map[string]any{Choices: map[string][]string{"form": {"round", "square"}}}
	return a
}

func TestComplete(t *testing.T) {
	tests := []struct{ words, want string }{
		{"", "completion licenses run *"}, // words between bars; the last is being completed
		{"ru", "run *"},
		{"--o", "--output"},
		{"-", "--form --help -n --output --quiet --version -o -q"},
		{"run|--", "--help --output --quiet"},
		{"-q|run|--ou", "--output"},
		{"-o|run|--f", "--form"}, // run is the value of -o
		{"in|", "*"},
		{"-o|x", "*"},
		{"-o|--", "*"},
		{"--output=x", "*"},
		{"-n|", ""},
		{"--form|r", "round"},
		{"--form=s", "square"},
		{"--form|=|s", "square"},
		{"--form|=", "round square"},
		{"--form|=|round|--ou", "--output"},
		{"--nope|", "completion licenses run *"},
		{"--nope=", ""},
		{"--|--o", "*"},
		{"in|--|--o", "*"},
		{completionName + "|", "bash fish zsh"},
		{completionName + "|f", "fish"},
		{completionName + "|fish|", ""},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		a := completing()
		a.Writer = &out
		if status := run(t.Context(), a, slices.Concat([]string{"tool"}, strings.Split(tt.words, "|"), []string{completionFlag})); status != StatusOK {
			t.Errorf("%q: status %d", tt.words, status)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			got = append(got, word)
		}
		// The order says nothing to a shell.
		want := strings.Fields(tt.want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", tt.words, got, want)
		}
	}
}

func TestCompletionsAreDescribed(t *testing.T) {
	var out bytes.Buffer
	if err := writeCompletions(&out, completing(), []string{"--fo"}); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "--form\tFORM of it\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range shells() {
		var out bytes.Buffer
		a := app(nil)
		a.Name, a.Writer = "my-tool", &out
		if status := run(t.Context(), a, []string{"my-tool", "completion", shell}); status != StatusOK {
			t.Fatalf("%s: status %d", shell, status)
		}
		text := out.String()
		for _, want := range []string{"_my_tool", "my-tool", completionFlag} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", shell, want, text)
			}
		}
		for _, left := range []string{"NAME", "FUNCTION"} {
			if strings.Contains(text, left) {
				t.Errorf("%s: %q was not replaced", shell, left)
			}
		}
	}
}
