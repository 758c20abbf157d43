"""Writes the inputs and outputs of ONNX's conformance tests as NumPy archives.

  python3 conformance.py TESTS OUT    prints "NAME MODEL" of each test, whose arrays are in OUT/NAME.in.npz and OUT/NAME.out.npz
"""
import glob, os, sys, zipfile
import numpy as np, onnx
from onnx import numpy_helper


def arrays(folder, kind, names):
    out = {}
    for i, name in enumerate(names):
        file = f'{folder}/{kind}_{i}.pb'
        if not os.path.exists(file): break
        t = onnx.TensorProto()
        t.ParseFromString(open(file, 'rb').read())
        a = numpy_helper.to_array(t)
        if a.dtype.kind not in 'fiub': raise ValueError(a.dtype)
        out[name] = a
    return out


def archive(path, values):
    """np.savez, which has no array named "like"."""
    with zipfile.ZipFile(path, 'w') as z:
        for name, a in values.items():
            with z.open(name + '.npy', 'w') as f: np.lib.format.write_array(f, a)


for model in sorted(glob.glob(sys.argv[1] + '/*/*/model.onnx')):
    folder = os.path.dirname(model)
    name = '.'.join(folder.split('/')[-2:])
    try:
        g = onnx.load(model).graph
        weights = {t.name for t in g.initializer}
        x = arrays(folder + '/test_data_set_0', 'input', [v.name for v in g.input if v.name not in weights])
        y = arrays(folder + '/test_data_set_0', 'output', [v.name for v in g.output])
    except Exception:
        continue  # sequences, text, and types that NumPy does not have
    if not y: continue
    archive(f'{sys.argv[2]}/{name}.in.npz', x)
    archive(f'{sys.argv[2]}/{name}.out.npz', y)
    print(name, model)
