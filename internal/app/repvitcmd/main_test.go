package repvitcmd

import (
	"testing"

	"github.com/repvit-go/repvit/internal/cli"
)

// TestInputs: no flag that names a file is forgotten where outputs are checked against inputs.
func TestInputs(t *testing.T) {
	for _, name := range cli.Unmarked(newApp()) {
		t.Errorf("--%s names a file that is neither marked with TakesFile nor an output", name)
	}
}
