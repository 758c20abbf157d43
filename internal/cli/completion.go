package cli

import (
	_ "embed"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Choices is the key of an app's Metadata under which it lists what its flags may be, as
// map[string][]string by name; flags that are not there take numbers or file names.
const Choices = "choices"

// completionFlag as the last argument asks for completions of the one before it: the
// scripts of the completion command call the program so.
const completionFlag = "--generate-bash-completion"

const completionName = "completion"

// otherFiles is what [complete] returns, beside words, where file names may stand.
const otherFiles = "*"

//go:embed completion.bash
var bashScript string

//go:embed completion.zsh
var zshScript string

//go:embed completion.fish
var fishScript string

var scripts = map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}

func shells() []string { return slices.Sorted(maps.Keys(scripts)) }

// completionCommand prints the script that makes a shell complete the app's arguments.
func completionCommand(app *cli.App) *cli.Command {
	return &cli.Command{
		Name:      completionName,
		Usage:     "print a script for shells that completes arguments",
		UsageText: app.Name + " completion bash|fish|zsh",
		Description: strings.ReplaceAll(`For one session:
  bash  source <(NAME completion bash)
  fish  NAME completion fish | source
  zsh   source <(NAME completion zsh)    after compinit`, "NAME", app.Name),
		Action: func(c *cli.Context) error {
			script, ok := scripts[c.Args().First()]
			if !ok || c.Args().Len() != 1 {
				return Usagef("completion for %q: expected one of %s", strings.Join(c.Args().Slice(), " "), strings.Join(shells(), ", "))
			}
			name := c.App.Name
			_, err := io.WriteString(c.App.Writer, strings.NewReplacer("NAME", name, "FUNCTION", "_"+strings.ReplaceAll(name, "-", "_")).Replace(script))
			return err
		},
	}
}

// writeCompletions prints a candidate a line, with a tab and its description where it has
// one.
func writeCompletions(w io.Writer, app *cli.App, words []string) error {
	for _, c := range complete(app, words) {
		if _, err := fmt.Fprintln(w, c); err != nil {
			return err
		}
	}
	return nil
}

// complete returns what the last word, which may be empty, could become. The words before
// it are read as [order] reads them. bash makes words of their own of "=" signs.
func complete(app *cli.App, words []string) []string {
	words = joinEquals(words)
	if len(words) == 0 {
		return nil
	}
	current := words[len(words)-1]
	flags := valueFlags(app)
	var command *cli.Command
	positionals, pending := 0, ""
	for i := 0; i < len(words)-1; i++ {
		w := words[i]
		name, _, hasValue := strings.Cut(strings.TrimLeft(w, "-"), "=")
		switch {
		case w == "--":
			return []string{otherFiles}
		case len(w) < 2 || w[0] != '-':
			if positionals++; positionals == 1 {
				command = app.Command(w)
			}
		case !hasValue && flags[name] != nil:
			if i+2 == len(words) {
				pending = name
			}
			i++
		}
	}
	if pending != "" {
		return matching(flagValues(app, flags[pending]), current)
	}
	if strings.HasPrefix(current, "-") {
		name, value, hasValue := strings.Cut(strings.TrimLeft(current, "-"), "=")
		if hasValue {
			return matching(flagValues(app, flags[name]), value)
		}
		return matching(flagNames(app, command), current)
	}
	switch {
	case command != nil && command.Name == completionName:
		if positionals > 1 {
			return nil
		}
		return matching(shells(), current)
	case positionals > 0:
		return []string{otherFiles}
	}
	var candidates []string
	for _, c := range app.Commands {
		candidates = append(candidates, c.Name+"\t"+c.Usage)
	}
	return matching(append(candidates, otherFiles), current)
}

// joinEquals undoes bash's division of "--name=value" into three words.
func joinEquals(words []string) []string {
	var out []string
	for i := 0; i < len(words); i++ {
		if n := len(out); words[i] == "=" && n > 0 && strings.HasPrefix(out[n-1], "--") && !strings.Contains(out[n-1], "=") {
			out[n-1] += "="
			if i++; i < len(words) {
				out[n-1] += words[i]
			}
			continue
		}
		out = append(out, words[i])
	}
	return out
}

// valueFlags returns the flags of the app and its commands that take a value, by each of
// their names.
func valueFlags(app *cli.App) map[string]cli.Flag {
	flags := map[string]cli.Flag{}
	for _, f := range slices.Concat(app.Flags, commandFlags(app)) {
		if _, ok := f.(*cli.BoolFlag); ok {
			continue
		}
		for _, n := range f.Names() {
			flags[n] = f
		}
	}
	return flags
}

func commandFlags(app *cli.App) (flags []cli.Flag) {
	for _, c := range app.Commands {
		flags = append(flags, c.Flags...)
	}
	return flags
}

// flagValues returns what a flag may be, nil for numbers and flags that do not exist.
func flagValues(app *cli.App, f cli.Flag) []string {
	if f == nil {
		return nil
	}
	choices, _ := app.Metadata[Choices].(map[string][]string)
	if v, ok := choices[f.Names()[0]]; ok {
		return v
	}
	if _, ok := f.(*cli.StringFlag); ok {
		return []string{otherFiles}
	}
	return nil
}

// flagNames returns the flags that may stand with a command, nil for none, with their
// descriptions.
func flagNames(app *cli.App, command *cli.Command) (names []string) {
	flags := app.Flags
	if command != nil {
		flags = command.Flags
	} else {
		names = append(names, "--version\tprint the version")
	}
	for _, f := range flags {
		usage := ""
		if d, ok := f.(cli.DocGenerationFlag); ok {
			usage = "\t" + strings.ReplaceAll(d.GetUsage(), "`", "")
		}
		for _, n := range f.Names() {
			names = append(names, "--"[:min(len(n), 2)]+n+usage)
		}
	}
	names = append(names, "--help\tshow help")
	slices.Sort(names)
	return slices.Compact(names)
}

// matching returns the candidates that begin with a prefix.
func matching(candidates []string, prefix string) (out []string) {
	for _, c := range candidates {
		if c == otherFiles || strings.HasPrefix(c, prefix) {
			out = append(out, c)
		}
	}
	return out
}
