// The page: it loads the program, and then runs its commands on what the user chooses, each in a
// Web Worker of its own (worker.js). Everything that a file or the program says is shown as text.
'use strict';

const $ = (id) => document.getElementById(id);
const program = {}; // module and the worker's address, when they are there
let chosen = null; // {files, name, found}: what is to be converted, and what inspect says of it
let converted = null; // {files, model}: what the last conversion wrote
let running = null; // {cancel} while the page works
let links = []; // addresses of Blobs that the result shows

// ---- the program

async function load() {
  const started = performance.now();
  const [packed, source] = await Promise.all([get('repvit.wasm.gz').then((r) => r.arrayBuffer()), get('worker.js').then((r) => r.text())]);
  program.module = await WebAssembly.compile(await unpack(packed));
  program.worker = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const lock = document.createElement('meta'); // from here on there is no network, for the page and its workers
  lock.httpEquiv = 'Content-Security-Policy';
  lock.content = "connect-src 'none'";
  document.head.append(lock);
  $('state').textContent = `Ready: ${size(packed.byteLength)} loaded in ${seconds(performance.now() - started)}.`;
  $('choose').disabled = false;
}

async function get(name) {
  const r = await fetch(name);
  if (!r.ok) throw new Error(`${name}: the server answers ${r.status}`);
  return r;
}

// unpack undoes gzip, unless the server or the browser has done so.
async function unpack(buffer) {
  const head = new Uint8Array(buffer, 0, 2);
  if (head[0] !== 0x1f || head[1] !== 0x8b) return buffer;
  return new Response(new Blob([buffer]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
}

class Cancelled extends Error {}

// run runs a command and returns its standard output, its lines on standard error and what it wrote,
// as [path, Blob]. A command that fails is an Error with its one line.
function run(args, files, progress = () => {}) {
  const worker = new Worker(program.worker);
  let cancel;
  const done = new Promise((resolve, reject) => {
    cancel = () => reject(new Cancelled('Cancelled; nothing was written.'));
    worker.onmessage = ({ data }) => (data.progress ? progress(data.progress) : data.status === 0 ? resolve(data) : reject(new Error(complaint(data))));
    worker.onerror = (e) => reject(new Error(e.message || 'the worker ended'));
    worker.onmessageerror = () => reject(new Error('the worker’s answer can’t be read'));
    worker.postMessage({ module: program.module, args, files });
  }).finally(() => worker.terminate());
  return { done, cancel };
}

// complaint is the line that a command ended with; of a program that broke down it says so.
function complaint({ status, stderr }) {
  const broken = stderr.match(/^(?:fatal error|panic|runtime): .*$/m);
  if (broken) return `The program ended unexpectedly (${broken[0]}). A file that needs more than the 4 GB that a page has converts with the command.`;
  const last = stderr.trim().split('\n').pop();
  return last.replace(/^repvit: /, '') || `the program ended with status ${status}`;
}

// work runs a command while the page shows how far it is and takes nothing else. The error, if
// there is one, is shown in the place given.
async function work(stage, args, files, place) {
  if (running) return null;
  place.hidden = true;
  const controls = [...document.querySelectorAll('main input, main button')].filter((e) => !e.disabled);
  controls.forEach((e) => { e.disabled = true; });
  const started = performance.now();
  const clock = setInterval(() => { $('time').textContent = seconds(performance.now() - started); }, 100);
  show(stage, 0, 1);
  $('time').textContent = '';
  $('work').hidden = false;
  $('cancel').focus();
  try {
    running = run(args, files, (line) => {
      const [, name, done, total] = line.match(/^(.*) (\d+)\/(\d+)$/);
      show(stages[name] ?? name, Number(done), Number(total));
    });
    const r = await running.done;
    return { ...r, milliseconds: performance.now() - started };
  } catch (e) {
    place.textContent = e.message;
    place.hidden = false;
    return null;
  } finally {
    running = null;
    clearInterval(clock);
    $('work').hidden = true;
    controls.forEach((e) => { e.disabled = false; });
  }
}

const stages = { read: 'Reading', write: 'Writing', prove: 'Proving', report: 'Measuring for the report', measure: 'Measuring what int8 costs' };

function show(stage, done, total) {
  $('stage').textContent = stage;
  if (total > 1) {
    $('bar').max = total;
    $('bar').value = done;
  } else {
    $('bar').removeAttribute('value'); // how far is not known
  }
}

// ---- 1. the checkpoint

async function choose(files) {
  if (files.length === 0) return;
  forget();
  $('target').hidden = $('found').hidden = true;
  chosen = null;
  const ncnn = files.find((f) => f.name.endsWith('.param'));
  const models = files.filter((f) => !/\.np[yz]$/.test(f.name) && !(ncnn && f.name.endsWith('.bin')));
  const list = files.map((f) => [f.name, f]);
  if (models.length !== 1) {
    $('source-error').textContent = `Found ${models.length} models, expected one: a checkpoint, a converted model, or the .param and .bin of ncnn; arrays for flags may come with it.`;
    $('source-error').hidden = false;
    return;
  }
  const [first] = models;
  const r = await work(`Looking into ${first.name}`, ['inspect', '--json', '--', first.name], list, $('source-error'));
  if (!r) return;
  const found = JSON.parse(r.stdout);
  chosen = { files: list, name: first.name, found };
  $('found').replaceChildren(...describe(found));
  $('found').hidden = $('target').hidden = false;
  $('checkpoint').focus();
}

// describe shows what inspect says.
function describe(f) {
  const all = [];
  if (f.problem) all.push(box('warning', `Does not convert as it is: ${f.problem}.${/ --\w|\(--\w/.test(f.problem) ? ' Flags go under “More flags”.' : ''}`));
  const stored = f.metadata?.['repvit.warnings'];
  for (const w of [...(f.warnings ?? []), ...(stored ? JSON.parse(stored) : [])]) all.push(box('warning', w));
  const heads = f.head || (f.distilled ? 'two heads' : f.classes ? 'one head' : '');
  const images = f.preprocess?.mean?.length ? `mean ${f.preprocess.mean.join(', ')}; std ${f.preprocess.std.join(', ')}` : '';
  all.push(facts([
    ['File', `${f.file}, ${size(f.bytes)}`],
    ['Network', f.variant || f.family || (f.problem ? '' : 'unknown')],
    ['Form', [f.generation, f.naming && `${f.naming} names`].filter(Boolean).join(', ')],
    ['Classes', f.classes ? `${f.classes}, ${heads}` : heads],
    ['Parameters', f.parameters ? millions(f.parameters) : ''],
    ['Multiplications at 224²', f.macs ? millions(f.macs) : ''],
    ['Container', [f.format, f.wrapper && `weights under “${f.wrapper}”`, f.opset && `opset ${f.opset}`].filter(Boolean).join(', ')],
    ['Tensors', Object.entries(f.dtypes).map(([t, n]) => `${n} ${t}`).join(', ')],
    ['Input', f.input],
    ['Output', f.outputs.join('; ')],
    ['Images', images],
    ['Other weights', f.other_state_dicts?.join(', ')],
    ['Ignored keys', f.ignored.length ? `${f.ignored.length}: ${f.ignored.slice(0, 3).join(', ')}${f.ignored.length > 3 ? ' …' : ''}` : ''],
    ['Skipped, not run', f.skipped?.join(', ')],
  ]));
  for (const n of f.notes ?? []) all.push(element('p', { className: 'note' }, n));
  if (f.parts?.length) {
    all.push(table('Parts', ['part', 'blocks', 'width', 'parameters', 'M multiplications'], f.parts.map((p) => [p.name, p.blocks || '', p.width, p.parameters, (p.macs / 1e6).toFixed(1)])));
  }
  if (f.state_dicts?.length) {
    all.push(table('State dicts', ['state dict', 'tensors', 'elements', 'networks', 'first name'], f.state_dicts.map((s) => [s.name || 'the file itself', s.tensors, s.elements, s.networks?.join(', ') || 'none', s.first])));
  }
  return all;
}

// ---- 2. the conversion

// forget drops the last conversion.
function forget() {
  links.forEach((l) => URL.revokeObjectURL(l));
  links = [];
  converted = null;
  $('photo').value = ''; // so that the same photo can be chosen again
  $('result').hidden = $('try').hidden = $('seen').hidden = $('try-error').hidden = $('target-error').hidden = true;
}

async function convert() {
  forget();
  const format = picked('format'), type = picked('type');
  const args = ['convert', '--progress', '--format', format];
  if (type === 'int8') args.push('--quant', 'int8');
  else if (format === 'coreml' ? type === 'float32' : type === 'float16') args.push(type === 'float32' ? '--float32' : '--half');
  const files = [...chosen.files];
  for (const f of type === 'int8' ? $('images').files : []) files.push([`images/${f.name}`, f]);
  if (files.length > chosen.files.length) args.push('--calib', 'images');
  if ($('size').value.trim()) args.push('--size', $('size').value.trim());
  for (const f of $('labels').disabled ? [] : $('labels').files) {
    files.push([`labels/${f.name}`, f]);
    args.push('--labels', `labels/${f.name}`);
  }
  const report = chosen.name.replace(/\.[^.]*$/, '') + '.report.html';
  if ($('report').checked) args.push(`--report=${report}`);
  args.push(...words($('flags').value), '--', chosen.name);

  const r = await work('Starting', args, files, $('target-error'));
  if (!r) {
    $('start').focus();
    return;
  }
  const outputs = r.files.filter(([path]) => path !== report);
  const lines = r.stderr.split('\n');
  const proof = [];
  for (const line of lines) {
    const warning = line.match(/^repvit: .*?: warning: (.*)$/);
    if (warning) proof.push(box('warning', warning[1]));
    else if (line.trim()) proof.push(element('p', line.startsWith('  checked ') ? { className: 'good' } : {}, sentence(line)));
  }
  const buttons = element('p', { className: 'buttons' });
  const folders = outputs.map(([path]) => path.split('/')[0]);
  const model = folders.find((n) => /\.(onnx|safetensors|tflite|mlpackage|param)$/i.test(n)) ?? folders[0];
  if (outputs.length === 1) buttons.append(download(outputs[0][1], outputs[0][0], 'main'));
  else if (outputs.length > 1) buttons.append(download(await zip(outputs), model.replace(/\.(encoder|decoder)\.|\.param$/, '.').replace(/\.$/, '') + '.zip', 'main'));
  for (const [path, blob] of r.files) if (path === report) buttons.append(download(new Blob([blob], { type: 'text/html' }), path));
  proof.push(buttons);
  $('proof').replaceChildren(...proof);
  $('result').hidden = false;
  converted = { files: outputs, model };
  $('try').hidden = folders.length > 1 && new Set(folders).size > 1 && !model.endsWith('.param'); // parts of Segment Anything need a click
  $('result-title').focus();
}

// download is a link to what was written.
function download(blob, name, kind = '') {
  const href = URL.createObjectURL(blob);
  links.push(href);
  return element('a', { className: `download ${kind}`, href, download: name.split('/').pop() }, `${name} (${size(blob.size)})`);
}

// ---- 4. a photo

async function see(photo) {
  if (!photo || !converted) return;
  $('seen').hidden = true;
  const dense = chosen.found.outputs.some((o) => /^(classes|dets) /.test(o));
  const name = `photo/${photo.name}`, args = ['predict', '--json', ...(dense ? ['-o', 'seen.png'] : []), '--', converted.model, name];
  const r = await work('Looking at the photo', args, [...converted.files, [name, photo]], $('try-error'));
  $('photo').focus();
  if (!r) return;
  const answer = JSON.parse(r.stdout);
  const picture = r.files.find(([path]) => path === 'seen.png')?.[1] ?? photo;
  const href = URL.createObjectURL(picture);
  links.push(href);
  const rows = (answer.detections ?? answer.classes).slice(0, dense ? 20 : 5);
  const list = table('What the network sees', ['', 'class', 'share'], rows.map((s) => {
    const share = s.score ?? s.share;
    return [s.label, element('meter', { value: share, min: 0, max: 1 }), `${(100 * share).toFixed(1)} %`];
  }));
  list.querySelector('thead').remove();
  const text = element('div', {}, list, element('p', { className: 'note' }, `${seconds(r.milliseconds)}, opening ${converted.model} included; on one core, without vector instructions.`));
  $('seen').replaceChildren(element('div', { className: 'answer' }, element('div', {}, element('img', { src: href, alt: dense ? 'The photo with what was found drawn on it' : 'The photo' })), text));
  $('seen').hidden = false;
}

// ---- small things

function element(name, properties = {}, ...children) {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
}

function box(kind, text) { return element('p', { className: kind }, text); }

function facts(rows) {
  return element('dl', { className: 'facts' }, ...rows.filter(([, v]) => v).map(([k, v]) => element('div', {}, element('dt', {}, k), element('dd', {}, String(v)))));
}

function table(title, head, rows) {
  const numbers = head.map((_, i) => rows.every((r) => r[i] === '' || /^[\d.]+( %)?$/.test(r[i])));
  const cell = (name) => (v, i) => element(name, numbers[i] ? { className: 'n' } : {}, v instanceof Node ? v : String(v));
  const box = element('div', { className: 'scroll', tabIndex: 0, ariaLabel: title },
    element('table', {}, element('thead', {}, element('tr', {}, ...head.map(cell('th')))), element('tbody', {}, ...rows.map((r) => element('tr', {}, ...r.map(cell('td')))))));
  box.setAttribute('role', 'region');
  return box;
}

// sentence makes one of an indented line.
function sentence(line) { return line.replace(/^ +(.)(.*)$/, (_, first, rest) => first.toUpperCase() + rest + '.'); }

function picked(name) { return document.querySelector(`input[name=${name}]:checked`).value; }
function seconds(ms) { return `${(ms / 1000).toFixed(1)} s`; }
function size(bytes) { return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`; }
function millions(n) { return `${(n / 1e6).toFixed(2)} M`; }

// words splits text as a shell does, with quotes of both kinds.
function words(text) {
  return [...text.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)].map(([w]) => w.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'));
}

// zip is an archive of stored files, with no date but the first that there is.
async function zip(files) {
  const body = [], directory = [];
  let at = 0, directorySize = 0;
  for (const [path, blob] of files) {
    const name = new TextEncoder().encode(path), sum = crc32(new Uint8Array(await blob.arrayBuffer()));
    const fields = (signature, more) => {
      const head = new DataView(new ArrayBuffer(signature.length + 26 + more));
      signature.forEach((b, i) => head.setUint8(i, b));
      let i = signature.length;
      for (const [width, value] of [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 0x21], [4, sum], [4, blob.size], [4, blob.size], [2, name.length], [2, 0]]) {
        width === 2 ? head.setUint16(i, value, true) : head.setUint32(i, value, true);
        i += width;
      }
      return head;
    };
    const local = fields([0x50, 0x4b, 3, 4], 0), central = fields([0x50, 0x4b, 1, 2, 20, 0], 14);
    central.setUint32(42, at, true);
    body.push(local, name, blob);
    directory.push(central, name);
    at += local.byteLength + name.length + blob.size;
    directorySize += central.byteLength + name.length;
  }
  const end = new DataView(new ArrayBuffer(22));
  [[0, 0x06054b50], [8, files.length | (files.length << 16)], [12, directorySize], [16, at]].forEach(([i, v]) => end.setUint32(i, v, true));
  return new Blob([...body, ...directory, end], { type: 'application/zip' });
}

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(bytes) {
  let c = 0xffffffff;
  for (const b of bytes) c = crcTable[(c ^ b) & 0xff] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

// ---- events

$('checkpoint').addEventListener('change', (e) => choose([...e.target.files]));
$('convert').addEventListener('submit', (e) => { e.preventDefault(); convert(); });
$('photo').addEventListener('change', (e) => see(e.target.files[0]));
$('cancel').addEventListener('click', () => running?.cancel());
document.addEventListener('keydown', (e) => { if (e.key === 'Escape') running?.cancel(); });

let typed = false; // somebody has chosen a type
$('types').addEventListener('change', () => { typed = true; });
$('convert').addEventListener('change', () => {
  if (!typed) document.querySelector(`input[name=type][value=${picked('format') === 'coreml' ? 'float16' : 'float32'}]`).checked = true;
  $('calibration').hidden = picked('type') !== 'int8';
  $('labels').disabled = picked('format') === 'ncnn';
});

for (const kind of ['dragover', 'dragleave', 'drop']) {
  document.addEventListener(kind, (e) => {
    e.preventDefault();
    const zone = e.target.closest?.('[data-drop]') ?? $('source');
    document.querySelectorAll('.over').forEach((z) => z.classList.remove('over'));
    if (kind === 'dragover') zone.classList.add('over');
    const input = zone.querySelector('input[type=file]');
    if (kind !== 'drop' || input.matches(':disabled') || e.dataTransfer.files.length === 0) return;
    input.files = e.dataTransfer.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  });
}

for (const d of document.querySelectorAll('details[data-command]')) {
  d.addEventListener('toggle', async () => {
    const pre = d.querySelector('pre');
    if (!d.open || pre.textContent || !program.module) return;
    const r = await run(d.dataset.command.split(' '), []).done.catch((e) => ({ stdout: e.message }));
    pre.textContent = r.stdout;
  });
}

load().catch((e) => {
  $('state').className = 'error';
  $('state').textContent = `The program could not be loaded: ${e.message}`;
});
