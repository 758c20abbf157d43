package model

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/pytorch"
)

// A whole pickled module states what a state dict leaves out: every layer's class and
// attributes and the order in which they stand. What a class computes is not in the file, so
// layers must be of classes that are known here, and whatever is part of the network and was
// not built is refused.

// Classes of layers by what they compute in eval mode.
var (
	convClasses   = []string{"torch.nn.modules.conv.Conv2d"}
	linearClasses = []string{"torch.nn.modules.linear.Linear", "torch.nn.modules.linear.NonDynamicallyQuantizableLinear"}
	normClasses   = []string{"torch.nn.modules.batchnorm.BatchNorm2d", "torch.nn.modules.batchnorm.BatchNorm1d", "torch.nn.modules.batchnorm.SyncBatchNorm",
		"torchvision.ops.misc.FrozenBatchNorm2d", "mmcv.ops.sync_bn.SyncBatchNorm"}
	identityClasses = []string{"torch.nn.modules.linear.Identity", "torch.nn.modules.dropout.Dropout", "torch.nn.modules.dropout.Dropout2d",
		"timm.layers.drop.DropPath", "timm.models.layers.drop.DropPath", "timm.layers.drop.DropBlock2d"}
	// besideHeads do nothing to N×C values.
	besideHeads = []string{"torch.nn.modules.flatten.Flatten"}
)

// activations by class; the graph has each of them.
var activations = map[string]func(b *Builder, name string, x *graph.Value) *graph.Value{
	"torch.nn.modules.activation.GELU":    gelu,
	"timm.layers.activations.GELU":        gelu,
	"timm.models.layers.activations.GELU": gelu,
	"torch.nn.modules.activation.ReLU":    relu,
	"torch.nn.modules.activation.ReLU6": func(b *Builder, name string, x *graph.Value) *graph.Value {
		return b.Graph.Add(name, graph.Clip{Min: 0, Max: 6}, x)
	},
	"torch.nn.modules.activation.Hardswish": func(b *Builder, name string, x *graph.Value) *graph.Value {
		return b.Graph.Add(name, graph.HardSwish{}, x)
	},
	"torch.nn.modules.activation.Hardsigmoid": func(b *Builder, name string, x *graph.Value) *graph.Value {
		return b.Graph.Add(name, graph.HardSigmoid{Alpha: 1.0 / 6, Beta: 0.5}, x)
	},
	"torch.nn.modules.activation.Sigmoid":       sigmoid,
	"timm.layers.activations.Sigmoid":           sigmoid,
	"timm.models.layers.activations.Sigmoid":    sigmoid,
	"torch.nn.modules.activation.SiLU":          silu,
	"timm.layers.activations.Swish":             silu,
	"timm.models.layers.activations.Swish":      silu,
	"torch.nn.modules.linear.Identity":          func(_ *Builder, _ string, x *graph.Value) *graph.Value { return x },
	"timm.layers.activations_me.SwishMe":        silu,
	"timm.models.layers.activations_me.SwishMe": silu,
}

func gelu(b *Builder, name string, x *graph.Value) *graph.Value {
	return b.Graph.Add(name, graph.Gelu{}, x)
}
func relu(b *Builder, name string, x *graph.Value) *graph.Value {
	return b.Graph.Add(name, graph.Relu{}, x)
}
func sigmoid(b *Builder, name string, x *graph.Value) *graph.Value {
	return b.Graph.Add(name, graph.Sigmoid{}, x)
}
func silu(b *Builder, name string, x *graph.Value) *graph.Value {
	return b.Graph.Add(name, graph.Mul{}, x, b.Graph.Add(name+".sigmoid", graph.Sigmoid{}, x))
}

// structures are the last parts of the names of classes that run what they hold, whatever the
// family.
var structures = []string{"Sequential", "ModuleList", "DataParallel", "DistributedDataParallel", "OptimizedModule", "AveragedModel", "ModelEma", "ModelEmaV2", "ModelEmaV3"}

// Whole reports whether the file holds a whole module.
func (b *Builder) Whole() bool { return len(b.sd.sd.Modules()) > 0 }

// module returns the module at a key and notes that it is built; nil in a state dict.
func (b *Builder) module(key string) *pytorch.Module {
	path := b.sd.spelled(key)
	b.seen[path] = true
	return b.sd.sd.ModuleAt(path)
}

func (b *Builder) moduleError(key, attribute string, found any, want string) error {
	text := fmt.Sprint(found)
	if s, ok := found.(string); ok {
		text = fmt.Sprintf("%q", s)
	}
	return &ModuleError{b.sd.spelled(key), attribute, text, want}
}

// isClass checks the class of a module that is there.
func (b *Builder) isClass(key string, classes []string, want string) error {
	m := b.module(key)
	if m == nil || slices.Contains(classes, m.Class) {
		return nil
	}
	return b.moduleError(key, "class", pytorch.Name(m.Class), want)
}

// Attribute checks an attribute of a module, where both are there.
func (b *Builder) Attribute(key, name string, want any, expected string) error {
	if m := b.module(key); m != nil {
		if found, ok := m.Attribute(name); ok && found != want {
			return b.moduleError(key, name, found, expected)
		}
	}
	return nil
}

// Ordered checks that a module runs the children named one after the other.
func (b *Builder) Ordered(key string, names ...string) error {
	m := b.module(key)
	if m == nil {
		return nil
	}
	at := -1
	for _, name := range names {
		i := slices.Index(m.Children, name)
		if i >= 0 && i < at {
			return b.moduleError(key, "the order", strings.Join(m.Children, ", "), strings.Join(names, ", "))
		}
		at = max(at, i)
	}
	return nil
}

// Activation adds what the module at a key computes, or what the published network has there.
func (b *Builder) Activation(name, key string, x *graph.Value, standard graph.Op) (*graph.Value, error) {
	if key == "" {
		return b.Graph.Add(name, standard, x), nil
	}
	m := b.module(key)
	if m == nil {
		return b.Graph.Add(name, standard, x), nil
	}
	add, ok := activations[m.Class]
	if !ok {
		return nil, b.moduleError(key, "class", pytorch.Name(m.Class), "GELU, ReLU, ReLU6, SiLU, Sigmoid, Hardswish, Hardsigmoid or Identity")
	}
	if a, ok := m.Attribute("approximate"); ok && a != "none" {
		return nil, b.moduleError(key, "approximate", a, `"none": the exact GELU`)
	}
	return add(b, name, x), nil
}

// epsilon returns that of the BatchNorm at a key.
func (b *Builder) epsilon(key string) (float64, error) {
	epsilon := cmp.Or(b.net.Epsilon, batchNormEpsilon)
	given := b.BNEpsilon != 0
	switch {
	case given:
		epsilon = b.BNEpsilon
	case b.Stated.BNEpsilon != 0:
		epsilon = b.Stated.BNEpsilon
	}
	if m := b.module(key); m != nil {
		if err := b.isClass(key, normClasses, "BatchNorm"); err != nil {
			return 0, err
		}
		stated, ok := m.Attribute("eps")
		e, isFloat := number(stated)
		switch {
		case !ok || !isFloat || !(e >= 0 && e < 1):
			return 0, b.moduleError(key, "eps", stated, "a number from 0 to 1")
		case given && e != epsilon:
			return 0, b.moduleError(key, "eps", stated, fmt.Sprintf("%v, as was asked for", epsilon))
		}
		epsilon = e
	}
	if b.Info.BNEpsilon == 0 || b.Info.BNEpsilon == batchNormEpsilon {
		b.Info.BNEpsilon = epsilon
	}
	return epsilon, nil
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	return 0, false
}

// statedConv gives a convolution the attributes that its module states.
func (b *Builder) statedConv(key string, c *graph.Conv, kernel int) error {
	m := b.module(key)
	if m == nil {
		return nil
	}
	if err := b.isClass(key, convClasses, "Conv2d"); err != nil {
		return err
	}
	for _, a := range []struct {
		name string
		want any
		text string
	}{
		{"padding_mode", "zeros", `"zeros"`},
		{"transposed", false, "False"},
		{"groups", c.Group, fmt.Sprint(c.Group)},
	} {
		if err := b.Attribute(key, a.name, a.want, a.text); err != nil {
			return err
		}
	}
	if d, ok := m.Attribute("dilation"); ok {
		if p, isPair := pair(d); !isPair || p != Once {
			return b.moduleError(key, "dilation", d, "1")
		}
	}
	stride, ok := m.Attribute("stride")
	s, isPair := pair(stride)
	if !ok || !isPair || s[0] < 1 || s[1] < 1 || s[0] > MaxStride || s[1] > MaxStride {
		return b.moduleError(key, "stride", stride, fmt.Sprintf("1 to %d", MaxStride))
	}
	if b.Strides != nil && s != c.Strides {
		return b.moduleError(key, "stride", stride, fmt.Sprintf("%d×%d, as was asked for", c.Strides[0], c.Strides[1]))
	}
	c.Strides = s
	padding, _ := m.Attribute("padding")
	p, isPair := pair(padding)
	switch {
	case padding == any("valid"):
		p = [2]int{}
	case padding == any("same") && s == Once && kernel%2 == 1:
		p = [2]int{(kernel - 1) / 2, (kernel - 1) / 2}
	case !isPair || p[0] < 0 || p[1] < 0 || p[0] >= kernel || p[1] >= kernel:
		return b.moduleError(key, "padding", padding, fmt.Sprintf("%d", (kernel-1)/2))
	}
	c.Pads = [4]int{p[0], p[1], p[0], p[1]}
	return nil
}

// pair reads a number for both axes, or two.
func pair(v any) ([2]int, bool) {
	switch v := v.(type) {
	case int:
		return [2]int{v, v}, true
	case []any:
		if len(v) == 2 {
			h, ok1 := v[0].(int)
			w, ok2 := v[1].(int)
			return [2]int{h, w}, ok1 && ok2
		}
	}
	return [2]int{}, false
}

// unknownModules refuses what a whole module has inside the network beyond what was built,
// and warns of classes whose code the file does not have.
func (b *Builder) unknownModules() error {
	root := strings.TrimSuffix(b.sd.prefix, ".")
	for _, path := range b.sd.sd.Modules() {
		m := b.sd.sd.ModuleAt(path)
		key, inside := strings.CutPrefix(path, b.sd.prefix)
		scope, _, _ := strings.Cut(key, ".")
		above := path == root || path == "" || strings.HasPrefix(root, path+".")
		if !above && (!inside || !b.net.inside(scope) || b.noHead() && b.net.isHead(scope)) {
			continue
		}
		if m.Hooked() {
			return &ModuleError{path, "functions hooked into", m.Class, "none: they may change what it computes"}
		}
		if !numbered(m.Children) {
			return &ModuleError{path, "the order", strings.Join(m.Children, ", "), "rising numbers"}
		}
		if above {
			if err := b.above(path, root, m); err != nil {
				return err
			}
			continue
		}
		leaf := len(m.Children) == 0
		switch {
		case b.seen[path] && leaf, slices.Contains(identityClasses, m.Class), b.net.isHead(scope) && slices.Contains(besideHeads, m.Class):
		case leaf:
			return &ModuleError{path, "class", m.Class, "no such module in this network"}
		default:
			b.unknownCode(m.Class)
		}
	}
	if b.Whole() && !b.noHead() {
		if err := b.Attribute("", "global_pool", "avg", `"avg"`); err != nil {
			return err
		}
	}
	return nil
}

// above checks a module that the network is a part of, or the network's own.
func (b *Builder) above(path, root string, m *pytorch.Module) error {
	if path == root || !strings.HasSuffix(m.Class, ".Sequential") {
		b.unknownCode(m.Class)
		return nil
	}
	for _, name := range m.Children {
		child := strings.TrimPrefix(path+"."+name, ".")
		if child == root || strings.HasPrefix(root, child+".") || b.noHead() && after(m.Children, name, root, path) {
			continue
		}
		for _, below := range b.sd.sd.Modules() {
			c := b.sd.sd.ModuleAt(below)
			if below != child && !strings.HasPrefix(below, child+".") || len(c.Children) > 0 || b.seen[below] {
				continue
			}
			if !slices.Contains(identityClasses, c.Class) && !slices.Contains(besideHeads, c.Class) {
				return &ModuleError{below, "class", c.Class, "nothing before or behind the network but one Linear, BatchNorm, Dropout, Flatten, Identity"}
			}
		}
	}
	return nil
}

// after reports whether a child of a Sequential stands behind the one that the network is in.
func after(children []string, name, root, path string) bool {
	mine, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(root, path), "."), ".")
	return slices.Index(children, name) > slices.Index(children, mine)
}

// unknownCode warns of a class that is not one of the published networks'.
func (b *Builder) unknownCode(class string) {
	if last := class[strings.LastIndexByte(class, '.')+1:]; !slices.Contains(structures, last) && !slices.Contains(b.net.Structures, last) {
		b.Warn("the code of %s is not in the file: it is taken to compute what a %s does; prove it with reference outputs", class, b.net.Family)
	}
}

// numbered reports whether names that are numbers rise: Sequential runs its children in the
// order in which they were registered, whatever they are called.
func numbered(names []string) bool {
	last := -1
	for _, n := range names {
		i, err := strconv.Atoi(n)
		if err != nil {
			return true
		}
		if i < last {
			return false
		}
		last = i
	}
	return true
}
