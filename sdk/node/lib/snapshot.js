// SPDX-License-Identifier: Apache-2.0
// Snapshots of stopped sandboxes.
import { call, home, labelsOf, native, only } from "./native.js";
import { pairs } from "./kinds.js";
import { Builder } from "./parts.js";

/** What is known of a snapshot. */
export class SnapshotHandle {
  constructor(snapshot) {
    this.digest = snapshot.digest;
    this.name = snapshot.name;
    this.path = snapshot.path;
    this.parentDigest = snapshot.parent;
    this.imageRef = snapshot.imageRef;
    this.format = snapshot.format;
    this.sizeBytes = snapshot.sizeBytes;
    this.createdAt = snapshot.createdAt;
  }

  open() {
    return Snapshot.open(this.path);
  }

  remove(options) {
    return Snapshot.remove(this.path, options);
  }
}

export class SnapshotBuilder extends Builder {
  #source;

  constructor(source) {
    super();
    this.#source = source;
  }

  name(name) { return this.set("name", name); }
  path(path) { return this.set("path", path); }
  label(key, value) { return this.put("labels", key, value); }
  force(on = true) { return this.set("force", on); }
  recordIntegrity(on = true) { return this.set("recordIntegrity", on); }
  signal(signal) { return this.set("signal", signal); }
  create() { return Snapshot.create(this.#source, this.options()); }
}

const createKeys = ["name", "path", "labels", "force", "recordIntegrity", "signal"];
const exportKeys = ["withParents", "plainTar", "signal"];

/** One that has been opened: all that its descriptor says. */
export class Snapshot extends SnapshotHandle {
  constructor(snapshot) {
    super(snapshot);
    this.parent = snapshot.parent;
    this.imageManifestDigest = snapshot.imageManifestDigest;
    this.fstype = snapshot.fstype;
    this.labels = Object.entries(pairs(snapshot.labels));
    this.sourceSandbox = snapshot.sourceSandbox;
    this.integrity = snapshot.integrity;
  }

  static builder(source) {
    return new SnapshotBuilder(source);
  }

  /** Of a stopped sandbox. options: name or path, labels, force, recordIntegrity, signal. */
  static async create(source, options) {
    const { name, path, labels = {}, force = false, recordIntegrity = false, signal } =
      only(options, createKeys, "snapshot options");
    if ((name === undefined) === (path === undefined)) {
      throw new TypeError("a snapshot needs either a name or a path");
    }
    // a path is told from a name by its slash
    const dest = name ?? (path.includes("/") ? path : `./${path}`);
    return new Snapshot(await call("snapshotCreate",
      [await home(), source, dest, labelsOf(labels), force, recordIntegrity], signal));
  }

  static async open(ref) {
    return new Snapshot(await native.snapshotGet(await home(), ref));
  }

  static async get(ref) {
    return new SnapshotHandle(await native.snapshotGet(await home(), ref));
  }

  static async list() {
    return (await native.snapshotList(await home(), null)).map((s) => new SnapshotHandle(s));
  }

  static async listDir(dir) {
    return (await native.snapshotList(await home(), dir)).map((s) => new Snapshot(s));
  }

  /** options.force: also one that others were made from. */
  static async remove(ref, options) {
    const { force = false } = only(options, ["force"], "options");
    await native.snapshotRemove(await home(), ref, force);
  }

  static async reindex(dir) {
    return native.snapshotReindex(await home(), dir ?? null);
  }

  /** options: withParents, plainTar, signal. */
  static async export(ref, path, options) {
    const { withParents = false, plainTar = false, signal } =
      only(options, exportKeys, "export options");
    await call("snapshotExport", [await home(), ref, path, withParents, plainTar], signal);
  }

  static async import(path, dest, { signal } = {}) {
    return new Snapshot(await call("snapshotImport", [await home(), path, dest ?? null], signal));
  }

  /** Read all of it, and compare. */
  async verify({ signal } = {}) {
    const verified = await call("snapshotVerify", [await home(), this.path], signal);
    const upper = verified ? { kind: "verified", digest: this.integrity } : { kind: "notRecorded" };
    return { digest: this.digest, path: this.path, upper };
  }
}
