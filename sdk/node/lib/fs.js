// SPDX-License-Identifier: Apache-2.0
// Files of a guest, and of volumes.
import { asyncDispose, bytesOf, call, count, native } from "./native.js";

const READ = 1, WRITE = 2, APPEND = 4, CREATE = 8, TRUNCATE = 16, CREATE_NEW = 32;
const CHUNK = 1 << 20;
const KEEP = -1; // an attribute that stays as it is

const metadata = ({ kind, size, mode, uid, gid, accessedMs, modifiedMs }) => ({
  kind,
  size,
  mode,
  uid,
  gid,
  readonly: (mode & 0o222) === 0,
  modified: new Date(modifiedMs),
  accessed: new Date(accessedMs),
});

const seconds = (time) => {
  if (time === undefined) return KEEP;
  return Math.floor((time instanceof Date ? time.getTime() : time) / 1000);
};

/** mode, uid, gid, size: numbers; accessed, modified: Date or ms. */
function attributes({ mode = KEEP, uid = KEEP, gid = KEEP, size = KEEP, accessed, modified, ...rest }) {
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new TypeError(`setStat: unknown option '${unknown}'`);
  return [mode, uid, gid, size, seconds(accessed), seconds(modified)];
}

/** Contents of a file, piece by piece. */
export class FsReadStream {
  #file;
  #at = 0;
  #reading = Promise.resolve();
  #ended = false;

  constructor(file) {
    this.#file = file;
  }

  async #next() {
    if (this.#ended) return null;
    try {
      const data = await this.#file.read(this.#at, CHUNK);
      this.#at += data.length;
      if (data.length > 0) return data;
    } catch (error) {
      await this.close();
      throw error;
    }
    await this.close();
    return null;
  }

  /** The next piece, or null at the end. */
  recv() {
    const next = this.#reading.then(() => this.#next());
    this.#reading = next.catch(() => {});
    return next;
  }

  async collect() {
    const pieces = [];
    for await (const piece of this) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  async close() {
    if (this.#ended) return;
    this.#ended = true;
    await this.#file.close().catch(() => {});
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (let piece; (piece = await this.recv()) !== null;) yield piece;
    } finally {
      await this.close();
    }
  }

  [asyncDispose]() {
    return this.close();
  }
}

/** A file that is written piece by piece. */
export class FsWriteSink {
  #file;
  #at = 0;
  #last = Promise.resolve();
  #closed = false;

  constructor(file) {
    this.#file = file;
  }

  #then(f) {
    const done = this.#last.then(f);
    this.#last = done.catch(() => {});
    return done;
  }

  async write(data) {
    const bytes = bytesOf(data);
    await this.#then(async () => {
      if (this.#closed) throw new Error("this stream has been closed");
      await this.#file.write(this.#at, bytes);
      this.#at += bytes.length;
    });
  }

  async close() {
    await this.#then(async () => {
      if (this.#closed) return;
      this.#closed = true;
      await this.#file.close();
    });
  }

  async [asyncDispose]() {
    await this.close().catch(() => {});
  }
}

/** An open file. */
export class FsFile {
  #fs;
  #handle;

  constructor(fs, handle) {
    this.#fs = fs;
    this.#handle = handle;
  }

  /** At most length bytes; fewer at the end of the file. */
  read(offset, length) {
    return native.fsPread(this.#fs, this.#handle, count(offset, "offset"), count(length, "length"));
  }

  async write(offset, data) {
    await native.fsPwrite(this.#fs, this.#handle, count(offset, "offset"), bytesOf(data));
  }

  async stat() {
    return metadata(await native.fsFstat(this.#fs, this.#handle));
  }

  async setStat(attrs) {
    await native.fsFsetStat(this.#fs, this.#handle, false, ...attributes(attrs));
  }

  async close() {
    await native.fsClose(this.#fs, this.#handle);
  }

  async [asyncDispose]() {
    await this.close().catch(() => {});
  }
}

/** What guests and volumes have in common. One connection, made when it is needed. */
export class FileSystem {
  #connect;
  #connected = null;

  constructor(connect) {
    this.#connect = connect;
  }

  #fs() {
    if (!this.#connected) {
      const connected = this.#connect();
      this.#connected = connected;
      connected.catch(() => (this.#connected = null));
    }
    return this.#connected;
  }

  async #call(name, ...args) {
    return native[name](await this.#fs(), ...args);
  }

  async read(path, { signal } = {}) {
    return call("fsRead", [await this.#fs(), path], signal);
  }

  async readToString(path) {
    return (await this.read(path)).toString("utf8");
  }

  async readStream(path) {
    return new FsReadStream(await this.open(path, { read: true }));
  }

  /** options: mode (permission bits), append, signal. */
  async write(path, data, { mode = -1, append = false, signal } = {}) {
    await call("fsWrite", [await this.#fs(), path, bytesOf(data), mode, append], signal);
  }

  async writeStream(path, { mode = -1 } = {}) {
    return new FsWriteSink(await this.open(path, { write: true, create: true, truncate: true, mode }));
  }

  async open(path, { read, write, append, create, truncate, createNew, mode = -1 } = {}) {
    const flags = (read ? READ : 0) | (write ? WRITE : 0) | (append ? APPEND : 0) |
      (create ? CREATE : 0) | (truncate ? TRUNCATE : 0) | (createNew ? CREATE_NEW : 0);
    const fs = await this.#fs();
    return new FsFile(fs, await native.fsOpen(fs, path, flags, mode));
  }

  async list(path) {
    const entries = await this.#call("fsList", path);
    const base = path.endsWith("/") ? path : `${path}/`;
    return entries
      .map(({ name, ...info }) => ({ name, path: base + name, ...metadata(info) }))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  async stat(path, { follow = true } = {}) {
    return metadata(await this.#call("fsStat", path, follow));
  }

  async setStat(path, attrs, { follow = true } = {}) {
    await this.#call("fsSetStat", path, follow, ...attributes(attrs));
  }

  async exists(path) { return this.#call("fsExists", path); }
  /** With its parents. */
  async mkdir(path, { mode = -1 } = {}) { await this.#call("fsMkdir", path, mode); }
  async remove(path) { await this.#call("fsRemove", path); }
  /** With all below it. */
  async removeDir(path) { await this.#call("fsRemoveDir", path, true); }
  async removeEmptyDir(path) { await this.#call("fsRemoveDir", path, false); }
  async copy(from, to) { await this.#call("fsCopy", from, to); }
  async rename(from, to) { await this.#call("fsRename", from, to); }
  async symlink(target, path) { await this.#call("fsSymlink", target, path); }
  async readLink(path) { return this.#call("fsReadLink", path); }
  async realPath(path) { return this.#call("fsRealPath", path); }

  /** Also closes the files that are open. */
  async close() {
    const connected = this.#connected;
    this.#connected = null;
    if (connected) native.close(await connected);
  }

  async [asyncDispose]() {
    await this.close().catch(() => {});
  }
}

/** Files of a running guest. */
export class SandboxFs extends FileSystem {
  #sandbox;

  constructor(sandbox) {
    super(() => native.fsConnect(sandbox(), null));
    this.#sandbox = sandbox;
  }

  /** A file, or a directory with all it holds, as cp -r does; gives what was left out, and why. */
  async copyFromHost(host, guest, { signal } = {}) {
    return call("copy", [this.#sandbox(), true, host, guest], signal);
  }

  async copyToHost(guest, host, { signal } = {}) {
    return call("copy", [this.#sandbox(), false, guest, host], signal);
  }
}

/** Files of a volume, from the host. */
export class VolumeFs extends FileSystem {}
