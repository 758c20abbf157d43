"""Writes annotations (coco.instances.json), detections (coco.detections.json) and their twelve figures for boxes and masks
(coco.figures.json), computed on bitmaps, slowly, as pycocotools' cocoeval.py and maskApi.c describe it: nothing is shared with the Go code.

Written with NumPy 1.24. Run it here: python3 coco.py
"""
import json
import math
import numpy as np

def fill(xy, h, w):
    """rleFrPoly: the edges on a grid five times finer, then the crossings with each column's middle."""
    x = [int(5 * v + .5) for v in xy[0::2]]
    y = [int(5 * v + .5) for v in xy[1::2]]
    u, v = [], []
    for xs, ys, xe, ye in zip(x, y, x[1:] + x[:1], y[1:] + y[:1]):
        dx, dy = abs(xe - xs), abs(ye - ys)
        flip = xs > xe if dx >= dy else ys > ye
        if flip:
            xs, ys, xe, ye = xe, ye, xs, ys
        for d in range(max(dx, dy) + 1):
            t = max(dx, dy) - d if flip else d
            u.append(t + xs if dx >= dy else int(xs + (xe - xs) / dy * t + .5))
            v.append(t + ys if dx < dy else int(ys + (ye - ys) / max(dx, 1) * t + .5))
    toggled = np.zeros(h * w + 1, int)
    for u0, u1, v0, v1 in zip(u, u[1:], v, v[1:]):
        column = (min(u0, u1) + .5) / 5 - .5
        if u0 != u1 and column == math.floor(column) and 0 <= column <= w - 1:
            toggled[int(column) * h + math.ceil(min(max((min(v0, v1) + .5) / 5 - .5, 0), h))] += 1
    return (np.cumsum(toggled)[:-1] % 2).astype(np.uint8).reshape(w, h).T

def counts(bits):
    runs, inside = [0], 0
    for b in bits.T.reshape(-1).tolist():
        if b != inside:
            runs.append(0)
            inside = b
        runs[-1] += 1
    return runs

def text(runs):
    s = ''
    for i, x in enumerate(runs):
        if i > 2:
            x -= runs[i - 2]
        more = True
        while more:
            c = x & 31
            x >>= 5
            more = x != -1 if c & 16 else x != 0
            s += chr(48 + c + 32 * more)
    return s

def box_iou(d, g, crowd):
    w = min(d[0] + d[2], g[0] + g[2]) - max(d[0], g[0])
    h = min(d[1] + d[3], g[1] + g[3]) - max(d[1], g[1])
    if w <= 0 or h <= 0:
        return 0
    return w * h / (d[2] * d[3] if crowd else d[2] * d[3] + g[2] * g[3] - w * h)

def mask_iou(d, g, crowd):
    both = int((d & g).sum())
    return both / int(d.sum() if crowd else (d | g).sum()) if both else 0

AREAS = [(0, 1e10), (0, 1024), (1024, 9216), (9216, 1e10)]
IOU, RECALL = np.linspace(.5, .95, 10), np.linspace(0, 1, 101)

def match(detections, truths, area, overlap):
    """One image, one category, one range of sizes: scores, matched and ignored by threshold, number of truths that count."""
    outside = lambda a: a < area[0] or a > area[1]
    truths = sorted(truths, key=lambda g: bool(g['iscrowd'] or outside(g['area'])))
    ignore = [bool(g['iscrowd'] or outside(g['area'])) for g in truths]
    matched, ignored = np.zeros((2, 10, len(detections)), bool)
    for t, threshold in enumerate(IOU):
        taken = [False] * len(truths)
        for i, d in enumerate(detections):
            best, m = min(threshold, 1 - 1e-10), -1
            for k, g in enumerate(truths):
                if taken[k] and not g['iscrowd']:
                    continue
                if m > -1 and not ignore[m] and ignore[k]:
                    break
                o = overlap(d, g)
                if o >= best:
                    best, m = o, k
            if m > -1:
                taken[m] = matched[t, i] = True
                ignored[t, i] = ignore[m]
            else:
                ignored[t, i] = outside(d['area'])
    return [d['score'] for d in detections], matched, ignored, ignore.count(False)

def figures(images, categories, truths, detections, overlap):
    precision, recall = -np.ones((10, 101, len(categories), 4, 3)), -np.ones((10, len(categories), 4, 3))
    of = lambda rows, i, c: [r for r in rows if r['image_id'] == i and r['category_id'] == c]
    for k, c in enumerate(categories):
        for a, area in enumerate(AREAS):
            parts = [match(sorted(of(detections, i, c), key=lambda d: -d['score'])[:100], of(truths, i, c), area, overlap) for i in sorted(images)]
            n = sum(p[3] for p in parts)
            for m, most in enumerate((1, 10, 100)):
                if not n:
                    continue
                scores = np.concatenate([p[0][:most] for p in parts])
                order = np.argsort(-scores, kind='mergesort')
                matched, ignored = (np.concatenate([p[j][:, :most] for p in parts], 1)[:, order] for j in (1, 2))
                for t in range(10):
                    tp, fp = np.cumsum(matched[t] & ~ignored[t]), np.cumsum(~matched[t] & ~ignored[t])
                    r, p = tp / n, tp / (tp + fp + np.spacing(1))
                    p = np.maximum.accumulate(p[::-1])[::-1]
                    at = np.searchsorted(r, RECALL)
                    precision[t, :, k, a, m] = np.append(p, 0)[at]
                    recall[t, k, a, m] = r[-1] if len(r) else 0
    mean = lambda x: float(x[x > -1].mean()) if (x > -1).any() else None
    names = 'ap ap50 ap75 ap_small ap_medium ap_large ar1 ar10 ar100 ar_small ar_medium ar_large'.split()
    values = [mean(precision[..., 0, 2]), mean(precision[0, ..., 0, 2]), mean(precision[5, ..., 0, 2])] + [mean(precision[..., a, 2]) for a in (1, 2, 3)]
    values += [mean(recall[..., 0, m]) for m in (0, 1, 2)] + [mean(recall[..., a, 2]) for a in (1, 2, 3)]
    return dict(zip(names, values)) | {'categories': [mean(precision[:, :, k, 0, 2]) for k in range(len(categories))]}

rng = np.random.default_rng(11)
images, categories, truths, detections, bits = [], [{'id': i, 'name': f'category {i}'} for i in (9, 3, 17)], [], [], {}
for i in (31, 7, 12, 40):  # not in order
    h, w = (int(n) for n in rng.integers(120, 300, 2))
    images.append({'id': i, 'file_name': f'{i}.png', 'height': h, 'width': w})
    for _ in range(7):
        size, k = rng.uniform(8, 240), int(rng.integers(3, 8))
        angles = np.linspace(0, 2 * np.pi, k, endpoint=False) + rng.uniform(0, .5, k)
        xy = np.stack([rng.uniform(-size / 4, w - size / 2) + size / 2 * (1 + np.cos(angles)), rng.uniform(-size / 4, h - size / 2) + size / 2 * (1 + np.sin(angles))], 1)
        polygon = [float(v) for v in xy.reshape(-1).round(1)]
        b = fill(polygon, h, w)
        x0, y0, x1, y1 = *xy.min(0), *xy.max(0)
        truth = {'id': len(truths) + 1, 'image_id': i, 'category_id': int(rng.choice([9, 3])), 'iscrowd': int(rng.random() < .2), 'area': int(b.sum()),
                 'bbox': [round(float(v), 1) for v in (x0, y0, x1 - x0, y1 - y0)], 'segmentation': [polygon]}
        if rng.random() < .4 or truth['iscrowd']:
            truth['segmentation'] = {'size': [h, w], 'counts': text(counts(b)) if rng.random() < .5 else counts(b)}
        bits[id(truth)] = b
        truths.append(truth)
        for _ in range(int(rng.integers(0, 4))):
            moved = [float(v) for v in (np.array(polygon) + rng.normal(0, size * .04, len(polygon))).round(1)]
            m = fill(moved, h, w)
            d = {'image_id': i, 'category_id': truth['category_id'] if rng.random() < .8 else 17, 'score': round(float(rng.random()), 1),  # many are equal
                 'bbox': [round(float(v), 1) for v in np.array(truth['bbox']) + rng.normal(0, size * .04, 4)], 'counts': text(counts(m))}
            d['bbox'][2:] = [max(v, 1) for v in d['bbox'][2:]]
            bits[id(d)] = m
            detections.append(d)
    for _ in range(104 if i == 12 else 3):  # more than count
        x, y = (int(n) for n in rng.integers(0, 40, 2))
        d = {'image_id': i, 'category_id': 9, 'score': round(float(rng.random() * .3), 2), 'bbox': [x, y, 20, 15]}
        bits[id(d)] = m = np.zeros((h, w), np.uint8)
        m[y:y + 15, x:x + 20] = 1
        d['counts'] = text(counts(m))
        detections.append(d)

ids = [m['id'] for m in images]
order = [c['id'] for c in categories]
for d in detections:
    d['area'] = d['bbox'][2] * d['bbox'][3]
boxes = figures(ids, order, truths, detections, lambda d, g: box_iou(d['bbox'], g['bbox'], g['iscrowd']))
for d in detections:
    d['area'] = int(bits[id(d)].sum())
masks = figures(ids, order, truths, detections, lambda d, g: mask_iou(bits[id(d)], bits[id(g)], g['iscrowd']))
for d in detections:
    del d['area']
for name, value in (('instances', {'images': images, 'categories': categories, 'annotations': truths}), ('detections', detections), ('figures', {'bbox': boxes, 'segm': masks})):
    with open(f'coco.{name}.json', 'w') as f:
        json.dump(value, f)
        f.write('\n')
