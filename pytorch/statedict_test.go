package pytorch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	tt "github.com/repvit-go/repvit/internal/torchtest"
)

// weights is a state dict of two tensors under the names given, over storage "0".
func weights(names ...string) tt.Ordered {
	var d tt.Ordered
	for i, n := range names {
		d = append(d, n, tt.Tensor(tt.Storage("FloatStorage", "0", 6), i, []int{1}, []int{1}))
	}
	return d
}

func wrapped(root any) []byte {
	return tt.Checkpoint(root, tt.Record{Name: "0", Data: tt.Float32s(0, 1, 2, 3, 4, 5)})
}

// child is a pickled nn.Module.
func child(class string, parameters, buffers, modules tt.Ordered) tt.Object {
	return tt.Object{Class: tt.Global(class), State: tt.Dict{"training", false, "_parameters", parameters, "_buffers", buffers,
		"_backward_hooks", tt.Ordered{}, "_modules", modules}}
}

// TestWrappers finds weights wherever they lie.
func TestWrappers(t *testing.T) {
	d := weights("a.weight", "a.bias")
	other := weights("a.weight", "a.bias")
	namespace := tt.Object{Class: tt.Global("argparse Namespace"), State: tt.Dict{"lr", 0.1,
		"device", tt.Call{Func: tt.Global("torch device"), Args: tt.Tuple{"cuda"}},
		"out", tt.Call{Func: tt.Global("pathlib PosixPath"), Args: tt.Tuple{"/", "tmp"}}}}
	scalar := tt.Call{Func: tt.Global("numpy.core.multiarray scalar"), Args: tt.Tuple{
		tt.Call{Func: tt.Global("numpy dtype"), Args: tt.Tuple{"f8", 0, 1}}, []byte("12345678")}}
	optimizer := tt.Dict{"state", tt.Dict{0, tt.Dict{"exp_avg", weights("x")[1]}}, "param_groups", tt.List{tt.Dict{"lr", 0.1, "params", tt.List{0, 1}}}}
	leaf := child("torch.nn.modules.conv Conv2d", tt.Ordered{"weight", d[1], "bias", tt.Call{Func: tt.Global("torch._utils _rebuild_parameter"), Args: tt.Tuple{d[3], true, tt.Ordered{}}}}, nil, nil)
	net := child("somebodys.project.repvit RepViT", nil, nil, tt.Ordered{"a", leaf})
	for _, c := range []struct {
		name         string
		root         any
		opts         Options
		path, prefix string
		module       string
	}{
		{"bare", d, Options{}, "", "", ""},
		{"plain dictionary", tt.Dict(d), Options{}, "", "", ""},
		{"model", tt.Dict{"model", d}, Options{}, "model", "", ""},
		{"state_dict with meta", tt.Dict{"meta", tt.Dict{"epoch", 3}, "state_dict", d}, Options{}, "state_dict", "", ""},
		{"model before state_dict", tt.Dict{"state_dict", other, "model", d}, Options{}, "model", "", ""},
		{"training", tt.Dict{"model", d, "optimizer", optimizer, "epoch", 3, "model_ema", other, "args", namespace, "best", scalar}, Options{}, "model", "", ""},
		{"training, averaged", tt.Dict{"model", other, "model_ema", d}, Options{EMA: true}, "model_ema", "", ""},
		{"averaged elsewhere", tt.Dict{"state_dict", other, "state_dict_ema", d}, Options{EMA: true}, "state_dict_ema", "", ""},
		{"averaged only", tt.Dict{"model_ema", d}, Options{}, "model_ema", "", ""},
		{"averaged beside one other", tt.Dict{"net", d, "model_ema", other}, Options{}, "net", "", ""},
		{"by key", tt.Dict{"model", other, "teacher", tt.Dict{"net", d}}, Options{Key: "teacher.net"}, "teacher.net", "", ""},
		{"by key, the same dictionary twice", tt.Raw("}q\x05(" + encoded("a", tt.Raw(encoded(d, tt.Raw("q\x06")))) + encoded("b", tt.Raw("h\x06")) + "u"), Options{Key: "b"}, "b", "", ""},
		{"the same dictionary twice", tt.Raw("}q\x05(" + encoded("a", tt.Raw(encoded(d, tt.Raw("q\x06")))) + encoded("b", tt.Raw("h\x06")) + "u"), Options{}, "a", "", ""},
		{"other name", tt.Dict{"net", d}, Options{}, "net", "", ""},
		{"deep", tt.Dict{"a", tt.Dict{"b", tt.Dict{"c", d}}}, Options{}, "a.b.c", "", ""},
		{"in a tuple", tt.Tuple{d, 3}, Options{}, "0", "", ""},
		{"in a list", tt.List{tt.Dict{"x", 1}, d}, Options{}, "1", "", ""},
		{"under a number", tt.Dict{7, d}, Options{}, "7", "", ""},
		{"in a namespace", tt.Object{Class: tt.Global("argparse Namespace"), State: tt.Dict{"net", d}}, Options{}, "net", "", ""},
		{"DistributedDataParallel", weights("module.a.weight", "module.a.bias"), Options{}, "", "module.", ""},
		{"compiled", weights("_orig_mod.module.a.weight", "_orig_mod.module.a.bias"), Options{}, "", "_orig_mod.module.", ""},
		{"Lightning", tt.Dict{"state_dict", weights("model.a.weight", "model.a.bias"), "hyper_parameters", namespace}, Options{}, "state_dict", "model.", ""},
		{"AveragedModel", append(weights("module.a.weight", "module.a.bias"), "n_averaged", d[1]), Options{}, "", "module.", ""},
		{"module", net, Options{}, "", "", "somebodys.project.repvit.RepViT"},
		{"module in a dictionary", tt.Dict{"model", net, "epoch", 3}, Options{}, "model", "", "somebodys.project.repvit.RepViT"},
		{"DataParallel", child("torch.nn.parallel.data_parallel DataParallel", nil, nil, tt.Ordered{"module", net}), Options{}, "", "module.", "torch.nn.parallel.data_parallel.DataParallel"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := dict(t, decode(t, wrapped(c.root)), c.opts)
			if s.Path != c.path || s.Prefix != c.prefix || s.Module != c.module {
				t.Errorf("path %q, prefix %q, module %q; want %q, %q, %q", s.Path, s.Prefix, s.Module, c.path, c.prefix, c.module)
			}
			if !slices.Equal(s.Keys(), []string{"a.weight", "a.bias"}) {
				t.Fatalf("keys %q", s.Keys())
			}
			for i, k := range s.Keys() {
				if v := values(t, s, k); len(v) != 1 || v[0] != float64(i) {
					t.Errorf("%s is %v", k, v)
				}
			}
		})
	}
}

// encoded returns the opcodes of values.
func encoded(values ...any) string {
	s := ""
	for _, v := range values {
		p := tt.Pickle(v)
		s += string(p[2 : len(p)-1])
	}
	return s
}

func TestChoiceErrors(t *testing.T) {
	two := wrapped(tt.Dict{"student", weights("a.weight"), "teacher", tt.Dict{"net", weights("a.weight")}})
	for _, c := range []struct {
		data []byte
		opts Options
		is   error
		want string
	}{
		{two, Options{}, ErrAmbiguous, `several state dicts found under "student", "teacher.net"`},
		{two, Options{EMA: true}, ErrNoWeights, `no averaged weights under "model_ema" or another of their usual names; there is one under "student", "teacher.net"`},
		{two, Options{Key: "net"}, ErrNoWeights, `nothing with weights under "net"; there is one under "student", "teacher.net"`},
		{wrapped(weights("a.weight")), Options{Key: "model"}, ErrNoWeights, `nothing with weights under "model"; the file itself is a state dict`},
		{wrapped(tt.Dict{"x", 1}), Options{}, ErrNoWeights, `found a dictionary with "x"`},
		{wrapped(weights("a.weight")[1]), Options{}, ErrNoWeights, "found a single tensor of shape [1]"},
	} {
		_, err := decode(t, c.data).StateDict(c.opts)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "test: ") {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	_, err := decode(t, two).StateDict(Options{})
	var ambiguous *AmbiguousError
	if !errors.As(err, &ambiguous) || !slices.Equal(ambiguous.Keys, []string{"student", "teacher.net"}) {
		t.Errorf("%v does not list the keys", err)
	}
	for _, key := range ambiguous.Keys {
		if s := dict(t, decode(t, two), Options{Key: key}); s.Path != key {
			t.Errorf("%q chooses %q", key, s.Path)
		}
	}
}

func TestTensors(t *testing.T) {
	x := weights("a.weight")[1]
	for _, c := range []struct {
		root any
		want string
	}{
		{x, `[""]`},
		{tt.Dict{"logits", x, "n", 3}, `["logits"]`},
		{tt.Tuple{x, tt.List{x, tt.Dict{"y", x}}}, `["0" "1.0" "1.1.y"]`},
		{tt.Dict{"epoch", 3}, `[]`},
	} {
		names := []string{}
		for _, n := range decode(t, wrapped(c.root)).Tensors() {
			names = append(names, n.Name)
		}
		if got := fmt.Sprintf("%q", names); got != c.want {
			t.Errorf("%v has %s, want %s", c.root, got, c.want)
		}
	}
	f := decode(t, tt.Safetensors(tt.Named{Name: "y", Shape: []int{1}, Values: []float32{1}}, tt.Named{Name: "x", Shape: []int{1}, Values: []float32{1}}))
	if n := f.Tensors(); len(n) != 2 || n[0].Name != "y" || n[1].Name != "x" {
		t.Errorf("%v", n)
	}
}

// TestLegacyModule reads a module as the stream before PyTorch 1.6 has it: its classes are
// persistent ids.
func TestLegacyModule(t *testing.T) {
	class := func(name string) any {
		return tt.PersistentID{ID: tt.Tuple{"module", tt.Global(name), "/src/net.py", "class Net: pass\n"}}
	}
	leaf := child("", tt.Ordered{"weight", weights("a")[1]}, nil, nil)
	leaf.Class = class("torch.nn.modules.linear Linear")
	net := child("", nil, nil, tt.Ordered{"a", leaf})
	net.Class = class("model.repvit RepViT")
	s := dict(t, decode(t, tt.Legacy(net, 4, tt.Record{Name: "0", Data: tt.Float32s(0, 1, 2, 3, 4, 5)})), Options{})
	if s.Module != "model.repvit.RepViT" || !slices.Equal(s.Keys(), []string{"a.weight"}) {
		t.Errorf("%q, %q", s.Module, s.Keys())
	}
}
