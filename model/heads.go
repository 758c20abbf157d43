package model

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// chain is one fully connected layer with a BatchNorm before or behind it, as keys; an empty
// one is a part that it lacks.
type chain struct {
	name                  string // canonical
	before, linear, after string
}

// heads are what the logits come from.
type heads struct {
	own   []chain // the network's: one, or two whose mean is the output
	whole bool    // the network's own of several layers, which its family adds, in place of own
	outer *chain  // on the own ones' logits, or where there are none on the pooled features
	text  string  // what outer is, for people
}

// head finds out where the logits come from, for a network whose last block has c channels.
// It returns nil where there is no head, and where none is asked for.
func (b *Builder) head(c int) (*heads, error) {
	if b.noHead() {
		return nil, nil
	}
	h := &heads{whole: len(b.net.HeadKeys) > 0}
	for _, k := range b.net.HeadKeys {
		h.whole = h.whole && b.HasWeight(k)
	}
	if h.whole {
		if layers := b.layers(b.outside()); len(layers) > 0 && !b.IgnoreHead {
			return nil, fmt.Errorf("%w: beside the network stands %q; ignore it if it is no part of the network", ErrHead, strings.TrimPrefix(layers[0].key, absolute))
		}
		return h, nil
	}
	var err error
	if h.own, err = b.ownHeads(); err != nil {
		return nil, err
	}
	if b.IgnoreHead {
		if h.own == nil {
			return nil, nil
		}
		return h, nil
	}
	if err := b.outerHead(h, c); err != nil {
		return nil, err
	}
	if h.own == nil && h.outer == nil {
		return nil, nil
	}
	return h, nil
}

// ownHeads lists the network's own classifiers.
func (b *Builder) ownHeads() ([]chain, error) {
	var keys []string
	for _, k := range b.sd.keys() {
		if scope, _, dotted := strings.Cut(k, "."); dotted && scope == b.net.HeadScope && !leftBehind(k) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	below := func(prefix string) (in []string) {
		for _, k := range keys {
			if strings.HasPrefix(k, prefix+".") {
				in = append(in, k)
			}
		}
		return in
	}
	first, second := below(b.net.Head1), below(b.net.Head2)
	if len(first) == 0 && len(second) == 0 {
		c, err := b.ownHead("classifier", b.net.HeadScope, keys)
		return []chain{c}, err
	}
	c, err := b.ownHead("classifier", b.net.Head1, first)
	if err != nil || len(second) == 0 {
		return []chain{c}, err
	}
	d, err := b.ownHead("classifier_dist", b.net.Head2, second)
	return []chain{c, d}, err
}

// ownHead reads a classifier off the keys below a prefix: BatchNorm and Linear as published, a
// fused Linear, or a Sequential with one Linear.
func (b *Builder) ownHead(name, prefix string, keys []string) (chain, error) {
	published := !slices.Contains(keys, prefix+".weight")
	for _, k := range keys {
		rest := k[len(prefix)+1:]
		published = published && (strings.HasPrefix(rest, "bn.") || strings.HasPrefix(rest, "l."))
	}
	if published {
		if err := b.Ordered(prefix, "bn", "l"); err != nil {
			return chain{}, err
		}
		return chain{name: name, before: prefix + ".bn", linear: prefix + ".l"}, nil
	}
	layers := b.layers(keys)
	c, problem := oneLinear(name, layers)
	if problem != "" {
		return c, fmt.Errorf("%w: %q has %s, expected one Linear: what stands between layers is not in a state dict; take the pooled features or the feature maps instead, or save the network with one Linear as its head", ErrHead, b.sd.spelled(prefix), problem)
	}
	return c, nil
}

// layer is a module with weights.
type layer struct {
	key     string
	kind    layerKind
	in, out int
}

type layerKind int

const (
	linearLayer layerKind = iota
	normLayer
	otherLayer
)

// layers groups keys by module. Tensors that compute nothing on their own (class weights, counts,
// colours' means) make none.
func (b *Builder) layers(keys []string) []layer {
	shapes := map[string]map[string][]int{}
	var paths []string
	for _, k := range keys {
		t, _ := b.sd.get(k)
		i := strings.LastIndexByte(k, '.')
		path := k[:max(i, 0)]
		if shapes[path] == nil {
			shapes[path] = map[string][]int{}
			paths = append(paths, path)
		}
		shapes[path][k[i+1:]] = t.Shape
	}
	slices.SortStableFunc(paths, natural)
	var list []layer
	for _, path := range paths {
		s := shapes[path]
		w, hasWeight := s["weight"]
		mean, hasMean := s["running_mean"]
		_, hasBias := s["bias"]
		switch {
		case hasWeight && len(w) == 2:
			list = append(list, layer{path, linearLayer, w[1], w[0]})
		case hasMean && len(mean) == 1:
			list = append(list, layer{path, normLayer, mean[0], mean[0]})
		case hasWeight && (len(w) > 2 || len(w) == 1 && hasBias):
			list = append(list, layer{path, otherLayer, 0, 0})
		default:
			for name, shape := range s {
				if len(shape) == 2 && name != "bias" && shape[0] > 1 && shape[1] > 1 {
					list = append(list, layer{path + "." + name, otherLayer, shape[1], shape[0]})
				}
			}
		}
	}
	return list
}

// oneLinear puts layers together to a chain, or says what they are instead.
func oneLinear(name string, layers []layer) (c chain, problem string) {
	c.name = name
	var linears, others []string
	var l layer
	for _, x := range layers {
		switch x.kind {
		case linearLayer:
			linears, l = append(linears, x.key), x
		case otherLayer:
			others = append(others, x.key)
		}
	}
	quoted := func(keys []string) string {
		var q []string
		for i, k := range keys {
			if i == 4 {
				q = append(q, "…")
				break
			}
			q = append(q, fmt.Sprintf("%q", strings.TrimPrefix(k, absolute)))
		}
		return strings.Join(q, ", ")
	}
	switch {
	case len(others) > 0:
		return c, "other layers than Linear (" + quoted(others) + ")"
	case len(linears) == 0:
		return c, "no Linear"
	case len(linears) > 1:
		return c, fmt.Sprintf("%d Linear layers (%s)", len(linears), quoted(linears))
	}
	c.linear = l.key
	for _, x := range layers {
		if x.kind != normLayer {
			continue
		}
		before := natural(x.key, l.key) < 0
		switch {
		case x.in != l.in && x.in != l.out:
			return c, fmt.Sprintf("a BatchNorm %s of %d channels beside a Linear of %d to %d", quoted([]string{x.key}), x.in, l.in, l.out)
		case l.in != l.out:
			before = x.in == l.in
		}
		if before && c.before == "" {
			c.before = x.key
		} else if !before && c.after == "" {
			c.after = x.key
		} else {
			return c, "several BatchNorms"
		}
	}
	return c, ""
}

// natural orders paths by their parts, numbers by value.
func natural(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, err1 := strconv.Atoi(as[i])
		y, err2 := strconv.Atoi(bs[i])
		order := cmp.Compare(as[i], bs[i])
		if err1 == nil && err2 == nil {
			order = cmp.Compare(x, y)
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(len(as), len(bs))
}

// notHeads are parts of words in the names of layers that are no classification heads.
var notHeads = []string{"decod", "proj", "embed", "loss", "criteri", "margin", "arcface", "aux", "teacher", "discrim", "domain", "queue", "proto", "attn", "rnn", "lstm", "neck", "mask", "prompt", "metric"}

// outerHead finds a head that stands beside the network: on its logits or, in place of its own
// head, on the pooled features.
func (b *Builder) outerHead(h *heads, c int) error {
	outside := b.outside()
	if k := b.inFront(outside); k != "" {
		return fmt.Errorf("%w: %q stands before the network in a Sequential, and a state dict does not say what it does; ignore it if the input is to be what follows it", ErrHead, k)
	}
	layers := b.layers(outside)
	if len(layers) == 0 {
		return nil
	}
	if h.own == nil && slices.ContainsFunc(layers, func(x layer) bool { return x.kind == otherLayer }) {
		return &KeyError{Key: b.net.Head1 + ".l.weight", Want: fmt.Sprintf("[classes %d]", c),
			Hint: fmt.Sprintf("what stands beside the network (%q) is no classifier; take the feature maps instead", strings.TrimPrefix(layers[0].key, absolute))}
	}
	classes := 0
	if len(h.own) > 0 {
		if t, ok := b.sd.get(h.own[0].linear + ".weight"); ok && len(t.Shape) == 2 {
			classes = t.Shape[0]
		}
	}
	unclear := func(format string, args ...any) error {
		return fmt.Errorf("%w: beside the network stands %s; ignore it if it is no part of the network", ErrHead, fmt.Sprintf(format, args...))
	}
	outer, problem := oneLinear("head", layers)
	if problem != "" {
		return unclear("something with %s, expected one Linear", problem)
	}
	path := strings.TrimPrefix(outer.linear, absolute)
	var x layer
	for _, y := range layers {
		if y.key == outer.linear {
			x = y
		}
	}
	key := path + ".weight"
	switch {
	case slices.ContainsFunc(notHeads, func(w string) bool { return strings.Contains(strings.ToLower(path), w) }):
		return unclear("%q, a Linear whose name is not a head's", key)
	case len(b.Info.Stages) != 4:
		return unclear("%q, a Linear, and the network has %d stages, expected 4", key, len(b.Info.Stages))
	case x.in == c && x.in == classes:
		return unclear("%q, a Linear that fits the logits as well as the pooled features: both have %d channels", key, c)
	case x.in == c:
		h.text = fmt.Sprintf("%s on the pooled features", path)
		if h.own != nil {
			b.Warn("the logits come from %q on the pooled features; the network's own head of %d classes is not used", key, classes)
			for _, own := range h.own {
				for _, k := range b.sd.keys() {
					if strings.HasPrefix(k, own.linear+".") || own.before != "" && strings.HasPrefix(k, own.before+".") || own.after != "" && strings.HasPrefix(k, own.after+".") {
						b.used[k] = true
					}
				}
				b.passOver(own.before, own.linear, own.after)
			}
			h.own = nil
		}
	case x.in == classes:
		if gap := b.gap(path); gap != "" {
			return unclear("%q, a Linear on the logits, and between them module %q without weights, of which a state dict does not say what it does", key, gap)
		}
		h.text = fmt.Sprintf("%s on the logits of the network's own head", path)
	default:
		return unclear("%q, a Linear of %d inputs, expected %d (pooled features) or %d (logits)", key, x.in, c, classes)
	}
	b.Note("the logits come from %q, %d classes, %s", key, x.out, strings.TrimPrefix(h.text, path+" "))
	h.outer = &outer
	return nil
}

// passOver notes modules as known that are not built.
func (b *Builder) passOver(keys ...string) {
	for _, k := range keys {
		if k != "" {
			b.module(k)
		}
	}
}

// inFront returns a key of a module that runs before the network: an earlier one of the same
// Sequential.
func (b *Builder) inFront(outside []string) string {
	parent, at, numbered := lastNumber(strings.TrimSuffix(b.sd.prefix, "."))
	if !numbered || b.Whole() {
		return ""
	}
	for _, k := range outside {
		k = strings.TrimPrefix(k, absolute)
		rest, below := strings.CutPrefix(k, parent)
		first, _, _ := strings.Cut(rest, ".")
		if n, err := strconv.Atoi(first); below && err == nil && n < at {
			return k
		}
	}
	return ""
}

// lastNumber splits a path that ends in a number.
func lastNumber(path string) (parent string, n int, ok bool) {
	i := strings.LastIndexByte(path, '.') + 1
	n, err := strconv.Atoi(path[i:])
	return path[:i], n, err == nil
}

// gap returns a module between the network and a layer in one Sequential that has no weights;
// in a whole module it is known, and looked at with the others.
func (b *Builder) gap(path string) string {
	parent, to, numbered := lastNumber(path)
	rest, ok := strings.CutPrefix(b.sd.prefix, parent)
	first, _, _ := strings.Cut(rest, ".")
	from, err2 := strconv.Atoi(first)
	if !numbered || err2 != nil || !ok || b.Whole() || to == from+1 {
		return ""
	}
	return fmt.Sprintf("%s%d", parent, from+1)
}

// outside lists the keys that are neither the network's nor another network's, as absolute
// ones.
func (b *Builder) outside() []string {
	others := Networks(b.sd.sd, b.families)
	var keys []string
	for _, k := range b.sd.sd.Keys() {
		key, below := strings.CutPrefix(k, b.sd.prefix)
		scope, _, _ := strings.Cut(key, ".")
		if below && b.net.inside(scope) || leftBehind(k) {
			continue
		}
		if slices.ContainsFunc(others, func(p string) bool {
			return p != b.sd.prefix && p != "" && strings.HasPrefix(k, p) && !strings.HasPrefix(b.sd.prefix, p)
		}) {
			continue
		}
		keys = append(keys, absolute+k)
	}
	return keys
}
