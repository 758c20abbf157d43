// Package printable makes text that may come out of a file or a file's name safe to show:
// what speaks to a terminal, reorders or hides text is written as an escape.
package printable

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Line makes text one line: line breaks and tabs become spaces, everything else that
// [Writer] escapes becomes an escape.
func Line(s string) string {
	return string(escape(nil, []byte(strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\t", " ").Replace(s))))
}

// Writer passes text on to w with escapes in place of control characters except line breaks
// and tabs, of characters without a shape of their own (bidirectional controls, zero-width
// ones, separators of lines and paragraphs) and of bytes that are not UTF-8. Escapes of
// characters are those of JSON, so JSON stays the same value.
type Writer struct {
	w    io.Writer
	rest []byte // the beginning of a character whose other bytes are not here yet
}

// NewWriter returns a Writer on w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Unwrap returns what the Writer writes to.
func (w *Writer) Unwrap() io.Writer { return w.w }

func (w *Writer) Write(p []byte) (int, error) {
	text := append(w.rest, p...)
	whole := len(text)
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if last := text[len(text)-n:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				whole -= n
			}
			break
		}
	}
	w.rest = append([]byte(nil), text[whole:]...)
	if _, err := w.w.Write(escape(make([]byte, 0, whole), text[:whole])); err != nil {
		return 0, err
	}
	return len(p), nil
}

// escape appends text to dst.
func escape(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = fmt.Appendf(dst, `\x%02x`, text[0])
		case r == '\n', r == '\t', unicode.IsPrint(r), unicode.Is(unicode.Zs, r):
			dst = append(dst, text[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		text = text[n:]
	}
	return dst
}
