"""Writes what mmcv's two test pipelines make of images of this folder (seg.NAME.npy and det.NAME.npy, float32, 1×3×H×W), scaled to fit
48×20, and what SAM's ResizeLongestSide does (sam.NAME.npy, 32×32).

Written with OpenCV 4.6, NumPy 1.24 and Pillow 9.4. Run it here, after generate.py: python3 opencv.py
"""
import cv2
import numpy as np
from PIL import Image

MEAN, STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])

def normalize(rgb):
    x = cv2.subtract(rgb.astype(np.float32), MEAN.reshape(1, -1))
    return cv2.multiply(x, 1 / STD.reshape(1, -1))

def pad(x, h, w):
    return np.pad(x, ((0, h - x.shape[0]), (0, w - x.shape[1]), (0, 0)))

def save(kind, name, x):
    np.save(f'{kind}.{name}.npy', x.transpose(2, 0, 1)[None])

def multiple(n):
    return -(-n // 32) * 32

def write(name, long=48, short=20):
    im = cv2.cvtColor(cv2.imread(name), cv2.COLOR_BGR2RGB)
    h, w = im.shape[:2]
    s = min(long / max(h, w), short / min(h, w))
    im = cv2.resize(im, (int(w * s + .5), int(h * s + .5)), interpolation=cv2.INTER_LINEAR)
    h, w = im.shape[:2]
    save('det', name, pad(normalize(im), multiple(h), multiple(w)))
    save('seg', name, normalize(cv2.resize(im, (multiple(w), multiple(h)), interpolation=cv2.INTER_LINEAR)))

def sam(name, size=32):
    im = Image.open(name).convert('RGB')
    k = size / max(im.size)
    im = im.resize([int(n * k + .5) for n in im.size], Image.BILINEAR)
    save('sam', name, pad(((np.asarray(im) - MEAN) / STD).astype(np.float32), size, size))

exif = Image.Exif()
exif[0x112] = 6  # to be turned right
for name, image in (('turned.png', 'landscape.png'), ('turned.jpg', '420.jpg')):
    Image.open(image).save(name, exif=exif, quality=90)
for name in ('landscape.png', 'portrait.png', 'enlarged.png', 'line.png', 'bits.png', 'rgba.png', 'la.png', 'palette.png', 'turned.png', 'turned.jpg', '420.jpg', 'gray.jpg'):
    write(name)
for name in ('landscape.png', 'portrait.png', 'enlarged.png'):
    sam(name)
