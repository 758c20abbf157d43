"""Writes images in formats beside PNG and JPEG and, beside each, the pixels that PIL reads (RGBA, uint8, H×W×4).

Written with Pillow 9.4 and libwebp 1.2.4 (Debian's python3-pil). Run it here: python3 formats.py
"""
import struct
import numpy as np
from PIL import Image

rng = np.random.default_rng(18)

def picture(w, h):
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([128 + 120 * np.sin(x / 9 + y / 17), 128 + 120 * np.cos(x / 23 - y / 7), 255 * ((x // 8 + y // 8) % 2)], -1)
    return Image.fromarray(np.clip(a + rng.normal(0, 4, a.shape), 0, 255).astype(np.uint8))

def translucent(w, h):
    a = np.array(picture(w, h).convert('RGBA'))
    a[..., 3] = rng.integers(0, 256, a.shape[:2])
    return Image.fromarray(a)

def read(name):
    im = Image.open(name)
    rgba = np.array(im.convert('RGBA'))
    rgba[..., :3] = np.array(im.convert('RGB'))  # alpha is dropped, whatever stands under it
    np.save(name + '.npy', rgba)

def write(name, im, **options):
    im.save(name, **options)
    read(name)

write('lossy.webp', picture(37, 26), quality=80)
write('odd.webp', picture(31, 23), quality=60)
write('one.webp', picture(1, 1), quality=90)
write('alpha.webp', translucent(30, 21), quality=80, exact=True)
write('lossless.webp', picture(33, 20), lossless=True)
write('colours.webp', picture(33, 20).quantize(5).convert('RGB'), lossless=True)
write('lossless.alpha.webp', translucent(21, 20), lossless=True, exact=True)

write('rgb.bmp', picture(31, 20))
write('palette.bmp', picture(31, 20).quantize(40))
write('gray.bmp', picture(31, 20).convert('L'))

write('plain.gif', picture(31, 20).quantize(60))
write('interlaced.gif', picture(31, 20).quantize(7), interlace=1)
write('transparent.gif', picture(31, 20).quantize(9), transparency=4)

def moved(name, transparent):
    """The first picture is smaller than the canvas of 40×30 and stands at 5,3."""
    data = bytearray(open('transparent.gif' if transparent else 'plain.gif', 'rb').read())
    data[6:10] = struct.pack('<HH', 40, 30)
    at = data.index(b',\0\0\0\0' + struct.pack('<HH', 31, 20))
    data[at + 1:at + 5] = struct.pack('<HH', 5, 3)
    open(name, 'wb').write(data)
    read(name)

moved('moved.gif', False)
moved('moved.transparent.gif', True)
picture(20, 20).save('frames.gif', save_all=True, append_images=[picture(20, 20)])
read('frames.gif')

write('lzw.tif', picture(33, 21), compression='tiff_lzw')
write('deflate.tif', picture(33, 21), compression='tiff_adobe_deflate')
write('raw.tif', picture(33, 21))
write('rgba.tif', translucent(33, 21))
write('gray.tif', picture(33, 21).convert('L'))
write('bits.tif', picture(33, 21).convert('1'))
write('palette.tif', picture(33, 21).quantize(20))
write('turned.tif', picture(33, 21), tiffinfo={274: 6})
