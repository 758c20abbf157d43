"""Writes small networks of the families beside RepViT, with random weights and statistics.

  python3 generate.py REPVGG.PY MOBILEONE.PY    the official files: DingXiaoH/RepVGG repvgg.py (se_block.py
                                                beside it), apple/ml-mobileone mobileone.py

PyTorch 1.13 and torchvision 0.14 wrote the files here. timm's names are the official networks' renamed.
cases.json and NAME.npz are as in ../wild.
"""
import copy, importlib.util, json, os, sys
import numpy as np, torch, torch.nn as nn

HERE = os.path.dirname(os.path.abspath(__file__))
X = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(7))
cases = []


def load(name, path):
    sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location(name, path)
    m = importlib.util.module_from_spec(spec)
    sys.modules[name] = m
    spec.loader.exec_module(m)
    return m


def randomize(n, seed=0):
    g = torch.Generator().manual_seed(seed + 1)
    for m in n.modules():
        if isinstance(m, (nn.BatchNorm2d, nn.BatchNorm1d)):
            m.running_mean.data, m.running_var.data = torch.randn(m.running_mean.shape, generator=g) * .1, torch.rand(m.running_var.shape, generator=g) + .5
            m.weight.data, m.bias.data = (torch.rand(m.weight.shape, generator=g) * .8 + .4) * torch.sign(torch.randn(m.weight.shape, generator=g) + 1.5), torch.randn(m.bias.shape, generator=g) * .1
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            m.weight.data = torch.randn(m.weight.shape, generator=g) / m.weight[0].numel() ** .5
            if m.bias is not None: m.bias.data = torch.randn(m.bias.shape, generator=g) * .1
    return n.eval()


def case(name, obj, truth, flags=(), zip=False, extension='.pth'):
    file = name + extension
    torch.save(obj, os.path.join(HERE, file), _use_new_zipfile_serialization=zip)
    if isinstance(truth, nn.Module): truth = copy.deepcopy(truth).double().eval()
    with torch.no_grad(): y = truth(X.double())
    y = {f'y{i}': v.numpy() for i, v in enumerate(y)} if isinstance(y, (list, tuple)) else {'y': y.numpy()}
    np.savez(os.path.join(HERE, name + '.npz'), x=X.numpy(), **y)
    cases.append(dict(name=name, file=file, flags=list(flags), want='equal', message=''))


def renamed(sd, pairs):
    out = {}
    for k, v in sd.items():
        for a, b in pairs:
            if k.startswith(a): k = b + k[len(a):]
            k = k.replace('.' + a + '.', '.' + b + '.')
        out[k] = v
    return out


STAGES = [('stage0.', 'stem.'), ('stage1.', 'stages.0.'), ('stage2.', 'stages.1.'), ('stage3.', 'stages.2.'), ('stage4.', 'stages.3.'), ('linear.', 'head.fc.')]


def outputs(n):
    n = copy.deepcopy(n).double().eval()
    def run(x):
        out = []
        for s in (n.stage0, n.stage1, n.stage2, n.stage3, n.stage4):
            for b in (s if isinstance(s, (nn.Sequential, nn.ModuleList)) else [s]): x = b(x)
            out.append(x)
        return out[1:]
    return run


import builtins
show, builtins.print = print, lambda *a, **k: None  # the official code is talkative
vgg = load('repvgg', sys.argv[1])
one = load('mobileone', sys.argv[2])
n = randomize(vgg.RepVGG([2, 2, 2, 1], 7, [.25, .125, .0625, .0625]))
case('repvgg', n.state_dict(), n)
case('repvgg_whole', n, n, zip=True, extension='.pt')
case('repvgg_features', {'model': n.state_dict()}, outputs(n), flags=['--features'])
case('repvgg_timm', renamed(n.state_dict(), STAGES + [('rbr_dense', 'conv_kxk'), ('rbr_1x1', 'conv_1x1'), ('rbr_identity', 'identity')]), n)
d = vgg.repvgg_model_convert(n)
case('repvgg_deploy', d.state_dict(), n)
case('repvgg_timm_deploy', renamed(d.state_dict(), STAGES + [('rbr_reparam', 'reparam_conv')]), n)
n = randomize(vgg.RepVGG([2, 2, 2, 1], 7, [.25, .25, .125, .0625], override_groups_map={2: 2, 4: 2}, use_se=True))
case('repvgg_groups_se', {'state_dict': n.state_dict()}, n)
n = randomize(one.MobileOne([1, 2, 2, 1], 7, [.25, .125, .125, .0625], num_conv_branches=4))
case('mobileone', n.state_dict(), n)
case('mobileone_timm', renamed(n.state_dict(), STAGES + [('rbr_conv', 'conv_kxk'), ('rbr_scale', 'conv_scale'), ('rbr_skip', 'identity')]), n)
d = one.reparameterize_model(n)
case('mobileone_deploy', d.state_dict(), n)
n = randomize(one.MobileOne([1, 2, 2, 1], 7, [.25, .25, .25, .125], use_se=True))
case('mobileone_se', n.state_dict(), n)
case('mobileone_whole', n, n, zip=True, extension='.pt')
case('mobileone_embedding', n.state_dict(), lambda x: outputs(n)(x)[-1].mean((2, 3)), flags=['--embedding'])


# MobileNetV3 in torchvision's names, and renamed to timm's: its conv_head is torchvision's first Linear.
from torchvision.models import mobilenetv3 as v3


def mobilenet(arch, epsilon=1e-3, width=.1, classes=7):
    setting, last = v3._mobilenet_v3_conf(arch, width_mult=width)
    n = v3.MobileNetV3(setting, last, num_classes=classes)
    for m in n.modules():
        if isinstance(m, nn.BatchNorm2d): m.eps = epsilon
    return randomize(n)


def mobilenet_timm(n, depths):
    out, blocks = {}, [b for b in n.features[1:-1]]
    def put(prefix, m, name):
        for k, v in m.state_dict().items(): out[f'{prefix}{name}.{k}'] = v
    put('', n.features[0][0], 'conv_stem'); put('', n.features[0][1], 'bn1')
    i = 0
    for s, depth in enumerate(depths):
        for b in range(depth):
            p, parts = f'blocks.{s}.{b}.', list(blocks[i].block); i += 1
            se = [m for m in parts if isinstance(m, v3.SElayer)]
            convs = [m for m in parts if not isinstance(m, v3.SElayer)]
            names = [('conv_pw', 'bn1'), ('conv_dw', 'bn2'), ('conv_pwl', 'bn3')] if len(convs) == 3 else [('conv_dw', 'bn1'), ('conv_pw', 'bn2')]
            for m, (c, bn) in zip(convs, names): put(p, m[0], c); put(p, m[1], bn)
            for m in se: put(p + 'se.', m.fc1, 'conv_reduce'); put(p + 'se.', m.fc2, 'conv_expand')
    put(f'blocks.{len(depths)}.0.', n.features[-1][0], 'conv'); put(f'blocks.{len(depths)}.0.', n.features[-1][1], 'bn1')
    out['conv_head.weight'], out['conv_head.bias'] = n.classifier[0].weight.detach()[:, :, None, None], n.classifier[0].bias.detach()
    put('', n.classifier[3], 'classifier')
    return out


def mobilenet_maps(n, blocks):
    n = copy.deepcopy(n).double().eval()
    def run(x):
        y = []
        for i, f in enumerate(n.features):
            x = f(x)
            if i in blocks: y.append(x)
        return y
    return run


v3.SElayer = v3.SElayer.func if hasattr(v3.SElayer, 'func') else v3.SElayer
n = mobilenet('mobilenet_v3_large'); case('mobilenetv3_large', n.state_dict(), n)
case('mobilenetv3_features', n.state_dict(), mobilenet_maps(n, (3, 6, 12, 16)), flags=['--features'])
case('mobilenetv3_embedding', n.state_dict(), lambda x: mobilenet_maps(n, (16,))(x)[0].mean((2, 3)), flags=['--embedding'])
n = mobilenet('mobilenet_v3_small'); case('mobilenetv3_small', {'model': n.state_dict()}, n)
case('mobilenetv3_whole', n, n, zip=True, extension='.pt')
n = mobilenet('mobilenet_v3_large', 1e-5); case('mobilenetv3_large_timm', mobilenet_timm(n, (1, 2, 3, 4, 2, 3)), n)
n = mobilenet('mobilenet_v3_small', 1e-5); case('mobilenetv3_small_timm', mobilenet_timm(n, (1, 2, 3, 2, 3)), n)
n = mobilenet('mobilenet_v3_small'); n.classifier = nn.Sequential(nn.Dropout(.2), nn.Linear(n.classifier[0].in_features, 4)); n = randomize(n)
case('mobilenetv3_head', n.state_dict(), n)
builtins.print = show
with open(os.path.join(HERE, 'cases.json'), 'w') as f: json.dump(cases, f, indent=0)
