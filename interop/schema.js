// Reads files of phone formats with the official schemas, and writes them again.
//
//   node schema.js FOLDER   of every X.tflite makes X.again.tflite, and X.json of what it holds; of every X.mlmodel
//                           X.again.mlmodel
//
// TensorFlow Lite's schema is read by flatc, Google's FlatBuffers compiler; Core ML's by protobuf.js.
const { execFileSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const protobuf = require('protobufjs');

const schemas = path.join(__dirname, 'schema');

async function main(folder) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'schema-'));
  const schema = path.join(scratch, 'schema.fbs');
  // Debian's flatc (2.0) knows no attributes of members of enums; none of those that have one is written here.
  fs.writeFileSync(schema, fs.readFileSync(path.join(schemas, 'schema.fbs'), 'utf8').replace(/ \(deprecated\),/g, ','));
  const model = (await protobuf.load(path.join(schemas, 'Model.proto'))).lookupType('CoreML.Specification.Model');
  for (const file of fs.readdirSync(folder)) {
    const { name, ext } = path.parse(file);
    const data = new Uint8Array(fs.readFileSync(path.join(folder, file)));
    const write = (suffix, content) => fs.writeFileSync(path.join(folder, name + suffix), content);
    if (ext === '.tflite') {
      execFileSync('flatc', ['--json', '--strict-json', '--defaults-json', '--raw-binary', '-o', folder, schema, '--', path.join(folder, file)]);
      execFileSync('flatc', ['-b', '--strict-json', '-o', scratch, schema, path.join(folder, name + '.json')]);
      fs.renameSync(path.join(scratch, name + '.tflite'), path.join(folder, name + '.again.tflite'));
    } else if (ext === '.mlmodel') {
      write('.again.mlmodel', model.encode(model.decode(data)).finish());
    }
  }
}

main(...process.argv.slice(2)).then(() => process.exit(0), (e) => {
  console.error(String(e.stack || e));
  process.exit(1);
});
