// Reads and writes NumPy's files of float32.
const fs = require('fs');

exports.readNpy = function (file) {
  const b = fs.readFileSync(file);
  const wide = b[6] > 1;
  const start = (wide ? 12 : 10) + (wide ? b.readUInt32LE(8) : b.readUInt16LE(8));
  const header = b.toString('latin1', 10, start);
  if (!header.includes("'<f4'")) throw new Error(`${file}: expected float32`);
  const dims = /'shape': \(([^)]*)\)/.exec(header)[1].split(',').filter((s) => s.trim()).map(Number);
  return { dims, data: new Float32Array(b.buffer.slice(b.byteOffset + start, b.byteOffset + b.length)) };
};

exports.writeNpy = function (file, dims, data) {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims.map((d) => d + ',').join(' ')}), }`;
  const header = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11) + '\n';
  const magic = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >> 8]);
  fs.writeFileSync(file, Buffer.concat([magic, Buffer.from(header, 'latin1'), Buffer.from(data.buffer, data.byteOffset, data.byteLength)]));
};
