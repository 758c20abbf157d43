package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// token is a word, number, string or punctuation mark, with the comment lines before it.
type token struct {
	text    string
	comment string
	line    int
}

// scan divides a file into tokens.
func scan(text string) []token {
	var tokens []token
	comment := ""
	for i, line := range strings.Split(text, "\n") {
		code, remark, found := strings.Cut(line, "//")
		fields := words(code)
		switch {
		case len(fields) == 0 && found:
			comment += remark + "\n"
			continue
		case len(fields) == 0:
			comment = ""
			continue
		}
		for _, f := range fields {
			tokens = append(tokens, token{f, comment, i + 1})
			comment = ""
		}
	}
	return tokens
}

func words(code string) []string {
	var r []string
	for code = strings.TrimSpace(code); code != ""; code = strings.TrimSpace(code) {
		n := 1
		switch {
		case code[0] == '"':
			n = strings.IndexByte(code[1:], '"') + 2
		case word(rune(code[0])):
			n = len(code)
			if i := strings.IndexFunc(code, func(c rune) bool { return !word(c) }); i >= 0 {
				n = i
			}
		}
		r = append(r, code[:n])
		code = code[n:]
	}
	return r
}

func word(c rune) bool { return c == '_' || c == '.' || unicode.IsLetter(c) || unicode.IsDigit(c) }

// Field numbers of the descriptor messages, which source locations are made of.
const (
	fileMessages, messageFields, messageNested, messageEnums, messageOneofs, enumValues = 4, 2, 3, 4, 8, 2
)

type parser struct {
	file   *descriptorpb.FileDescriptorProto
	tokens []token
	types  map[string]descriptorpb.FieldDescriptorProto_Type // by full name
	scopes map[*descriptorpb.FieldDescriptorProto]string
}

// parse returns the descriptor of a schema. Errors are panics of this package's error type,
// recovered here.
func parse(name, text string) (fd *descriptorpb.FileDescriptorProto, err error) {
	p := &parser{tokens: scan(text),
		file:   &descriptorpb.FileDescriptorProto{SourceCodeInfo: &descriptorpb.SourceCodeInfo{}},
		types:  map[string]descriptorpb.FieldDescriptorProto_Type{},
		scopes: map[*descriptorpb.FieldDescriptorProto]string{}}
	defer func() {
		if e, ok := recover().(syntaxError); ok {
			err = fmt.Errorf("%s:%d: %s", name, e.line, e.text)
		}
	}()
	for len(p.tokens) > 0 {
		p.top()
	}
	for f, scope := range p.scopes {
		p.resolve(f, scope)
	}
	return p.file, nil
}

type syntaxError struct {
	line int
	text string
}

func (p *parser) fail(format string, a ...any) {
	e := syntaxError{text: fmt.Sprintf(format, a...)}
	if len(p.tokens) > 0 {
		e.line = p.tokens[0].line
	}
	panic(e)
}

func (p *parser) next() token {
	if len(p.tokens) == 0 {
		p.fail("unexpected end")
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

func (p *parser) expect(texts ...string) {
	for _, want := range texts {
		if len(p.tokens) > 0 && p.tokens[0].text != want {
			p.fail("found %q, expected %q", p.tokens[0].text, want)
		}
		p.next()
	}
}

func (p *parser) number() int32 {
	n, err := strconv.ParseInt(p.tokens[0].text, 0, 32)
	if err != nil {
		p.fail("%v", err)
	}
	p.next()
	return int32(n)
}

func (p *parser) text() string {
	s, err := strconv.Unquote(p.tokens[0].text)
	if err != nil {
		p.fail("%v", err)
	}
	p.next()
	return s
}

// note records the comment before a declaration.
func (p *parser) note(t token, at ...int32) {
	if t.comment != "" {
		p.file.SourceCodeInfo.Location = append(p.file.SourceCodeInfo.Location,
			&descriptorpb.SourceCodeInfo_Location{Path: at, Span: []int32{int32(t.line - 1), 0, 0}, LeadingComments: proto.String(t.comment)})
	}
}

func (p *parser) top() {
	switch t := p.next(); t.text {
	case "syntax":
		p.expect("=", `"proto2"`, ";")
	case "package":
		p.file.Package = proto.String(p.next().text)
		p.expect(";")
	case "option":
		p.expect("go_package", "=")
		p.file.Options = &descriptorpb.FileOptions{GoPackage: proto.String(p.text())}
		p.expect(";")
	case "message":
		i := int32(len(p.file.MessageType))
		p.file.MessageType = append(p.file.MessageType, p.message(t, "."+p.file.GetPackage(), fileMessages, i))
	default:
		p.fail("unknown declaration %q", t.text)
	}
}

func (p *parser) message(start token, scope string, at ...int32) *descriptorpb.DescriptorProto {
	p.note(start, at...)
	m := &descriptorpb.DescriptorProto{Name: proto.String(p.next().text)}
	scope += "." + m.GetName()
	p.types[scope] = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	child := func(kind, index int) []int32 { return append(at[:len(at):len(at)], int32(kind), int32(index)) }
	for p.expect("{"); p.tokens[0].text != "}"; {
		t := p.next()
		switch t.text {
		case "message":
			m.NestedType = append(m.NestedType, p.message(t, scope, child(messageNested, len(m.NestedType))...))
		case "enum":
			m.EnumType = append(m.EnumType, p.enum(t, scope, child(messageEnums, len(m.EnumType))...))
		case "oneof":
			p.note(t, child(messageOneofs, len(m.OneofDecl))...)
			index := int32(len(m.OneofDecl))
			m.OneofDecl = append(m.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String(p.next().text)})
			for p.expect("{"); p.tokens[0].text != "}"; {
				p.note(p.tokens[0], child(messageFields, len(m.Field))...)
				f := p.field(descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, scope)
				f.OneofIndex = &index
				m.Field = append(m.Field, f)
			}
			p.expect("}")
		case "optional", "repeated":
			p.note(t, child(messageFields, len(m.Field))...)
			label := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL
			if t.text == "repeated" {
				label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED
			}
			m.Field = append(m.Field, p.field(label, scope))
		default:
			p.fail("unknown declaration %q", t.text)
		}
	}
	p.expect("}")
	return m
}

func (p *parser) enum(start token, scope string, at ...int32) *descriptorpb.EnumDescriptorProto {
	p.note(start, at...)
	e := &descriptorpb.EnumDescriptorProto{Name: proto.String(p.next().text)}
	p.types[scope+"."+e.GetName()] = descriptorpb.FieldDescriptorProto_TYPE_ENUM
	for p.expect("{"); p.tokens[0].text != "}"; {
		t := p.next()
		p.note(t, append(at[:len(at):len(at)], enumValues, int32(len(e.Value)))...)
		p.expect("=")
		e.Value = append(e.Value, &descriptorpb.EnumValueDescriptorProto{Name: proto.String(t.text), Number: proto.Int32(p.number())})
		p.expect(";")
	}
	p.expect("}")
	return e
}

func (p *parser) field(label descriptorpb.FieldDescriptorProto_Label, scope string) *descriptorpb.FieldDescriptorProto {
	f := &descriptorpb.FieldDescriptorProto{Label: &label, TypeName: proto.String(p.next().text)}
	f.Name = proto.String(p.next().text)
	f.JsonName = proto.String(camel(f.GetName()))
	p.expect("=")
	f.Number = proto.Int32(p.number())
	if p.tokens[0].text == "[" {
		p.expect("[", "packed", "=", "true", "]")
		f.Options = &descriptorpb.FieldOptions{Packed: proto.Bool(true)}
	}
	p.expect(";")
	p.scopes[f] = scope
	return f
}

// resolve finds the type that a field names: a scalar, or the innermost declaration
// visible from the field's message.
func (p *parser) resolve(f *descriptorpb.FieldDescriptorProto, scope string) {
	name := f.GetTypeName()
	if n, ok := descriptorpb.FieldDescriptorProto_Type_value["TYPE_"+strings.ToUpper(name)]; ok {
		f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_Type(n).Enum(), nil
		return
	}
	for ; ; scope = scope[:strings.LastIndexByte(scope, '.')] {
		if t, ok := p.types[scope+"."+name]; ok {
			f.Type, f.TypeName = t.Enum(), proto.String(scope+"."+name)
			return
		}
		if scope == "" {
			p.fail("field %q: no type is named %q", f.GetName(), name)
		}
	}
}

// camel is the field's name in JSON.
func camel(name string) string {
	parts := strings.Split(name, "_")
	for i, s := range parts[1:] {
		parts[i+1] = strings.ToUpper(s[:1]) + s[1:]
	}
	return strings.Join(parts, "")
}
