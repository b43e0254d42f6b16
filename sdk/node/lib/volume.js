// SPDX-License-Identifier: Apache-2.0
// Named volumes.
import { VolumeFs } from "./fs.js";
import { count, dateOf, home, labelsOf, native, only } from "./native.js";
import { pairs } from "./kinds.js";
import { Builder } from "./parts.js";

const fsOf = (name) => new VolumeFs(async () => native.fsOpenVolume(await home(), name));

/** What is known of a volume, as of when it was asked for. */
export class VolumeHandle {
  constructor(volume) {
    this.name = volume.name;
    this.path = volume.path;
    this.kind = volume.kind;
    this.quotaMib = volume.quotaMib || null;
    this.capacityBytes = volume.capacityBytes || null;
    this.usedBytes = volume.usedBytes;
    this.labels = Object.entries(pairs(volume.labels));
    this.createdAt = dateOf(volume.createdMs);
  }

  /** Its files, from the host. */
  fs() {
    return fsOf(this.name);
  }

  remove() {
    return Volume.remove(this.name);
  }
}

export class VolumeBuilder extends Builder {
  constructor(name) {
    super();
    this.set("name", name);
  }

  /** How many MiB its files may have. */
  quota(mib) { return this.set("quotaMib", mib); }
  /** A disk of so many MiB, instead of a directory. */
  disk(mib) { return this.set("capacityMib", mib); }
  label(key, value) { return this.put("labels", key, value); }

  create() {
    const { name, ...options } = this.options();
    return Volume.create(name, options);
  }
}

const keys = ["quotaMib", "capacityMib", "labels"];

/** A volume: its name, place, and files. */
export class Volume extends VolumeHandle {
  static builder(name) {
    return new VolumeBuilder(name);
  }

  /** options: quotaMib, capacityMib (a disk), labels. */
  static async create(name, options) {
    const { quotaMib, capacityMib, labels = {} } = only(options, keys, "volume options");
    const disk = capacityMib !== undefined;
    if (disk && quotaMib !== undefined) throw new TypeError("a disk has no quota");
    return new Volume(await native.volumeCreate(await home(), name, disk ? 1 : 0,
      count(capacityMib ?? quotaMib ?? 0, disk ? "capacityMib" : "quotaMib"), labelsOf(labels)));
  }

  static async get(name) {
    return new VolumeHandle(await native.volumeGet(await home(), name));
  }

  static async list() {
    return (await native.volumeList(await home())).map((v) => new VolumeHandle(v));
  }

  static async remove(name) {
    await native.volumeRemove(await home(), name);
  }
}
