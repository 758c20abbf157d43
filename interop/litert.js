// Runs a .tflite file in LiteRT, Google's runtime, as WebAssembly.
//
//   node litert.js MODEL IN.npy OUT.npy   feeds N×C×H×W image by image; writes output i as OUT.i.npy, N×C, N×C×H×W, or N×1×H×W of indices
//
// A model of int8 is fed the numbers of IN.npy as they are, and gives integers as float32.
//
// Prints names, types and shapes of inputs and outputs, and whether XNNPACK computes every operator, as JSON.
const fs = require('fs');
const path = require('path');
const vm = require('vm');
const { readNpy, writeNpy } = require('./npy');

// The package is made for browsers. It loads its script as a web worker would, by importScripts into the
// global scope, and the script finds Node's own functions there.
Object.assign(globalThis, { self: globalThis, require, importScripts: (file) => {
  globalThis.__filename = file;
  globalThis.__dirname = path.dirname(file);
  vm.runInThisContext(fs.readFileSync(file, 'utf8'), file);
} });

// withInt8 imports the package with int8 among its types: the runtime has it, its JavaScript lacks the entry.
async function withInt8(file) {
  const freeze = Object.freeze;
  const int8 = { dtype: 'int8', typedArrayConstructor: Int8Array, elementType: 9 };
  Object.freeze = (x) => freeze(Array.isArray(x) && x[0]?.elementType ? [...x, int8] : x);
  try {
    return await import(file);
  } finally {
    Object.freeze = freeze;
  }
}

// transposed swaps the channels of an image with its pixels: rows×columns becomes columns×rows.
function transposed(x, rows, columns) {
  const y = new Float32Array(x.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) y[j * rows + i] = x[i * columns + j];
  return y;
}

async function main(model, input, output) {
  const folder = path.join(__dirname, 'node_modules', '@litertjs', 'core');
  const { loadLiteRt, loadAndCompile, Tensor } = await withInt8(path.join(folder, 'dist', 'index.js'));
  await loadLiteRt(path.join(folder, 'wasm') + '/');
  const m = await loadAndCompile(new Uint8Array(fs.readFileSync(model)), { accelerator: 'wasm' });
  const { dims: [images, channels, height, width], data } = readNpy(input);
  const size = channels * height * width;
  const outputs = m.getOutputDetails().map((d) => ({ dims: Array.from(d.shape), data: [] }));
  for (let n = 0; n < images; n++) {
    const pixels = transposed(data.subarray(n * size, (n + 1) * size), channels, height * width);
    const x = new Tensor(m.getInputDetails()[0].dtype === 'int8' ? Int8Array.from(pixels) : pixels, [1, height, width, channels]);
    (await m.run(x)).forEach((y, i) => {
      const { dims, data } = outputs[i];
      const elements = y.toTypedArray();
      data.push(dims.length === 4 ? transposed(elements, elements.length / dims[3], dims[3]) : elements);
    });
  }
  outputs.forEach(({ dims: [, ...rest], data }, i) => {
    if (rest.length > 1) rest.unshift(rest.length === 3 ? rest.pop() : 1);
    const all = Float32Array.from(data.flatMap((d) => Array.from(d)));
    writeNpy(output.replace(/\.npy$/, `.${i}.npy`), [images, ...rest], all);
  });
  const said = (d) => ({ name: d.name, type: d.dtype, shape: Array.from(d.shape) });
  console.log(JSON.stringify({ inputs: m.getInputDetails().map(said), outputs: m.getOutputDetails().map(said), accelerated: m.isFullyAccelerated }));
}

main(...process.argv.slice(2)).then(() => process.exit(0), (e) => {
  console.error(String(e.stack || e));
  process.exit(1);
});
