package npy

import (
	"fmt"
	"math"
	"strings"
)

// header is what the dictionary in front of the elements says.
type header struct {
	descr   string
	fortran bool
	shape   []int
}

// parser reads the subset of Python's literals that headers consist of.
type parser struct {
	text string
	at   int
}

// parseHeader reads {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }, with keys in
// any order, followed by blanks and a line feed.
func parseHeader(text string) (header, error) {
	p := &parser{text: strings.TrimRight(text, " \n")}
	var h header
	seen := map[string]bool{}
	if err := p.expect("{"); err != nil {
		return h, err
	}
	for !p.accept("}") {
		key, err := p.quoted()
		if err != nil {
			return h, err
		}
		if seen[key] {
			return h, p.fail("key %q twice", clip(key))
		}
		seen[key] = true
		if err := p.expect(":"); err != nil {
			return h, err
		}
		switch key {
		case "descr":
			if c := p.peek(); c == '[' || c == '(' || c == '{' {
				return h, fmt.Errorf("%w: a structured dtype, expected one number for each element", ErrUnsupported)
			}
			h.descr, err = p.quoted()
		case "fortran_order":
			h.fortran, err = p.boolean()
		case "shape":
			h.shape, err = p.tuple()
		default:
			err = p.fail("key %q, expected 'descr', 'fortran_order' and 'shape'", clip(key))
		}
		if err != nil {
			return h, err
		}
		if !p.accept(",") {
			if err := p.expect("}"); err != nil {
				return h, err
			}
			break
		}
	}
	if p.at != len(p.text) {
		return h, p.fail("%q behind the dictionary", clip(p.text[p.at:]))
	}
	if len(seen) != 3 {
		return h, p.fail("%d keys, expected 'descr', 'fortran_order' and 'shape'", len(seen))
	}
	return h, nil
}

func (p *parser) fail(format string, args ...any) error {
	return fmt.Errorf("%w: header, byte %d: found %s", ErrFormat, p.at, fmt.Sprintf(format, args...))
}

// peek skips blanks and returns the next byte, zero at the end.
func (p *parser) peek() byte {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

func (p *parser) accept(token string) bool {
	p.peek()
	if !strings.HasPrefix(p.text[p.at:], token) {
		return false
	}
	p.at += len(token)
	return true
}

func (p *parser) expect(token string) error {
	if !p.accept(token) {
		return p.fail("%q, expected %q", clip(p.text[p.at:]), token)
	}
	return nil
}

// quoted reads a string without escapes.
func (p *parser) quoted() (string, error) {
	quote := p.peek()
	if quote == '\'' || quote == '"' {
		s, _, ok := strings.Cut(p.text[p.at+1:], string(quote))
		if ok && !strings.ContainsAny(s, "\\\n") {
			p.at += len(s) + 2
			return s, nil
		}
	}
	return "", p.fail("%q, expected a string", clip(p.text[p.at:]))
}

func (p *parser) boolean() (bool, error) {
	switch {
	case p.accept("True"):
		return true, nil
	case p.accept("False"):
		return false, nil
	}
	return false, p.fail("%q, expected True or False", clip(p.text[p.at:]))
}

// tuple reads (), (3,) or (2, 3).
func (p *parser) tuple() ([]int, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	shape := []int{}
	for !p.accept(")") {
		n, err := p.number()
		if err != nil {
			return nil, err
		}
		if len(shape) == maxAxes {
			return nil, p.fail("more than %d axes", maxAxes)
		}
		shape = append(shape, n)
		if p.accept(",") {
			continue
		}
		if len(shape) == 1 {
			return nil, p.fail("%q, expected a comma: a tuple of one", clip(p.text[p.at:]))
		}
		if err := p.expect(")"); err != nil {
			return nil, err
		}
		break
	}
	return shape, nil
}

// number reads a size. Python 2 wrote an L behind some.
func (p *parser) number() (int, error) {
	p.peek()
	start, n := p.at, 0
	for ; p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9'; p.at++ {
		d := int(p.text[p.at] - '0')
		if n > (math.MaxInt-d)/10 {
			return 0, p.fail("a size beyond %d", math.MaxInt)
		}
		n = 10*n + d
	}
	if p.at == start {
		return 0, p.fail("%q, expected a size", clip(p.text[p.at:]))
	}
	if p.at < len(p.text) && p.text[p.at] == 'L' {
		p.at++
	}
	return n, nil
}
