"""Writes checkpoints of the kinds that people bring: what trainers put beside the weights, whole
modules that differ from the published network, other names and other heads.

  python3 generate.py REPVIT.PY    where REPVIT.PY is model/repvit.py of THU-MIG/RepViT

PyTorch 1.13 wrote the files here. cases.json says of each how it is converted and what is wanted:
"equal" (PyTorch's float64 outputs for NAME's input are in NAME.npz: x, y or y0 … y3) or "refused"
with a message that matches a regular expression.
"""
import argparse, collections, copy, datetime, decimal, enum, functools, importlib.util, json, os, pathlib, random, re, sys, types, uuid
import numpy as np, torch, torch.nn as nn
from torch.nn.utils import prune

HERE = os.path.dirname(os.path.abspath(__file__))


class SqueezeExcite(nn.Module):
    """timm's, as far as RepViT uses it."""
    def __init__(self, channels, rd_ratio=.25):
        super().__init__()
        r = max(8, int(channels * rd_ratio + 4) // 8 * 8)
        self.add_maxpool = False
        self.fc1, self.bn, self.act = nn.Conv2d(channels, r, 1), nn.Identity(), nn.ReLU(inplace=True)
        self.fc2, self.gate = nn.Conv2d(r, channels, 1), nn.Sigmoid()

    def forward(self, x):
        return x * self.gate(self.fc2(self.act(self.bn(self.fc1(x.mean((2, 3), keepdim=True))))))


def module(name, **contents):
    m = types.ModuleType(name)
    m.__dict__.update(contents)
    sys.modules[name] = m


SqueezeExcite.__module__ = 'timm.layers.squeeze_excite'
for name in ('timm', 'timm.layers'): module(name)
module('timm.layers.squeeze_excite', SqueezeExcite=SqueezeExcite)
module('timm.models', register_model=lambda f: f)
module('timm.models.layers', SqueezeExcite=SqueezeExcite)
module('timm.models.vision_transformer', trunc_normal_=nn.init.trunc_normal_)
spec = importlib.util.spec_from_file_location('repvit', sys.argv[1])
repvit = importlib.util.module_from_spec(spec)
sys.modules['repvit'] = repvit
spec.loader.exec_module(repvit)

# kernel, expansion, width, SE, HS, stride of each block
BLOCKS = [[3, 2, 8, 1, 0, 1], [3, 2, 8, 0, 0, 1], [3, 2, 16, 0, 0, 2], [3, 2, 16, 1, 0, 1],
          [3, 2, 16, 0, 1, 2], [3, 2, 16, 0, 1, 1], [3, 2, 32, 0, 1, 2], [3, 2, 32, 0, 1, 1]]
ENDS, TIMM = (2, 4, 6, 8), (1, 3, 5, 8)
X = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(7))
cases = []


def randomize(n, seed=0):
    g = torch.Generator().manual_seed(seed + 1)
    for m in n.modules():
        if isinstance(m, (nn.BatchNorm2d, nn.BatchNorm1d)):
            m.running_mean.data, m.running_var.data = torch.randn(m.running_mean.shape, generator=g) * .1, torch.rand(m.running_var.shape, generator=g) + .5
            m.weight.data, m.bias.data = torch.rand(m.weight.shape, generator=g) * .8 + .4, torch.randn(m.bias.shape, generator=g) * .1
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            m.weight.data = torch.randn(m.weight.shape, generator=g) / m.weight[0].numel() ** .5
            if m.bias is not None: m.bias.data = torch.randn(m.bias.shape, generator=g) * .1
    return n.eval()


def net(classes=10, two=True, seed=0, blocks=BLOCKS):
    torch.manual_seed(seed)
    return randomize(repvit.RepViT(copy.deepcopy(blocks), classes, two), seed)


def case(name, obj, truth=None, refused=None, flags=(), zip=False, extension='.pth'):
    """truth: a network or function that gives the outputs wanted."""
    file = name + extension
    torch.save(obj, os.path.join(HERE, file), _use_new_zipfile_serialization=zip)
    if truth is not None:
        if isinstance(truth, nn.Module): truth = copy.deepcopy(truth).double().eval()
        with torch.no_grad(): y = truth(X.double())
        y = {f'y{i}': v.numpy() for i, v in enumerate(y)} if isinstance(y, (list, tuple)) else {'y': y.numpy()}
        np.savez(os.path.join(HERE, name + '.npz'), x=X.numpy(), **y)
    cases.append(dict(name=name, file=file, flags=list(flags), want='refused' if truth is None else 'equal', message=refused or ''))


def whole(name, n, refused=None, flags=()):
    case(name, n, None if refused else n, refused, flags, zip=True, extension='.pt')


def maps(n, blocks):
    """the outputs of blocks."""
    n = copy.deepcopy(n).double().eval()
    def run(x):
        out = []
        for i, f in enumerate(n.features):
            x = f(x)
            if i in blocks: out.append(x)
        return out
    return run


def prefixed(p, sd): return collections.OrderedDict((p + k, v) for k, v in sd.items())
def backbone(n): return collections.OrderedDict((k, v) for k, v in n.state_dict().items() if k.startswith('features'))


# Whole modules: what they state is built or refused.
n = net()
for m in n.modules():
    if isinstance(m, nn.BatchNorm2d): m.eps = 1e-3
n.classifier.classifier.bn.eps = 1e-2
whole('whole_eps', n)
case('args_eps', {'model': n.state_dict(), 'args': argparse.Namespace(bn_eps=1e-3)}, refused=None, truth=(lambda m: [setattr(l, 'eps', 1e-3) for l in m.modules() if isinstance(l, nn.BatchNorm1d)] and m)(copy.deepcopy(n)))
case('flag_eps', n.state_dict(), truth=(lambda m: [setattr(l, 'eps', 1e-3) for l in m.modules() if isinstance(l, nn.BatchNorm1d)] and m)(copy.deepcopy(n)), flags=['--bn-eps', '1e-3'])
n = net(); n.features[7].token_mixer[0].c.stride = (2, 1); n.features[0][0].c.padding = (0, 0); whole('whole_stride', n)
case('flag_strides', n.state_dict(), (lambda m: [setattr(m.features[0][0].c, 'padding', (1, 1))] and m)(copy.deepcopy(n)), flags=['--strides', '2,2,2x1'])
n = net(); c = n.features[4].token_mixer[0].conv.c; c.dilation, c.padding = (2, 2), (2, 2); whole('whole_dilation', n, 'dilation')
n = net(); n.features[3].channel_mixer.m[0].c.padding_mode = 'circular'; whole('whole_padding_mode', n, 'padding_mode')
n = net(); m = n.features[1].channel_mixer.m; m._modules = collections.OrderedDict((k, m._modules[k]) for k in '021'); whole('whole_order', n, 'the order')
n = net(); b = n.features[2].channel_mixer.m[0]; b._modules = collections.OrderedDict([('bn', nn.BatchNorm2d(8)), ('c', b.c)]); whole('whole_order_bn', n, 'the order')
n = net()
for i, a in enumerate((nn.SiLU, nn.ReLU, nn.Identity, nn.Sigmoid)): n.features[i + 1].channel_mixer.m[1] = a()
n.features[1].token_mixer[1].act = nn.SiLU(); whole('whole_activations', n)
n = net(); n.features[3].channel_mixer.m[1], n.features[4].channel_mixer.m[1], n.features[1].token_mixer[1].gate = nn.Hardswish(), nn.ReLU6(), nn.Hardsigmoid(); whole('whole_hardswish', n)
n = net(); n.features[3].channel_mixer.m[1] = nn.LeakyReLU(); whole('whole_leaky_relu', n, 'LeakyReLU')
n = net(); n.features[0][1] = nn.GELU(approximate='tanh'); whole('whole_gelu_tanh', n, 'approximate "tanh"')
n = net(); n.features[3].token_mixer.add_module('3', nn.ReLU()); whole('whole_extra_layer', n, 'no such module')
n = net(); n.features[2].token_mixer.add_module('3', nn.Identity()); n.classifier = nn.Sequential(nn.Dropout(.2), nn.BatchNorm1d(32), nn.Linear(32, 5)); whole('whole_identity', randomize(n))
n = net(); n.classifier = nn.Sequential(nn.ReLU(), nn.Linear(32, 5)); whole('whole_head_relu', randomize(n), 'ReLU')
n = nn.Sequential(net(), nn.Softmax(1)); whole('whole_softmax', n, 'Softmax')
n = nn.Sequential(net(), nn.Dropout(), nn.Linear(10, 3)); whole('whole_linear_behind', randomize(n))
n = net(); n.features[3].register_forward_hook(print); whole('whole_hook', n, 'hooked')
n = net(); n.features[1].token_mixer[1].add_maxpool = True; whole('whole_se_maxpool', n, 'add_maxpool')
class OwnConv(nn.Conv2d): pass
n = net(); n.features[0][0].c.__class__ = OwnConv; whole('whole_own_conv', n, 'OwnConv')
class OwnNet(nn.Module):
    def __init__(self, backbone, fc):
        super().__init__()
        self.backbone, self.fc = backbone, fc
    def forward(self, x): return self.fc(self.backbone(x))
b = net(); b.classifier = nn.Identity()
own = randomize(OwnNet(b, nn.Linear(32, 6))); whole('whole_own_net', own)
case('whole_averaged', {'ema': net(seed=5), 'model': net()}, net(seed=5), flags=['--ema'], zip=True, extension='.pt')

# Heads.
case('head_pooled', own.state_dict(), own)
n = randomize(OwnNet(b, nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 6)))); case('head_mlp', n.state_dict(), refused='2 Linear layers')
n = net(); n.classifier = nn.Sequential(nn.Dropout(), nn.Linear(32, 5), nn.BatchNorm1d(5)); n = randomize(n); case('head_sequential', n.state_dict(), n)
n = net(); n.fc = nn.Linear(32, 4); n = randomize(n); features = maps(n, (8,)); fc = copy.deepcopy(n.fc).double()
case('head_replaced', n.state_dict(), lambda x: fc(features(x)[0].mean((2, 3))))
case('head_ignored', n.state_dict(), n, flags=['--ignore-head'])
n = net(32); n.fc = nn.Linear(32, 4); case('head_ambiguous', n.state_dict(), refused='both have 32 channels')
n = nn.Sequential(net(), nn.ReLU(), nn.Linear(10, 3)); case('head_gap', randomize(n).state_dict(), refused='"1" without weights')
n = nn.Sequential(net(), nn.Linear(10, 3)); n = randomize(n); case('head_on_logits', n.state_dict(), n)
n = net(); n.aux = nn.Conv2d(32, 3, 1); case('head_convolution', n.state_dict(), refused='aux')
features = maps(net(), (8,)); case('embedding', net().state_dict(), lambda x: features(x)[0].mean((2, 3)), flags=['--embedding'])
case('one_class', net(1).state_dict(), refused='one class', flags=['--softmax'])
class Normalize(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer('mean', torch.full((1, 3, 1, 1), .4))
case('normalize_in_front', nn.Sequential(Normalize(), net()).state_dict(), refused='0.mean')

# Feature maps.
n = net()
detector = {**prefixed('backbone.', backbone(n)), 'neck.lateral_convs.0.conv.weight': torch.zeros(4, 8, 1, 1), 'rpn_head.rpn_conv.weight': torch.zeros(4, 4, 3, 3)}
case('taps_detector', {'meta': {'epoch': 1}, 'state_dict': detector}, maps(n, TIMM), flags=['--features'])
case('taps_flag', {'state_dict': detector}, maps(n, ENDS), flags=['--features', '--taps', 'ends'])
config = "model = dict(backbone=dict(type='repvit', out_indices=(\n    0,\n    3,\n    6,\n    7,\n)),\n neck=dict(out_indices=[1]))"
case('taps_config', {'meta': {'config': config}, 'state_dict': detector}, maps(n, (0, 3, 6, 7)), flags=['--features'])
case('taps_segmenter', {'state_dict': {**prefixed('backbone.', backbone(n)), 'decode_head.conv_seg.weight': torch.zeros(2, 8, 1, 1)}}, maps(n, ENDS), flags=['--features'])
sam = copy.deepcopy(n); sam.features[7].token_mixer[0].c.stride = (1, 1)
case('taps_sam', {**prefixed('image_encoder.', backbone(sam)), 'image_encoder.neck.0.weight': torch.zeros(4, 32, 1, 1), 'pixel_mean': torch.zeros(3, 1, 1)}, maps(sam, ENDS), flags=['--features'])
case('taps_edgesam', {**prefixed('image_encoder.', backbone(n)), 'image_encoder.neck.0.weight': torch.zeros(4, 32, 1, 1), 'image_encoder.fuse_stage2.weight': torch.zeros(4, 16, 1, 1), 'rpn_head.conv.weight': torch.zeros(4, 4, 3, 3)}, maps(n, ENDS), flags=['--features'])
case('backbone', backbone(n), maps(n, ENDS))
three = backbone(net(blocks=BLOCKS[:6])); case('three_stages', three, refused='3 stages', flags=['--features'])
case('five_stages', net(blocks=BLOCKS + [[3, 2, 40, 0, 1, 2]]).state_dict(), net(blocks=BLOCKS + [[3, 2, 40, 0, 1, 2]]))

# Names.
sd = n.state_dict()
case('names_wrapped', prefixed('module._orig_mod.', {k.replace('features.', 'features._fsdp_wrapped_module.').replace('token_mixer.', '_checkpoint_wrapped_module.token_mixer.'): v for k, v in sd.items()}), n)
case('names_thop', {**sd, **{k[:-len('weight')] + 'total_ops': torch.zeros(1) for k in sd if k.endswith('weight')}, 'features.2.token_mixer.1.total_ops': torch.zeros(1)}, n)
e = net(seed=5)
case('names_averaged', {'state_dict': {**prefixed('model.', sd), **prefixed('ema_model.module.', e.state_dict())}}, e, flags=['--ema'])
two = {**prefixed('student.', sd), **prefixed('teacher.', e.state_dict())}
case('names_two', two, refused='"student", "teacher".*--key')
case('names_key', two, e, flags=['--key', 'teacher'])
case('names_one_of_two', {'gen': {'conv.weight': torch.zeros(3, 3)}, 'net': sd}, n)
pruned = net(); prune.l1_unstructured(pruned.features[2].channel_mixer.m[0].c, 'weight', amount=.4); prune.l1_unstructured(pruned.classifier.classifier.l, 'weight', amount=.3)
pruned_sd = collections.OrderedDict((k, v.clone()) for k, v in pruned.state_dict().items())
for m in (pruned.features[2].channel_mixer.m[0].c, pruned.classifier.classifier.l): prune.remove(m, 'weight')
case('names_pruned', pruned_sd, pruned)
w = net(); torch.nn.utils.weight_norm(w.classifier.classifier.l); case('names_weight_norm', w.state_dict(), refused='remove_weight_norm')

# Tensors.
def changed(key, f): return {k: f(v) if k == key else v for k, v in sd.items()}
K = 'features.2.channel_mixer.m.0.c.weight'
case('tensor_int8', changed(K, lambda v: (v * 20).to(torch.int8)), refused='int8')
case('tensor_sparse', changed(K, lambda v: v.to_sparse()), refused='sparse')
case('tensor_quantized', changed(K, lambda v: torch.quantize_per_tensor(v, .1, 0, torch.qint8)), refused='quantized by PyTorch')
case('tensor_meta', changed(K, lambda v: v.to('meta')), refused='meta device')
case('tensor_numpy', {k: v.numpy() for k, v in sd.items()}, refused='NumPy')
case('tensor_parameters', {k: v for k, v in n.named_parameters()}, refused='running statistics')

# What stands beside the weights.
class Color(enum.Enum): RED = 1
class Pair(collections.namedtuple('Pair', 'a b')): pass
class Recorder: pass
class OwnDict(dict): pass
class OwnTensor(torch.Tensor): pass
r = Recorder(); r.loss, r.me = [1., 2.], r
zoo = dict(color=Color.RED, pair=Pair(1, 2), recorder=r, when=datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc), zone=datetime.timezone(datetime.timedelta(hours=2)),
           path=pathlib.PurePosixPath('/x'), partial=functools.partial(print, end=''), decimal=decimal.Decimal('1.5'), regexp=re.compile('a+'), uuid=uuid.UUID(int=1), python_random=(3, tuple(range(5))),
           numpy_random=np.random.RandomState(0).get_state()[2:], generator=np.random.default_rng(0), size=torch.Size([1, 2]), own_dict=OwnDict(a=1), set={1, 2}, frozen=frozenset([1]), cls=Recorder,
           function=json.dumps, none=type(None), ellipsis=..., array=np.arange(3), number=np.float64(3), data=b'abc', buffer=bytearray(b'x'), complex=1j, range=range(3), slice=slice(1, 2),
           default=collections.defaultdict(list), counter=collections.Counter('aab'), deque=collections.deque([1, 2], 3), ordered=collections.OrderedDict(a=1), own_tensor=OwnTensor([1., 2.]),
           space=types.SimpleNamespace(a=1), dtype=torch.float32, device=torch.device('cpu'), sparse=torch.zeros(2, 2).to_sparse(), quantized=torch.quantize_per_tensor(torch.zeros(3), .1, 0, torch.qint8),
           numbers=torch.zeros(2, dtype=torch.complex64), meta=torch.zeros(3, device='meta'))
case('beside', {'model': sd, 'args': argparse.Namespace(**zoo), 'callbacks': {Recorder: zoo}}, n)
o = torch.optim.AdamW(n.parameters(), 1e-3)
objects = dict(optimizer=o, one_cycle=torch.optim.lr_scheduler.OneCycleLR(o, .1, 100), swa=torch.optim.swa_utils.SWALR(o, .05), scaler=torch.cuda.amp.GradScaler(enabled=False), criterion=nn.CrossEntropyLoss(weight=torch.ones(10)))
case('beside_objects', {'model': sd, **objects}, n)
case('beside_log', {'model': sd, 'history': {f'curve {i}': [(j, j / 7) for j in range(3000)] for i in range(3)}}, n)

with open(os.path.join(HERE, 'cases.json'), 'w') as f: json.dump(cases, f, indent=0)
