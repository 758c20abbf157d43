"""Checks a model with the ONNX checker and strict shape inference; with an input, runs it in OpenCV.

check_onnx.py MODEL [IN.npy OUT.npy]   the input is N×3×H×W float32; OpenCV's output is written
"""
import sys

import onnx

model = onnx.load(sys.argv[1])
onnx.checker.check_model(model, full_check=True)
onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
if len(sys.argv) > 2:
    import cv2
    import numpy as np

    net = cv2.dnn.readNetFromONNX(sys.argv[1])
    rows = []
    for image in np.load(sys.argv[2]):
        net.setInput(image[None])
        rows.append(net.forward())
    np.save(sys.argv[3], np.concatenate(rows))
