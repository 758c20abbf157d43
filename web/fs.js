// The file system that Go's programs for js/wasm find under globalThis.fs, as in Node, in memory:
// what is given is read out of Blobs, in pieces and when it is asked for; what is written lies in
// buffers that grow. It runs in a Web Worker, where Blobs can be read at once. Errors have the codes
// that Go's package syscall knows.
'use strict';

const DIRECTORY = 0o040000, REGULAR = 0o100000, DEVICE = 0o020000;

// nodeFS gives a MemoryFS the shape of Node's: every call that syscall/fs_js.go makes, with a function
// as its last argument that takes an error and the result.
function nodeFS(memory) {
  const fs = {
    constants: memory.constants,
    writeSync: (fd, buffer) => memory.write(fd, buffer, 0, buffer.length, null), // what Go's runtime says in distress
    symlink: (...args) => args.pop()(failure('ENOSYS')),
  };
  for (const name of ['open', 'close', 'read', 'write', 'stat', 'lstat', 'fstat', 'readdir', 'mkdir', 'rmdir', 'unlink', 'rename', 'link', 'readlink', 'ftruncate', 'truncate', 'chmod', 'fchmod']) {
    fs[name] = (...args) => {
      const done = args.pop();
      let result;
      try { result = memory[name](...args); } catch (e) {
        if (e instanceof RangeError) e = failure('ENOSPC'); // a buffer that the browser does not give
        if (typeof e.code !== 'string') throw e; // a fault of this file
        done(e);
        return;
      }
      done(null, result);
    };
  }
  for (const name of ['fsync', 'utimes', 'chown', 'fchown', 'lchown']) fs[name] = (...args) => args.pop()(null); // nothing to do
  return fs;
}

// MemoryFS is the file system. The working directory is "/". What a program writes to its standard
// output and error goes to output(fd, bytes).
class MemoryFS {
  constructor(output) {
    this.constants = { O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_CREAT: 0o100, O_EXCL: 0o200, O_TRUNC: 0o1000, O_APPEND: 0o2000, O_DIRECTORY: 0o200000 };
    this.output = output;
    this.lastNode = 0;
    this.nodes = new Map([['/', this.node(DIRECTORY | 0o755)]]); // by absolute path
    const device = this.node(DEVICE | 0o600);
    this.handles = new Map([0, 1, 2].map((fd) => [fd, { node: device, at: 0 }])); // by descriptor
    this.lastFD = 2;
  }

  // give puts a Blob in place, to be read only, and makes the folders above it.
  give(path, blob) {
    path = absolute(path);
    for (let i = path.indexOf('/', 1); i > 0; i = path.indexOf('/', i + 1)) {
      if (!this.nodes.has(path.slice(0, i))) this.nodes.set(path.slice(0, i), this.node(DIRECTORY | 0o755));
    }
    this.nodes.set(path, Object.assign(this.node(REGULAR | 0o644), { blob, size: blob.size }));
  }

  // written returns what the program has written and left there, as [path, Blob].
  written() {
    return [...this.nodes].filter(([, n]) => n.data).map(([path, n]) => [path.slice(1), new Blob([n.data.subarray(0, n.size)])]).sort(([a], [b]) => (a < b ? -1 : 1));
  }

  node(mode) { return { ino: ++this.lastNode, mode, size: 0, links: 1, time: Date.now() }; }

  find(path) {
    const full = absolute(path);
    this.parent(full);
    const n = this.nodes.get(full);
    if (!n) throw failure('ENOENT');
    return n;
  }

  // parent is the folder that a path lies in.
  parent(path) {
    const n = this.nodes.get(path.slice(0, path.lastIndexOf('/')) || '/');
    if (!n) throw failure('ENOENT');
    if (!isDirectory(n)) throw failure('ENOTDIR');
    return n;
  }

  at(fd) {
    const f = this.handles.get(fd);
    if (!f) throw failure('EBADF');
    return f;
  }

  open(path, flags, mode) {
    const c = this.constants, full = absolute(path);
    let n = this.nodes.get(full);
    if (!n) {
      this.parent(full);
      if (!(flags & c.O_CREAT)) throw failure('ENOENT');
      n = Object.assign(this.node(REGULAR | (mode & 0o777)), { data: new Uint8Array(0) });
      this.nodes.set(full, n);
    } else if (flags & c.O_CREAT && flags & c.O_EXCL) {
      throw failure('EEXIST');
    } else if (flags & c.O_DIRECTORY && !isDirectory(n)) {
      throw failure('ENOTDIR');
    } else if (flags & (c.O_WRONLY | c.O_RDWR)) {
      if (isDirectory(n)) throw failure('EISDIR');
      if (n.blob) throw failure('EACCES');
      if (flags & c.O_TRUNC) n.size = 0;
    }
    this.handles.set(++this.lastFD, { node: n, at: 0, append: Boolean(flags & c.O_APPEND) });
    return this.lastFD;
  }

  close(fd) {
    this.at(fd);
    this.handles.delete(fd);
  }

  read(fd, buffer, offset, length, position) {
    const f = this.at(fd), n = f.node;
    if (isDirectory(n)) throw failure('EISDIR');
    const from = position ?? f.at;
    const count = Math.max(0, Math.min(length, n.size - from));
    if (count > 0) buffer.set(n.blob ? slice(n.blob, from, from + count) : n.data.subarray(from, from + count), offset);
    if (position == null) f.at += count;
    return count;
  }

  write(fd, buffer, offset, length, position) {
    const f = this.at(fd), n = f.node, bytes = buffer.subarray(offset, offset + length);
    if (fd === 1 || fd === 2) {
      this.output(fd, bytes);
      return length;
    }
    if (!n.data) throw failure('EBADF');
    const from = f.append ? n.size : position ?? f.at;
    this.resize(n, Math.max(n.size, from + length));
    n.data.set(bytes, from);
    if (position == null) f.at = from + length;
    return length;
  }

  resize(n, size) {
    if (size > n.data.length) {
      const grown = new Uint8Array(Math.max(size, 2 * n.data.length));
      grown.set(n.data.subarray(0, n.size));
      n.data = grown;
    } else {
      n.data.fill(0, size, Math.max(n.size, size));
    }
    n.size = size;
  }

  stat(path) { return status(this.find(path)); }
  lstat(path) { return this.stat(path); }
  fstat(fd) { return status(this.at(fd).node); }

  readdir(path) {
    if (!isDirectory(this.find(path))) throw failure('ENOTDIR');
    const above = absolute(path).replace(/\/?$/, '/');
    return [...this.nodes.keys()].filter((p) => p !== '/' && p.startsWith(above) && !p.includes('/', above.length)).map((p) => p.slice(above.length)).sort();
  }

  mkdir(path, mode) {
    const full = absolute(path);
    if (this.nodes.has(full)) throw failure('EEXIST');
    this.parent(full);
    this.nodes.set(full, this.node(DIRECTORY | (mode & 0o777)));
  }

  rmdir(path) {
    if (this.readdir(path).length > 0) throw failure('ENOTEMPTY');
    this.nodes.delete(absolute(path));
  }

  unlink(path) {
    const n = this.find(path);
    if (isDirectory(n)) throw failure('EISDIR');
    n.links--;
    this.nodes.delete(absolute(path));
  }

  rename(from, to) {
    const n = this.find(from), source = absolute(from), target = absolute(to), there = this.nodes.get(target);
    this.parent(target);
    if (target === source) return;
    if (there && isDirectory(there) !== isDirectory(n)) throw failure(isDirectory(there) ? 'EISDIR' : 'ENOTDIR');
    if (there && isDirectory(there) && this.readdir(to).length > 0) throw failure('ENOTEMPTY');
    if (target.startsWith(source + '/')) throw failure('EINVAL');
    for (const [path, m] of [...this.nodes]) {
      if (path !== source && !path.startsWith(source + '/')) continue;
      this.nodes.delete(path);
      this.nodes.set(target + path.slice(source.length), m);
    }
  }

  link(path, link) {
    const n = this.find(path), full = absolute(link);
    if (isDirectory(n)) throw failure('EPERM');
    if (this.nodes.has(full)) throw failure('EEXIST');
    this.parent(full);
    n.links++;
    this.nodes.set(full, n);
  }

  readlink(path) {
    this.find(path);
    throw failure('EINVAL'); // there are no symbolic links
  }

  ftruncate(fd, size) { this.cut(this.at(fd).node, size); }
  truncate(path, size) { this.cut(this.find(path), size); }
  cut(n, size) {
    if (!n.data) throw failure(isDirectory(n) ? 'EISDIR' : 'EACCES');
    this.resize(n, size);
  }

  chmod(path, mode) { permit(this.find(path), mode); }
  fchmod(fd, mode) { permit(this.at(fd).node, mode); }
}

function failure(code) { return Object.assign(new Error(code), { code }); }

function isDirectory(n) { return (n.mode & 0o170000) === DIRECTORY; }

function permit(n, mode) { n.mode = (n.mode & ~0o777) | (mode & 0o777); }

// absolute is the one name of a path: without dots, doubled or trailing slashes.
function absolute(path) {
  const parts = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return '/' + parts.join('/');
}

// slice reads a part of a Blob, which may be a file that has changed or gone since it was chosen.
function slice(blob, from, to) {
  try {
    return new Uint8Array(new FileReaderSync().readAsArrayBuffer(blob.slice(from, to)));
  } catch (e) {
    throw failure('EIO');
  }
}

function status(n) {
  return {
    dev: 1, ino: n.ino, mode: n.mode, nlink: n.links, uid: 0, gid: 0, rdev: 0, size: n.size, blksize: 4096, blocks: Math.ceil(n.size / 512),
    atimeMs: n.time, mtimeMs: n.time, ctimeMs: n.time, isDirectory: () => isDirectory(n),
  };
}
