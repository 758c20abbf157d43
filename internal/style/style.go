// Package style is the look that the project's pages share: the one of web/ and the server's.
package style

import _ "embed" // the style sheet

// Sheet is the style sheet.
//
//go:embed style.css
var Sheet []byte
