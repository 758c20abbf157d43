// Runs a model in ONNX Runtime.
//
//   node ort.js run MODEL IN.npy OUT.npy [OPTIMIZED.onnx]   writes output i as OUT.i.npy
//   node ort.js all JOBS.json                                runs many: [MODEL, IN.npy, OUT.npy]; prints what failed
//   node ort.js bench MODEL THREADS RUNS N,C,H,W             prints the median milliseconds
//   node ort.js open MODEL RUNS                              prints the median of a session's creation
const fs = require('fs');
const ort = require('onnxruntime-node');
const { readNpy, writeNpy } = require('./npy');

const median = (t) => t.sort((p, q) => p - q)[t.length >> 1];
const clock = () => Number(process.hrtime.bigint()) / 1e6;

async function session(model, threads, more = {}) {
  return ort.InferenceSession.create(model, { graphOptimizationLevel: 'all', interOpNumThreads: 1, intraOpNumThreads: threads, ...more });
}

async function run(model, input, output, more = {}) {
  const s = await session(model, 1, more);
  const x = readNpy(input);
  const y = await s.run({ [s.inputNames[0]]: new ort.Tensor('float32', x.data, x.dims) });
  s.outputNames.forEach((n, i) => writeNpy(output.replace(/\.npy$/, `.${i}.npy`), y[n].dims, Float32Array.from(y[n].data, Number)));
}

async function main(command, model, ...args) {
  if (command === 'run') {
    const [input, output, optimized] = args;
    return run(model, input, output, optimized ? { optimizedModelFilePath: optimized } : {});
  }
  if (command === 'all') {
    const failed = {};
    for (const job of JSON.parse(fs.readFileSync(model))) {
      try {
        await run(...job, { logSeverityLevel: 3 });
      } catch (e) {
        failed[job[0]] = String(e.message);
      }
    }
    console.log(JSON.stringify(failed));
    return;
  }
  const times = [];
  if (command === 'open') {
    for (let i = 0; i < +args[0]; i++) {
      const t = clock();
      await session(model, 2);
      times.push(clock() - t);
    }
  } else {
    const [threads, runs, shape] = args;
    const s = await session(model, +threads);
    const dims = shape.split(',').map(Number);
    const x = new Float32Array(dims.reduce((p, d) => p * d)).map((_, i) => 2 * Math.sin(i * 0.013));
    const feed = { [s.inputNames[0]]: new ort.Tensor('float32', x, dims) };
    for (let i = -10; i < +runs; i++) {
      const t = clock();
      await s.run(feed);
      if (i >= 0) times.push(clock() - t);
    }
  }
  console.log(median(times).toFixed(3));
}

main(...process.argv.slice(2)).catch((e) => {
  console.error(String(e.message || e));
  process.exit(1);
});
