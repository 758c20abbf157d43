package cli

import (
	"strings"

	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/report"
)

// WriteReport writes a report file that appears whole or not at all.
func WriteReport(path string, d *report.Data) error {
	f, err := outfile.Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := report.Write(f, d); err != nil {
		return err
	}
	return f.Commit()
}

// CommandLine joins arguments as a shell would take them.
func CommandLine(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = a
		if a == "" || strings.ContainsFunc(a, func(r rune) bool {
			return !strings.ContainsRune("-_./=:,+%@", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
