// Runs a network in headless Chromium with the runtimes that people put into pages.
//
//   node web/runtimes.js RUNTIME MODEL IN.npy OUT.npy
//
// RUNTIME is ort-wasm or ort-webgpu (onnxruntime-web, MODEL.onnx), or litert-webgpu (LiteRT, MODEL.tflite).
// Writes the first output, N×C or N×C×H×W. WebGPU is computed by SwiftShader where there is no GPU.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');
const { chromium } = require('playwright-core');
const { readNpy, writeNpy } = require('../npy');
const { options } = require('../report/check.js');

const imports = JSON.stringify({ imports: { '@litertjs/wasm-utils': '/@litertjs/wasm-utils/dist/index.js' } });
const types = { '.html': 'text/html', '.mjs': 'text/javascript', '.js': 'text/javascript', '.wasm': 'application/wasm' };

// inPage loads a runtime, runs the network and returns {dims, data}.
async function inPage({ runtime, model, dims, data }) {
  const bytes = new Uint8Array(await (await fetch(model)).arrayBuffer());
  const x = Float32Array.from(data);
  if (runtime.startsWith('ort-')) {
    const ort = await import('/onnxruntime-web/dist/ort.all.min.mjs');
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create(bytes, { executionProviders: [runtime.slice(4)] });
    const y = Object.values(await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', x, dims) }))[0];
    return { dims: [...y.dims], data: [...await y.getData()] };
  }
  const { loadLiteRt, loadAndCompile, Tensor } = await import('/@litertjs/core/dist/index.js');
  await loadLiteRt('/@litertjs/core/wasm/');
  const m = await loadAndCompile(bytes, { accelerator: 'webgpu' });
  const [, channels, height, width] = dims, pixels = height * width;
  const last = new Float32Array(x.length);
  for (let c = 0; c < channels; c++) for (let p = 0; p < pixels; p++) last[p * channels + c] = x[c * pixels + p];
  const input = await new Tensor(last, [1, height, width, channels]).moveTo('webgpu');
  const y = await (await m.run(input))[0].moveTo('wasm');
  return { dims: Array.from(m.getOutputDetails()[0].shape), data: [...y.toTypedArray()] };
}

async function main() {
  const [runtime, model, input, output] = process.argv.slice(2);
  if (!output) { console.error('usage: node runtimes.js RUNTIME MODEL IN.npy OUT.npy'); process.exit(2); }
  const modules = path.join(__dirname, '..', 'node_modules');
  const server = await new Promise((resolve) => {
    const s = http.createServer((req, res) => {
      if (req.url === '/') { res.writeHead(200, { 'Content-Type': 'text/html' }).end(`<!DOCTYPE html><title>runtimes</title><script type="importmap">${imports}</script>`); return; }
      const name = path.normalize(req.url);
      const file = name === '/model' ? model : path.join(modules, path.extname(name) ? name : name + '.js');
      if (!fs.existsSync(file)) { res.writeHead(404).end(); return; }
      res.writeHead(200, { 'Content-Type': types[path.extname(file)] || 'application/octet-stream' });
      fs.createReadStream(file).pipe(res);
    }).listen(0, '127.0.0.1', () => resolve(s));
  });
  const gpu = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan'];
  const browser = await chromium.launch({ ...options, args: [...(options.args || []).filter((a) => a !== '--disable-gpu'), ...gpu] });
  try {
    const page = await browser.newPage();
    page.on('console', (m) => { if (m.type() === 'error') console.error(m.text()); });
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const { dims, data } = readNpy(input);
    const y = await page.evaluate(inPage, { runtime, model: '/model', dims, data: [...data] });
    writeNpy(output, y.dims, Float32Array.from(y.data));
    console.log(JSON.stringify({ runtime, dims: y.dims }));
  } finally {
    await browser.close();
    server.close();
  }
}

main().catch((e) => { console.error(e.message || e); process.exit(1); });
