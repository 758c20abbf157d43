"""Stands in for ONNX Runtime, of which Debian has no package: what the documentation's Python
calls, computed by OpenCV."""
import types
import cv2, onnx
import numpy as np

class InferenceSession:
    def __init__(self, path):
        self.model, self.net = onnx.load(path), cv2.dnn.readNetFromONNX(path)

    def get_modelmeta(self):
        return types.SimpleNamespace(custom_metadata_map={p.key: p.value for p in self.model.metadata_props})

    def run(self, names, inputs):
        (name, x), = inputs.items()
        rows = []
        for image in x:  # OpenCV takes one at a time
            self.net.setInput(image[None], name)
            rows.append(self.net.forward(names or [o.name for o in self.model.graph.output]))
        return [np.concatenate(outputs) for outputs in zip(*rows)]
