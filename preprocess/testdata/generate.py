"""Writes the images of this folder and, beside each, what PIL and torchvision make of it (float32, 3×H×W).

Written with Pillow 9.4 and torchvision 0.14; JPEG by libjpeg-turbo 2.1. Run it here: python3 generate.py
"""
import numpy as np
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import functional as F

rng = np.random.default_rng(7)

def picture(w, h):
    """Smooth colours, edges, and a little noise."""
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([128 + 120 * np.sin(x / 9 + y / 17), 128 + 120 * np.cos(x / 23 - y / 7), 255 * ((x // 8 + y // 8) % 2)], -1)
    return Image.fromarray(np.clip(a + rng.normal(0, 4, a.shape), 0, 255).astype(np.uint8))

def transform(im, size, pct, how, mode):
    h, w = size
    steps = [T.Resize(int(h / pct), how)] if h == w else []
    if h != w:  # the rule of the package: cover int(h/pct)×int(w/pct)
        sh, sw = int(h / pct), int(w / pct)
        iw, ih = im.size
        steps = [T.Resize([int(sw * ih / iw), sw] if iw * sh <= ih * sw else [sh, int(sh * iw / ih)], how)]
    mean, std = ((.485, .456, .406), (.229, .224, .225)) if mode == 'RGB' else ((.5,) * len(mode), (.25,) * len(mode))
    steps += [T.CenterCrop(size), T.ToTensor(), T.Normalize(mean, std)]
    return T.Compose(steps)(im.convert(mode)).numpy()

def write(name, im, size=(24, 24), pct=.875, how=F.InterpolationMode.BICUBIC, mode='RGB', **options):
    im.save(name, **options)
    np.save(name + '.npy', transform(Image.open(name), size, pct, how, mode))

def again(name, result, size=(24, 24), pct=.875, how=F.InterpolationMode.BICUBIC, mode='RGB'):
    """Another result for a file that is there."""
    np.save(result + '.npy', transform(Image.open(name), size, pct, how, mode))

def translucent(w, h):
    a = np.array(picture(w, h).convert('RGBA'))
    a[..., 3] = rng.integers(0, 256, a.shape[:2])
    return Image.fromarray(a)

write('landscape.png', picture(61, 40))
write('portrait.png', picture(33, 70), pct=.95)
write('enlarged.png', picture(9, 13))
write('line.png', picture(90, 1), pct=1)
write('same.png', picture(24, 24), pct=1)
write('padded.png', picture(50, 31), (21, 21), 1.5)
write('wide.png', picture(50, 45), (16, 31))
write('high.png', picture(70, 40), (31, 16), .95)
write('bilinear.png', picture(61, 40), how=F.InterpolationMode.BILINEAR)
write('gray.png', picture(40, 31).convert('L'))
write('bits.png', picture(40, 31).convert('1'))
write('rgba.png', translucent(40, 31))
write('la.png', translucent(31, 40).convert('LA'))
write('palette.png', picture(40, 31).quantize(13))
for sub, name in enumerate(('444', '422', '420')):
    write(f'{name}.jpg', picture(61, 43), subsampling=sub, quality=90)
write('progressive.jpg', picture(61, 43), progressive=True, quality=80)
write('gray.jpg', picture(45, 61).convert('L'))
write('cmyk.jpg', picture(45, 61).convert('CMYK'))

NEAREST, BILINEAR = F.InterpolationMode.NEAREST, F.InterpolationMode.BILINEAR
again('landscape.png', 'nearest.landscape', how=NEAREST)
again('enlarged.png', 'nearest.enlarged', how=NEAREST)
again('padded.png', 'nearest.padded', (21, 21), 1.5, NEAREST)
for name in ('landscape.png', 'gray.png', 'bits.png', 'rgba.png', 'la.png', 'palette.png', '420.jpg', 'gray.jpg', 'cmyk.jpg'):
    again(name, 'L.' + name, mode='L')
again('landscape.png', 'L.bilinear', how=BILINEAR, mode='L')
again('landscape.png', 'L.nearest', how=NEAREST, mode='L')
colours = picture(40, 31).quantize(13)
write('transparent.png', colours, mode='RGBA', transparency=bytes(rng.integers(0, 256, 13).astype(np.uint8)))
for name in ('landscape.png', 'gray.png', 'rgba.png', 'la.png', 'palette.png', '420.jpg', 'gray.jpg', 'cmyk.jpg'):
    again(name, 'RGBA.' + name, mode='RGBA')
again('rgba.png', 'RGBA.bilinear', how=BILINEAR, mode='RGBA')
again('rgba.png', 'RGBA.nearest', how=NEAREST, mode='RGBA')
again('rgba.png', 'RGBA.padded', (21, 21), 1.5, mode='RGBA')
write('same.rgba.png', translucent(24, 24), pct=1, mode='RGBA')
