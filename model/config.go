package model

import (
	"fmt"
	"strconv"
	"strings"
)

// Config is what the text of an OpenMMLab configuration says, which is Python or its repr: the
// assignments of dict(…), {…}, lists, tuples, texts, numbers, True, False and None. Nothing is
// evaluated: what is no such literal is not said.
type Config struct {
	At   string // where in the checkpoint it stands, "meta.config"
	root map[string]any
}

// maxConfig bounds the text of a configuration that is read, in bytes.
const maxConfig = 4 << 20

// unsaid is a value that is no literal.
type unsaid struct{}

// parseConfig reads the assignments of a text.
func parseConfig(at, text string) *Config {
	c := &Config{at, map[string]any{}}
	if len(text) > maxConfig {
		return c
	}
	p := &literal{text: text}
	for p.blank(); p.at < len(p.text); p.blank() {
		name := p.word()
		p.blank()
		if name == "" || !p.take('=') {
			p.line()
			continue
		}
		if v := p.value(0); v != (unsaid{}) {
			c.root[name] = v
		}
		p.line()
	}
	// A repr of the whole configuration is one dict.
	if p := (&literal{text: strings.TrimSpace(text)}); strings.HasPrefix(p.text, "{") || strings.HasPrefix(p.text, "dict(") || strings.HasPrefix(p.text, "Config") {
		if i := strings.IndexByte(p.text, '{'); i >= 0 {
			p.at = i
			if m, ok := p.value(0).(map[string]any); ok {
				c.root = m
			}
		}
	}
	return c
}

// Value returns what is said under a path of names, "model.neck.type"; nil where nothing is.
func (c *Config) Value(path string) any {
	if c == nil {
		return nil
	}
	if c.root["model"] == nil {
		path = strings.TrimPrefix(path, "model.")
	}
	var v any = c.root
	for name := range strings.SplitSeq(path, ".") {
		if list, ok := v.([]any); ok && len(list) == 1 {
			v = list[0] // heads of cascades are lists
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	if v == (unsaid{}) {
		return nil
	}
	return v
}

// Numbers returns a list of numbers, or one; nil where none are said.
func (c *Config) Numbers(path string) []float64 {
	v := c.Value(path)
	if x, ok := number(v); ok {
		return []float64{x}
	}
	return numbers(v)
}

// Want returns an error that wraps [ErrConfig] where something else is said than one of the values
// given, texts, numbers or lists of numbers; where none is given, anything at all.
func (c *Config) Want(path string, values ...any) error {
	v := c.Value(path)
	if v == nil {
		return nil
	}
	expected := "that not to be there"
	for _, w := range values {
		if fmt.Sprint(v) == fmt.Sprint(w) {
			return nil
		}
		expected = fmt.Sprint(w)
	}
	return fmt.Errorf("%w: %s says %s = %v, expected %s, as published networks have it", ErrConfig, c.At, path, v, expected)
}

// literal reads Python literals.
type literal struct {
	text string
	at   int
}

// maxNesting bounds how deep literals are nested.
const maxNesting = 64

func (p *literal) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *literal) take(c byte) bool {
	if p.peek() == c && c != 0 {
		p.at++
		return true
	}
	return false
}

// blank passes over white space and comments.
func (p *literal) blank() {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\\':
			p.at++
		case c == '#':
			p.line()
		default:
			return
		}
	}
}

// line passes over the rest of a line.
func (p *literal) line() {
	if i := strings.IndexByte(p.text[p.at:], '\n'); i >= 0 {
		p.at += i + 1
	} else {
		p.at = len(p.text)
	}
}

// word reads a name or a number.
func (p *literal) word() string {
	from := p.at
	for p.at < len(p.text) && (p.text[p.at] >= '0' && p.text[p.at] <= '9' || p.text[p.at]|0x20 >= 'a' && p.text[p.at]|0x20 <= 'z' || strings.IndexByte("_.+-", p.text[p.at]) >= 0) {
		p.at++
	}
	return p.text[from:p.at]
}

// value reads a literal; where there is none it passes over as much as belongs together.
func (p *literal) value(depth int) any {
	p.blank()
	v := p.one(depth)
	if depth > 0 { // else a statement ends with its line
		p.blank()
	}
	for p.take(' ') {
	}
	if c := p.peek(); strings.IndexByte("+-*/%.([<>=|&", c) >= 0 && c != 0 { // a part of something that is to be computed
		p.skip()
		return unsaid{}
	}
	return v
}

func (p *literal) one(depth int) any {
	if depth > maxNesting {
		p.at = len(p.text)
		return unsaid{}
	}
	switch c := p.peek(); {
	case c == '\'' || c == '"':
		return p.quoted()
	case p.take('['):
		return p.list(']', depth)
	case p.take('('):
		return p.list(')', depth)
	case p.take('{'):
		return p.dict(depth)
	}
	word := p.word()
	if word == "dict" && p.take('(') {
		return p.keywords(depth)
	}
	switch word {
	case "True":
		return true
	case "False":
		return false
	case "None":
		return nil
	}
	if n, err := strconv.Atoi(word); err == nil {
		return n
	}
	if x, err := strconv.ParseFloat(word, 64); err == nil && word != "" && word[0]|0x20 < 'a' {
		return x
	}
	p.skip()
	return unsaid{}
}

// skip passes over an expression: up to a comma, a closing bracket or the end of the line.
func (p *literal) skip() {
	open := 0
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case '\'', '"':
			p.quoted()
			continue
		case '(', '[', '{':
			open++
		case ')', ']', '}':
			if open == 0 {
				return
			}
			open--
		case ',', '\n', ':':
			if open == 0 {
				return
			}
		}
		p.at++
	}
}

func (p *literal) quoted() any {
	quote := p.text[p.at]
	p.at++
	var b strings.Builder
	for p.at < len(p.text) {
		c := p.text[p.at]
		p.at++
		switch c {
		case quote:
			return b.String()
		case '\\':
			if p.at < len(p.text) {
				b.WriteByte(p.text[p.at])
				p.at++
			}
		default:
			b.WriteByte(c)
		}
	}
	return unsaid{}
}

// list reads up to the closing bracket. A part that is not said makes the whole unsaid.
func (p *literal) list(end byte, depth int) any {
	list, said := []any{}, true
	for p.at < len(p.text) {
		p.blank()
		if p.take(end) {
			if !said {
				return unsaid{}
			}
			return list
		}
		before := p.at
		v := p.value(depth + 1)
		said = said && v != (unsaid{})
		list = append(list, v)
		p.take(',')
		if p.at == before {
			p.at++
		}
	}
	return unsaid{}
}

// keywords reads the arguments of dict( up to its end.
func (p *literal) keywords(depth int) any {
	m := map[string]any{}
	for p.at < len(p.text) {
		p.blank()
		if p.take(')') {
			return m
		}
		before := p.at
		name := p.word()
		p.blank()
		if name != "" && p.take('=') {
			m[name] = p.value(depth + 1)
		} else {
			p.skip()
		}
		p.take(',')
		if p.at == before {
			p.at++
		}
	}
	return unsaid{}
}

// dict reads keys and values up to the closing brace.
func (p *literal) dict(depth int) any {
	m := map[string]any{}
	for p.at < len(p.text) {
		p.blank()
		if p.take('}') {
			return m
		}
		before := p.at
		key := p.value(depth + 1)
		p.blank()
		if name, ok := key.(string); p.take(':') {
			if v := p.value(depth + 1); ok {
				m[name] = v
			}
		}
		p.take(',')
		if p.at == before {
			p.at++
		}
	}
	return unsaid{}
}
