// The page: a photo goes to the server once, and every click, or box, brings a mask of it. Places are
// in the photo's own pixels. What the server says is shown as text.
'use strict';

const $ = (id) => document.getElementById(id);
let photo = null; // {file, id, width, height}
let steps = []; // what was clicked: {point: [x, y, label]} or {box: [x0, y0, x1, y1]}
let cross = null; // where the keyboard is, as a point
let corner = null; // of a box that is being drawn, as a point
let latest = 0; // counts what was asked for: answers to something older are not shown
let abort = null; // ends the request on the way

// ---- the server

// ask returns a request's answer. Where the server is busy it is asked again, as it wants to be.
async function ask(path, options) {
  for (let tries = 0; ; tries++) {
    const r = await fetch(path, options);
    const answer = await r.json();
    if (r.ok) return answer;
    const error = new Error(answer.errors?.[0]?.message ?? `the server answers ${r.status}`);
    error.status = r.status;
    if (r.status !== 503 || tries === 5) throw error;
    await new Promise((resolve) => { setTimeout(resolve, 1000 * Number(r.headers.get('Retry-After') ?? 1)); });
  }
}

const upload = (file, signal) => ask('images', { method: 'POST', body: file, headers: { 'Content-Type': 'application/octet-stream' }, signal });

// forget tells the server that a photo is not needed any more. If that fails, it goes by itself later.
const forget = (id) => { fetch(`images/${id}`, { method: 'DELETE', keepalive: true }).catch(() => {}); };

function fail(e) {
  if (e.name === 'AbortError') return;
  $('error').textContent = e.message;
  $('error').hidden = false;
  $('status').textContent = '';
}

// begin makes what was asked for before void, and returns whether this is still the latest.
function begin(text) {
  const mine = ++latest;
  abort?.abort();
  abort = new AbortController();
  $('error').hidden = true;
  $('status').textContent = text;
  return () => mine === latest;
}

// ---- the photo

// leastSide is how wide a photo is shown at least where there is room: a finger is no needle.
const leastSide = 480;

async function choose(file) {
  if (!file) return;
  const current = begin('');
  const signal = abort.signal;
  if (photo) forget(photo.id);
  photo = null;
  steps = [];
  cross = corner = null;
  show(null);
  $('clicking').hidden = true;
  if ($('photo')) {
    URL.revokeObjectURL($('photo').src);
    $('photo').remove();
  }
  const img = Object.assign(new Image(), { id: 'photo', alt: 'The photo', draggable: false, src: URL.createObjectURL(file) });
  try {
    await img.decode().catch(() => {
      URL.revokeObjectURL(img.src);
      throw new Error(`${file.name}: the browser can’t show this file`);
    });
    if (!current()) return;
    const { naturalWidth: w, naturalHeight: h } = img;
    $('stage').prepend(img);
    $('stage').style.width = `min(100%, ${80 * w / h}vh, ${Math.max(w, leastSide)}px)`;
    $('clicking').hidden = false;
    $('stage').setAttribute('aria-busy', 'true');
    $('status').textContent = 'Looking at the photo…';
    const r = await upload(file, signal);
    if (!current()) { forget(r.id); return; }
    if ((w > h) !== (r.width > r.height) && r.width !== r.height && w !== h) throw new Error(`the server found ${r.width}×${r.height} pixels, the browser ${w}×${h}: places would not be the same`);
    photo = { file, id: r.id, width: r.width, height: r.height };
    $('status').textContent = `${r.width}×${r.height} pixels. Click on something.`;
    $('stage').focus({ preventScroll: true });
  } catch (e) {
    if (current()) {
      $('clicking').hidden = true;
      fail(e);
    }
  } finally {
    if (current()) $('stage').removeAttribute('aria-busy');
  }
}

// ---- prompts

// prompt is what the steps say together: all points, and the last box.
function prompt() {
  const p = { points: steps.filter((s) => s.point).map((s) => s.point) };
  const box = steps.findLast((s) => s.box);
  if (box) p.box = box.box;
  return p;
}

async function segment() {
  marks();
  const current = begin('');
  if (steps.length === 0) {
    show(null);
    $('status').textContent = 'Click on something.';
    return;
  }
  const { signal } = abort;
  const started = performance.now();
  const post = () => ask(`images/${photo.id}/mask`, { method: 'POST', body: JSON.stringify(prompt()), headers: { 'Content-Type': 'application/json' }, signal });
  try {
    const m = await post().catch(async (e) => {
      if (e.status !== 404) throw e;
      $('status').textContent = 'Looking at the photo again…'; // the server has forgotten it
      photo.id = (await upload(photo.file, signal)).id;
      return post();
    });
    if (!current()) return;
    const pixels = decode(m.mask, m.width * m.height);
    show(m, pixels);
    $('status').textContent = `${m.area.toLocaleString('en')} pixels, ${(100 * m.area / (m.width * m.height)).toFixed(1)} % of the photo; score ${m.score.toFixed(2)}; ${Math.round(performance.now() - started)} ms.`;
  } catch (e) {
    if (!current()) return;
    show(null); // what is there belongs to an earlier prompt
    fail(e);
  }
}

// decode reads COCO's run lengths: pixels outside and inside in turn, down the columns. Numbers are
// written in 5 bits a character, from the fourth on as the difference to the one before the last.
function decode(text, pixels) {
  const inside = new Uint8Array(pixels);
  const runs = [];
  for (let i = 0, at = 0; i < text.length; ) {
    let n = 0;
    for (let shift = 0; ; shift += 5) {
      const c = text.charCodeAt(i++) - 48;
      n |= (c & 31) << shift;
      if (!(c & 32)) {
        if (c & 16) n |= -1 << (shift + 5);
        break;
      }
    }
    if (runs.length > 2) n += runs[runs.length - 2];
    if (runs.length % 2) inside.fill(1, at, at + n);
    runs.push(n);
    at += n;
  }
  return inside;
}

// mostSide is that of the picture of a mask, which is scaled to the photo's place anyway.
const mostSide = 1600;

// show draws a mask over the photo, and its border; null for none.
function show(m, pixels) {
  const canvas = $('mask');
  const link = $('save');
  URL.revokeObjectURL(link.href);
  link.hidden = true;
  if (!m) {
    canvas.width = canvas.height = 1;
    return;
  }
  const scale = Math.max(1, m.width / mostSide, m.height / mostSide);
  const w = canvas.width = Math.round(m.width / scale), h = canvas.height = Math.round(m.height / scale);
  const at = (x, y) => pixels[Math.min(m.width - 1, Math.floor((x + 0.5) * m.width / w)) * m.height + Math.min(m.height - 1, Math.floor((y + 0.5) * m.height / h))];
  const picture = new ImageData(w, h);
  const line = Math.max(1, Math.round(Math.max(w, h) / 400));
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      if (!at(x, y)) continue;
      const border = x < line || y < line || x >= w - line || y >= h - line || !at(x - line, y) || !at(x + line, y) || !at(x, y - line) || !at(x, y + line);
      picture.data.set(border ? [255, 255, 255, 255] : [20, 110, 255, 130], 4 * (y * w + x));
    }
  }
  canvas.getContext('2d').putImageData(picture, 0, 0);
  // The mask as a file, of the photo's own size, is made when it is asked for.
  link.hidden = false;
  link.href = `images/${photo.id}/mask`;
  link.download = `${photo.file.name.replace(/\.[^.]*$/, '')}.mask.png`;
  link.onclick = async (e) => {
    if (link.href.startsWith('blob:')) return;
    e.preventDefault();
    try {
      const r = await fetch(`images/${photo.id}/mask?as=mask`, { method: 'POST', body: JSON.stringify(prompt()) });
      if (!r.ok) throw new Error((await r.json()).errors[0].message);
      link.href = URL.createObjectURL(await r.blob());
      link.click();
    } catch (error) {
      fail(error);
    }
  };
}

// marks draws what was clicked.
function marks(dragged) {
  const all = [];
  const mark = (kind, x, y) => {
    const e = document.createElement('div');
    e.className = kind;
    e.style.left = `${100 * x / photo.width}%`;
    e.style.top = `${100 * y / photo.height}%`;
    all.push(e);
    return e;
  };
  const box = dragged ?? prompt().box;
  if (box) {
    const e = mark('box', box[0], box[1]);
    e.style.width = `${100 * (box[2] - box[0]) / photo.width}%`;
    e.style.height = `${100 * (box[3] - box[1]) / photo.height}%`;
  }
  for (const [x, y, label] of prompt().points) mark(label ? 'point inside' : 'point outside', x, y);
  if (cross) mark('cross', ...cross);
  $('marks').replaceChildren(...all);
  $('undo').disabled = $('clear').disabled = steps.length === 0;
}

const boxOf = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])];

function add(step) {
  steps.push(step);
  segment();
}

// addBox adds a box, if it is one.
function addBox(a, b) {
  corner = null;
  const box = boxOf(a, b);
  if (box[0] < box[2] && box[1] < box[3]) add({ box });
  else marks();
}

const label = (negative) => (negative ? 0 : Number(document.querySelector('input[name=label]:checked').value));

function undo() {
  if (!photo) return;
  steps.pop();
  segment();
}

function clear() {
  if (!photo) return;
  steps = [];
  corner = null;
  segment();
}

// ---- pointer and keyboard

// place is where an event is in the photo, on its border at most.
function place(e) {
  const r = $('photo').getBoundingClientRect();
  const within = (v, most) => Math.min(Math.max(v, 0), most);
  return [within((e.clientX - r.left) / r.width * photo.width, photo.width), within((e.clientY - r.top) / r.height * photo.height, photo.height)];
}

let down = null; // where the pointer was pressed: the event and the place
const dragged = (e) => Math.hypot(e.clientX - down.e.clientX, e.clientY - down.e.clientY) > 6;

$('stage').addEventListener('pointerdown', (e) => {
  if (!photo || e.button !== 0 || !e.isPrimary) return;
  down = { e, at: place(e) };
  cross = corner = null;
  $('stage').setPointerCapture(e.pointerId);
});
$('stage').addEventListener('pointermove', (e) => {
  if (down && dragged(e)) marks(boxOf(down.at, place(e)));
});
$('stage').addEventListener('pointerup', (e) => {
  if (!down) return;
  const box = dragged(e);
  const from = down.at;
  down = null;
  if (!photo) return;
  if (box) addBox(from, place(e));
  else add({ point: [...from, label(e.shiftKey)] });
});
$('stage').addEventListener('pointercancel', () => {
  if (down && photo) marks();
  down = null;
});

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

$('stage').addEventListener('keydown', (e) => {
  if (!photo || e.ctrlKey || e.metaKey || e.altKey) return;
  const key = e.key.toLowerCase();
  const arrow = arrows[e.key];
  if (!arrow && ![' ', 'enter', 'n', 'b'].includes(key)) return;
  e.preventDefault();
  cross ??= [photo.width / 2, photo.height / 2];
  if (arrow) {
    const far = Math.max(photo.width, photo.height) / (e.shiftKey ? 10 : 100);
    cross = [Math.min(Math.max(cross[0] + far * arrow[0], 0), photo.width), Math.min(Math.max(cross[1] + far * arrow[1], 0), photo.height)];
    $('status').textContent = `At ${Math.round(cross[0])}, ${Math.round(cross[1])}.`;
    marks(corner ? boxOf(corner, cross) : undefined);
  } else if (key !== 'b') {
    add({ point: [...cross, label(key === 'n' || e.shiftKey)] });
  } else if (corner) {
    addBox(corner, cross);
  } else {
    corner = [...cross];
    $('status').textContent = 'Move to the other corner, and press B again.';
    marks();
  }
});
document.addEventListener('keydown', (e) => {
  if (e.key === 'Escape') clear();
  if (e.key.toLowerCase() === 'z' && (e.ctrlKey || e.metaKey)) {
    e.preventDefault();
    undo();
  }
});

$('undo').addEventListener('click', undo);
$('clear').addEventListener('click', clear);
$('file').addEventListener('change', (e) => choose(e.target.files[0]));
for (const kind of ['dragover', 'dragleave', 'drop']) {
  document.addEventListener(kind, (e) => {
    e.preventDefault();
    document.querySelector('section').classList.toggle('over', kind === 'dragover');
    if (kind === 'drop') choose(e.dataTransfer.files[0]);
  });
}
