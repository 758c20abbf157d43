"""Writes ONNX files as PyTorch's exporter makes them of small networks with random weights.

  python3 generate.py REPVIT.PY [all]    where REPVIT.PY is model/repvit.py of THU-MIG/RepViT

PyTorch 1.13 and torchvision 0.14 wrote the files here, NAME_OPSET.onnx; "all" writes every opset from 9 to 17.
NAME.npz holds the input x and PyTorch's outputs in float64, y.
"""
import copy, importlib.util, os, sys, types
import numpy as np, torch, torch.nn as nn, torchvision

HERE = os.environ.get('OUT', os.path.dirname(os.path.abspath(__file__)))
X = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(7))


class SqueezeExcite(nn.Module):
    """timm's, as far as RepViT uses it."""
    def __init__(self, channels, rd_ratio=.25):
        super().__init__()
        r = max(8, int(channels * rd_ratio + 4) // 8 * 8)
        self.fc1, self.bn, self.act = nn.Conv2d(channels, r, 1), nn.Identity(), nn.ReLU(inplace=True)
        self.fc2, self.gate = nn.Conv2d(r, channels, 1), nn.Sigmoid()

    def forward(self, x):
        return x * self.gate(self.fc2(self.act(self.bn(self.fc1(x.mean((2, 3), keepdim=True))))))


def module(name, **contents):
    m = types.ModuleType(name)
    m.__dict__.update(contents)
    sys.modules[name] = m


for name in ('timm', 'timm.layers'): module(name)
module('timm.models', register_model=lambda f: f)
module('timm.models.layers', SqueezeExcite=SqueezeExcite)
module('timm.models.vision_transformer', trunc_normal_=nn.init.trunc_normal_)
spec = importlib.util.spec_from_file_location('repvit', sys.argv[1])
repvit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(repvit)

# kernel, expansion, width, SE, HS, stride of each block
BLOCKS = [[3, 2, 8, 1, 0, 1], [3, 2, 8, 0, 0, 1], [3, 2, 16, 0, 0, 2], [3, 2, 16, 1, 0, 1],
          [3, 2, 16, 0, 1, 2], [3, 2, 16, 0, 1, 1], [3, 2, 24, 0, 1, 2], [3, 2, 24, 0, 1, 1]]


def randomize(n):
    g = torch.Generator().manual_seed(1)
    for m in n.modules():
        if isinstance(m, (nn.BatchNorm2d, nn.BatchNorm1d)):
            m.running_mean.data, m.running_var.data = torch.randn(m.running_mean.shape, generator=g) * .1, torch.rand(m.running_var.shape, generator=g) + .5
            m.weight.data, m.bias.data = torch.rand(m.weight.shape, generator=g) * .8 + .4, torch.randn(m.bias.shape, generator=g) * .1
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            m.weight.data = torch.randn(m.weight.shape, generator=g) / m.weight[0].numel() ** .5
            if m.bias is not None: m.bias.data = torch.randn(m.bias.shape, generator=g) * .1
    return n.eval()


def fuse(n):
    for name, child in n.named_children():
        if hasattr(child, 'fuse'):
            fused = child.fuse()
            setattr(n, name, fused)
            fuse(fused)
        else:
            fuse(child)
    return n


class Spelled(nn.Module):
    """What people write in place of the modules: means of axes, views, activation functions by hand."""
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.Conv2d(8, 16, 1)
        self.n, self.l, self.d = nn.BatchNorm2d(8), nn.Linear(16, 10), nn.Dropout(.2)

    def forward(self, x):
        x = nn.functional.hardswish(self.n(self.a(x)))
        x = nn.functional.relu6(self.b(nn.functional.max_pool2d(x, 3, 2, 1))) + x.mean((2, 3), keepdim=True)
        x = nn.functional.avg_pool2d(x, 2, 2) * nn.functional.hardsigmoid(x.mean((2, 3), keepdim=True))
        x = self.d(self.c(x).mean((2, 3)))
        return nn.functional.softmax(self.l(x.view(x.size(0), -1)), 1)


class Counted(nn.Module):
    """Sizes as shapes and as numbers: a token for every image, positions, zeros, the number of images."""
    def __init__(self):
        super().__init__()
        self.a, self.token, self.l = nn.Conv2d(3, 8, 8, 8), nn.Parameter(torch.randn(1, 1, 8, generator=torch.Generator().manual_seed(2))), nn.Linear(8, 5)

    def forward(self, x):
        x = self.a(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x, torch.zeros(x.shape[0], 2, 8, dtype=x.dtype)], 1)
        x = x + torch.arange(8, dtype=x.dtype).unsqueeze(0).expand_as(x) / x.shape[0]
        best = x[:1, :, 0].argmax(1)
        return self.l(x.mean(1) + x[0][best])


def export(name, n, opsets, **options):
    with torch.no_grad(): y = copy.deepcopy(n).double()(X.double())
    np.savez(os.path.join(HERE, name + '.npz'), x=X.numpy(), y=y.numpy())
    for opset in range(9, 18) if 'all' in sys.argv else opsets:
        torch.onnx.export(copy.deepcopy(n), X, os.path.join(HERE, f'{name}_{opset}.onnx'), opset_version=opset, input_names=['input'], output_names=['output'], **options)


BATCH = dict(dynamic_axes={'input': {0: 'batch'}, 'output': {0: 'batch'}})
whole = randomize(repvit.RepViT(BLOCKS, num_classes=5, distillation=True))
export('repvit', whole, [9, 16], **BATCH)
export('repvit_raw', whole, [11], do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE, keep_initializers_as_inputs=True)
export('repvit_fused', fuse(copy.deepcopy(whole)), [17], **BATCH)
export('repvit_free', whole, [13], dynamic_axes={'input': {0: 'batch', 2: 'height', 3: 'width'}, 'output': {0: 'batch'}})
export('spelled', randomize(Spelled()), [9, 12, 14], **BATCH)
export('spelled_fixed', randomize(Spelled()), [10, 17])
export('counted', randomize(Counted()), [11, 16], **BATCH)
if 'all' in sys.argv:
    export('mobilenetv3', randomize(torchvision.models.mobilenet_v3_small(num_classes=5)), [], **BATCH)
