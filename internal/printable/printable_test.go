package printable

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

var cases = []struct{ name, text, want string }{
	{"plain", "größe ✓ 形 𝔸", "größe ✓ 形 𝔸"},
	{"escape sequence", "a\x1b[31mb", `a\u001b[31mb`},
	{"C0", "a\x00\a\bb\x7f", `a\u0000\u0007\u0008b\u007f`},
	{"C1", "a\u009b31m\u0085", `a\u009b31m\u0085`},
	{"bidirectional", "abc\u202egpj.\u2066x\u2069\u200f", `abc\u202egpj.\u2066x\u2069\u200f`},
	{"zero width", "a\u200b\u200d\u2060\ufeff\u00adb", `a\u200b\u200d\u2060\ufeff\u00adb`},
	{"separators", "a\u2028b\u2029c", `a\u2028b\u2029c`},
	{"tags", "a\U000e0041", `a\udb40\udc41`},
	{"not UTF-8", "a\xff\x9bb\xe2\x80", `a\xff\x9bb\xe2\x80`},
	{"replacement character", "a\ufffdb", "a\ufffdb"},
	{"spaces", "a\u00a0\u3000b", "a\u00a0\u3000b"},
	{"empty", "", ""},
}

func TestLine(t *testing.T) {
	for _, tt := range cases {
		if got := Line(tt.text); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if got, want := Line("a\nb\r\nc\td\re"), "a b c d e"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestWriter writes in pieces of every size.
func TestWriter(t *testing.T) {
	for _, tt := range cases {
		for size := 1; size < 6; size++ {
			var b bytes.Buffer
			w := NewWriter(&b)
			for rest := tt.text + "\t.\n"; rest != ""; {
				n := min(size, len(rest))
				if got, err := w.Write([]byte(rest[:n])); got != n || err != nil {
					t.Fatalf("%s: %d, %v", tt.name, got, err)
				}
				rest = rest[n:]
			}
			if got := b.String(); got != tt.want+"\t.\n" {
				t.Errorf("%s in pieces of %d: %s, want %s", tt.name, size, got, tt.want)
			}
		}
	}
}

// TestJSON: a value that was written through a Writer is still that value.
func TestJSON(t *testing.T) {
	var b bytes.Buffer
	for _, tt := range cases {
		b.Reset()
		if err := json.NewEncoder(NewWriter(&b)).Encode(tt.text); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal(b.Bytes(), &got); err != nil || got != strings.ToValidUTF8(tt.text, "\ufffd") && tt.name != "not UTF-8" {
			t.Errorf("%s: %q, %v from %s", tt.name, got, err, b.String())
		}
	}
}
