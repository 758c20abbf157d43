// Package reporting fills reports with what the commands measure.
package reporting

import (
	"context"
	"strings"
	"time"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/report"
	"github.com/repvit-go/repvit/verify"
)

// profileRuns is how often a network runs for the times in a report, unless that takes longer
// than profileTime.
const (
	profileRuns = 20
	profileTime = time.Second
)

// Network measures a network for an input.
func Network(ctx context.Context, s *infer.Session, x *graph.Tensor) (*report.Network, error) {
	start := time.Now()
	times, err := s.Profile(ctx, x, 1)
	if runs := min(profileRuns, int(profileTime/max(time.Since(start), 1))); err == nil && runs > 1 {
		times, err = s.Profile(ctx, x, runs)
	}
	if err != nil {
		return nil, err
	}
	return report.NewNetwork(s.Graph(), x.Shape, times)
}

// Errors compares every value that two networks both name, a's against b's.
func Errors(ctx context.Context, title string, a, b verify.Engine, x *graph.Tensor, divergence *verify.Divergence) (report.Errors, error) {
	e := report.Errors{Title: title}
	if divergence != nil {
		e.Divergence = divergence.Value
	}
	layers, err := verify.Layers(ctx, a, b, x)
	for _, l := range layers {
		e.Layers = append(e.Layers, report.Layer{Name: l.Value, MaxAbs: l.MaxAbs, RelL2: l.RelL2, SQNR: l.SQNR})
	}
	return e, err
}

// Logits are what two networks give for one input, nil where that is not logits.
func Logits(ctx context.Context, name, reference string, a, b verify.Engine, x *graph.Tensor) (*report.Logits, error) {
	got, err := a.Run(ctx, x)
	if err != nil || len(a.Graph().Outputs) > 1 || len(got.Shape) != 2 {
		return nil, err
	}
	want, err := b.Run(ctx, x)
	if err != nil {
		return nil, err
	}
	return &report.Logits{Name: name, Reference: reference, Got: got.Float32s(), Want: want.Float32s()}, nil
}

// Write writes a report file that appears whole or not at all.
func Write(path string, d *report.Data) error {
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
