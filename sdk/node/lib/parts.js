// SPDX-License-Identifier: Apache-2.0
// Builders of parts of a sandbox's options: image, mounts, patches, registry, init.

/** What every builder has: an object of options that it fills. */
export class Builder {
  #options = {};

  set(key, value) {
    this.#options[key] = value;
    return this;
  }

  get(key) {
    return this.#options[key];
  }

  push(key, ...items) {
    (this.#options[key] ??= []).push(...items);
    return this;
  }

  put(key, name, value) {
    // a name such as __proto__ is a name, too
    Object.defineProperty((this.#options[key] ??= {}), name, {
      value, enumerable: true, configurable: true, writable: true,
    });
    return this;
  }

  /** A copy of what has been set so far: plain options. */
  options() {
    return { ...this.#options };
  }
}

/** Call a closure with a builder; what it gives back, if anything, counts. */
export function nested(builder, f, what) {
  if (typeof f !== "function") {
    if (typeof f === "object" && f !== null) return typeof f.options === "function" ? f.options() : f;
    throw new TypeError(`${what} must be a function or an object`);
  }
  return (f(builder) ?? builder).options();
}

export class ImageBuilder extends Builder {
  oci(reference) { return this.set("oci", reference); }
  upperSize(mib) { return this.set("upperSizeMib", mib); }
  bind(path) { return this.set("bind", path); }
  disk(path) { return this.set("disk", path); }
  format(format) { return this.set("format", format); }
  fstype(fstype) { return this.set("fstype", fstype); }
}

/** "alpine", "./root", "./disk.qcow2": what a text stands for is for the library to say. */
export const intoRootfsSource = (image) => image;

export class MountBuilder extends Builder {
  bind(host) { return this.set("bind", host); }
  named(volume) { return this.set("named", volume); }
  tmpfs() { return this.set("tmpfs", true); }
  disk(path) { return this.set("disk", path); }
  size(mib) { return this.set("sizeMib", mib); }
  quota(mib) { return this.set("quotaMib", mib); }
  format(format) { return this.set("format", format); }
  fstype(fstype) { return this.set("fstype", fstype); }
  readonly(on = true) { return this.set("readonly", on); }
  noexec(on = true) { return this.set("noexec", on); }
  nosuid(on = true) { return this.set("nosuid", on); }
  nodev(on = true) { return this.set("nodev", on); }
  followSymlinks(on = true) { return this.set("followSymlinks", on); }
  statVirtualization(policy) { return this.set("statVirtualization", policy); }
  hostPermissions(policy) { return this.set("hostPermissions", policy); }
  /** Of a named volume: "ensure" (default), "existing" or "new". */
  create(mode) { return this.set("create", mode); }
  /** What a named volume that is made is like: {kind, quotaMib, capacityMib, labels}. */
  volume(description) { return this.set("volume", description); }
}

export class PatchBuilder {
  #patches = [];

  #add(patch, { mode, replace, ...rest } = {}) {
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw new TypeError(`patch: unknown option '${unknown}'`);
    this.#patches.push({ ...patch, mode, replace });
    return this;
  }

  text(path, content, options) { return this.#add({ kind: "text", path, content }, options); }
  file(path, content, options) { return this.#add({ kind: "file", path, content }, options); }
  append(path, content) { return this.#add({ kind: "append", path, content }); }
  copyFile(source, path, options) { return this.#add({ kind: "copy_file", path, source }, options); }
  copyDir(source, path, options) { return this.#add({ kind: "copy_dir", path, source }, options); }
  symlink(target, path, options) { return this.#add({ kind: "symlink", path, target }, options); }
  mkdir(path, options) { return this.#add({ kind: "mkdir", path }, options); }
  remove(path) { return this.#add({ kind: "remove", path }); }
  options() { return [...this.#patches]; }
}

export class RegistryBuilder extends Builder {
  /** {username, password}, also with kind: "basic"; {kind: "anonymous"} is the default. */
  auth({ kind = "basic", username, password, ...rest }) {
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw new TypeError(`registry auth: unknown option '${unknown}'`);
    if (kind === "anonymous") return this;
    if (kind !== "basic") throw new TypeError("registry auth: kind must be 'basic' or 'anonymous'");
    return this.set("username", username).set("password", password);
  }

  insecure(on = true) { return this.set("insecure", on); }
  /** Path of a file with PEM certificates. */
  caCerts(path) { return this.set("caCerts", path); }
}

export class InitBuilder extends Builder {
  arg(arg) { return this.push("args", arg); }
  args(args) { return this.push("args", ...args); }
  env(key, value) { return this.put("env", key, value); }
  envs(env) {
    for (const [k, v] of Object.entries(env)) this.put("env", k, v);
    return this;
  }
}
