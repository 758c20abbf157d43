// Runs one command of the program, as a shell would, in a file system of its own, and ends: memory
// goes back to the browser, and whatever a file did to the program ends with it. fs.js and Go's
// wasm_exec.js stand before this in the file that the page loads.
//
// It is sent {module, args, files: [[path, Blob]…]} and answers {progress: 'read 0/1'} any number
// of times, then {status, stdout, stderr, files}: exit status and what was written.
'use strict';

onmessage = async ({ data: { module, args, files } }) => {
  const text = { 1: '', 2: '' };
  const decoders = { 1: new TextDecoder(), 2: new TextDecoder() };
  const memory = new MemoryFS((fd, bytes) => {
    text[fd] += decoders[fd].decode(bytes, { stream: true });
    if (fd !== 2) return;
    const lines = text[2].split('\n');
    const rest = lines.pop();
    text[2] = '';
    for (const line of lines) {
      if (line.startsWith('progress: ')) postMessage({ progress: line.slice('progress: '.length) });
      else text[2] += line + '\n';
    }
    text[2] += rest;
  });
  memory.mkdir('/tmp', 0o777);
  for (const [path, blob] of files) memory.give(path, blob);
  globalThis.fs = nodeFS(memory);
  process.cwd = () => '/';

  const go = new Go();
  let status = 2;
  go.argv = ['repvit', ...args];
  go.env = { TMPDIR: '/tmp', HOME: '/' };
  go.exit = (code) => { status = code; };
  try {
    await go.run(await WebAssembly.instantiate(module, go.importObject));
  } catch (e) {
    text[2] += `fatal error: ${e.message}\n`;
  }
  postMessage({ status, stdout: text[1], stderr: text[2], files: memory.written() });
};
