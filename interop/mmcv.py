"""Writes images of random sizes and kinds and what mmcv's test pipelines make of them with OpenCV.

mmcv.py DIR   prints lines of: image, kind (seg or det), LONGxSHORT, tensor (.npy)
"""
import struct
import sys
import zlib

import cv2
import numpy as np

MEAN, STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
rng = np.random.default_rng(1)

def multiple(n):
    return -(-n // 32) * 32

def pipeline(path, kind, long, short):
    im = cv2.imread(path)
    h, w = im.shape[:2]
    s = min(long / max(h, w), short / min(h, w))
    h, w = int(h * s + .5), int(w * s + .5)
    im = cv2.resize(im, (w, h), interpolation=cv2.INTER_LINEAR)
    if kind == 'seg':
        im = cv2.resize(im, (multiple(w), multiple(h)), interpolation=cv2.INTER_LINEAR)
    x = cv2.cvtColor(im, cv2.COLOR_BGR2RGB).astype(np.float32)
    x = cv2.multiply(cv2.subtract(x, MEAN.reshape(1, -1)), 1 / STD.reshape(1, -1))
    if kind == 'det':
        x = np.pad(x, ((0, multiple(h) - h), (0, multiple(w) - w), (0, 0)))
    return x.transpose(2, 0, 1)[None]

def turn(path, orientation):
    """Inserts an EXIF chunk behind the header."""
    data = open(path, 'rb').read()
    tiff = struct.pack('>2sHIHHHIHHI', b'MM', 42, 8, 1, 0x112, 3, 1, orientation, 0, 0)
    chunk = struct.pack('>I', len(tiff)) + b'eXIf' + tiff + struct.pack('>I', zlib.crc32(b'eXIf' + tiff))
    open(path, 'wb').write(data[:33] + chunk + data[33:])

for n in range(120):
    h, w = (int(v) for v in rng.integers(1, 300, 2))
    if n % 5 == 0:
        h, w = (1, int(rng.integers(1, 90))) if n % 2 else (int(rng.integers(1, 90)), 1)
    channels, depth = [(3, np.uint8), (1, np.uint8), (4, np.uint8), (3, np.uint16)][n % 4]
    path = f'{sys.argv[1]}/{n}.png'
    cv2.imwrite(path, rng.integers(0, np.iinfo(depth).max + 1, (h, w, channels), dtype=depth))
    if n % 3 == 0:
        turn(path, int(rng.integers(1, 9)))
    short = int(rng.integers(64, 300))
    long, kind = int(rng.integers(short, 500)), ('seg', 'det')[n % 2]
    np.save(path + '.npy', pipeline(path, kind, long, short))
    print(path, kind, f'{long}x{short}', path + '.npy')
