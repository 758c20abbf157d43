"""Stands in for a session with PyTorch in which a model has been trained: what the documentation's
Python calls, computed by OpenCV from a converted file."""
import types
import numpy as np
import onnxruntime

class Tensor:
    def __init__(self, a): self.a = a
    def numpy(self): return self.a
    def detach(self): return self

class Model:
    def eval(self): return self
    def __call__(self, x): return Tensor(onnxruntime.InferenceSession("at224.onnx").run(None, {"input": x.a})[0])

torch = types.SimpleNamespace(randn=lambda *shape: Tensor(np.random.RandomState(1).randn(*shape).astype(np.float32)))
model = Model()
