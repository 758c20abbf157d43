package convertcmd

import (
	"fmt"
	"strings"

	"github.com/repvit-go/repvit/convert"
)

// checkLines are the summary's words on what was compared, and on what was not.
func checkLines(c *convert.Check, cfg *config) []string {
	if c == nil {
		return []string{"not checked: --no-check"}
	}
	checked := strings.Join(c.Compared, ", ")
	if n := len(c.Compared); c.Reference != nil {
		checked = strings.Join(c.Compared[:n-1], ", ")
	}
	text := fmt.Sprintf("checked %s on %d random inputs: largest difference %.2g", checked, c.Inputs, c.MaxAbs)
	if cfg.options.Int8 != nil {
		text = fmt.Sprintf("checked fusing (of the float network) and file format (of the int8 one) on %d random inputs: largest difference %.2g", c.Inputs, c.MaxAbs)
	}
	if c.Top1Agree != nil {
		text += fmt.Sprintf(", same top-1 on %.0f %%", 100**c.Top1Agree)
	}
	if c.Reference == nil {
		return []string{text, "not compared with PyTorch's outputs; --input x.npy --expect y.npy does that"}
	}
	return []string{text, equalsReference(c, cfg)}
}

// equalsReference says what is equal to what the reference holds.
func equalsReference(c *convert.Check, cfg *config) string {
	text := fmt.Sprintf("equals PyTorch's outputs in %s: largest difference %.2g on %d inputs", cfg.options.Reference.ExpectName, c.Reference.MaxAbs, c.ReferenceInputs)
	if cfg.options.Int8 != nil {
		text = "the float network " + text
	}
	if len(c.Reference.NotCompared) > 0 {
		text += "; not compared: " + strings.Join(c.Reference.NotCompared, ", ")
	}
	return text
}
